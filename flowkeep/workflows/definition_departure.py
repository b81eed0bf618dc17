"""When a run continues as new: actions and children end first, so nothing else may begin."""

from collections.abc import Collection
from datetime import datetime, timedelta

from temporalio import workflow

from flowkeep.definitions.plan_commands import TaskRef

PATIENCE = timedelta(seconds=30)
"""How long nothing begins for the sake of what is under way, while the history may still grow."""

MOST_BYTES = 16 * 1024 * 1024
"""Bytes of history from which a run waits as long as it takes. Temporal ends a run at 50 MiB and
51,200 events, whatever it does; https://docs.temporal.io/workflow-execution/limits."""


class Departure:
    """Finds the moment at which nothing is under way.

    Once the history is long the run lets nothing begin, so that what is under way runs out. What
    takes longer than `PATIENCE` is not waited for: the run goes on, and tries again when that has
    ended. From twice the events on, or `MOST_BYTES`, it waits as long as it takes.

    Args:
        events: From which on a history is long; the server may find so earlier.

    Attributes:
        wanted: Whether nothing may begin, because the run is to continue as new.
        gives_up_at: Until when that is so; None for as long as it takes, or while it is not wanted.
    """

    def __init__(self, events: int) -> None:
        self._events = events
        self._slow: frozenset[TaskRef] = frozenset()
        self.wanted = False
        self.gives_up_at: datetime | None = None

    def look(self, under_way: Collection[TaskRef]) -> None:
        """Decide anew.

        Args:
            under_way: The actions and children that have begun and not ended.
        """
        info = workflow.info()
        events = info.get_current_history_length()
        if events >= 2 * self._events or info.get_current_history_size() >= MOST_BYTES:
            self.wanted, self.gives_up_at = True, None
        elif self.wanted:
            self._lose_patience(under_way)
        elif events >= self._events or info.is_continue_as_new_suggested():
            self._slow &= frozenset(under_way)
            if not self._slow:
                self.wanted, self.gives_up_at = True, workflow.now() + PATIENCE

    def _lose_patience(self, under_way: Collection[TaskRef]) -> None:
        if under_way and self.gives_up_at is not None and self.gives_up_at <= workflow.now():
            self._slow = frozenset(under_way)
            self.wanted, self.gives_up_at = False, None
