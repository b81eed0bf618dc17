"""Tells the ledger of tasks that no activity carries out, behind the run's own work."""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Literal

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError

from flowkeep.contracts.definition_loading import Kept
from flowkeep.contracts.identity import RECORD_TASKS
from flowkeep.contracts.named_tasks import TaskNote, TaskNotes
from flowkeep.workflows.causes import cause_of
from flowkeep.workflows.definition_rests import Rests

MOST_NOTES = 200
"""Notes that travel together: rows of one short transaction."""

MOST_KEPT_BYTES = 500_000
"""Bytes of JSON of untold notes that a run which continues as new takes along; with more of them it
waits for the ledger, as it would have to next, to load its definition. Temporal takes arguments of
at most 2 MiB."""

_ATTEMPT = timedelta(seconds=10)
"""How long one attempt to tell the ledger may take; the recorder gives up after 4.5 seconds."""

_PATIENCE = 60
"""Attempts until nobody waits for a ledger that is away: about ten minutes. They are counted
because Temporal does not end local activities between attempts, whatever their whole time is."""

_AGAIN = 6
"""Attempts of each later try: about a minute."""

_REFUSALS = frozenset({"InvalidInput", "Conflict", "Forbidden", "NotFound"})
"""Errors that later tries meet again. A wrong password or an older schema is put right."""

_REST = timedelta(minutes=2)
"""Time between the first two such tries; it grows, because each is some events of history."""


class NoteBook:
    """Notes on their way, in the order in which they were written.

    A ledger that stays away keeps nobody waiting: the run goes on, and what is not told is told
    when the ledger is back. Executions that continue each other as new have one book. One that
    Temporal begins by a retry or a reset has a new one: what was open when the earlier one ended
    is told again.

    Attributes:
        waits_for: What the ledger knows, or is being told, that the run waits for.
        begins: Whether this is a new book of an old run, of which nothing has been told yet.
        unpaused_at: The latest moment known at which the run was not paused.
    """

    def __init__(self) -> None:
        info = workflow.info()
        self._notes: deque[TaskNote] = deque()
        self.waits_for: dict[str, Any] = {}
        self.unpaused_at: datetime | None = None
        self._changed = False
        self._writing: asyncio.Task[None] | None = None
        self._late = self._last = False
        self._rests = Rests(_REST)
        self._singly = 0  # notes that are told one by one
        # That of an execution that a reset made is the one whose history it begins with.
        self._execution = info.original_execution_run_id
        self._latest = self._earlier = info.workflow_start_time  # of what was told, and before that
        self._went_back: datetime | None = None
        self._undone_after: datetime | None = None
        self._first: TaskNotes | None = None
        self.begins = info.attempt > 1
        # A reset brings a new seed where it goes on; that is said outside of the loop. Where that
        # is the very beginning, nobody is there yet to hear it: see `reset_to_start`.
        loop = asyncio.get_running_loop()

        def reset(seed: int) -> None:
            loop.call_soon(self.go_back)

        workflow.register_random_seed_callback(reset)

    def add(self, note: TaskNote) -> None:
        """Write something down."""
        self._notes.append(note)
        self._send()

    def wait_for(self, what: dict[str, Any]) -> None:
        """Say what the run waits for; nothing when it goes on.

        Args:
            what: For example `{"human": ["approve"]}`; empty when it no longer waits.
        """
        if what != self.waits_for:
            self.waits_for = what
            self._changed = True
            self._send()

    def begin(self, notes: Iterable[TaskNote]) -> None:
        """Begin the new book of a retry or a reset.

        Args:
            notes: Of everything that is open.
        """
        self.begins, self._changed = False, True
        self._first = TaskNotes(begins=True, undone_after=self._undone_after)
        self._notes.extend(notes)
        self._send()

    def go_back(self) -> None:
        """Hear that this execution was made by a reset, and has come to where it goes on.

        An answer that comes along is heard of before; what it brought is no part of the history.
        """
        self._execution = workflow.info().run_id
        self._went_back = workflow.now()
        kept = self._latest if self._latest < self._went_back else self._earlier
        self._undone_after = min(self._undone_after or kept, kept)
        self.begins = True

    def restore(self, kept: Kept) -> None:
        """Take over the book of the execution that this one continues."""
        self.waits_for = kept.waits_for
        self._notes.extend(kept.notes)
        if not self.begins:
            self._execution, self._changed, self._first = kept.execution, kept.changed, kept.first
            self._undone_after = None if kept.first is None else kept.first.undone_after
        if self._due:
            self._send()

    def dump(self) -> dict[str, Any]:
        """Return the fields of `Kept` with which an execution goes on that continues this one."""
        return {
            "waits_for": self.waits_for,
            "changed": self._changed,
            "first": self._first,
            "execution": self._execution,
            "notes": list(self._notes),
        }

    @property
    def too_many(self) -> bool:
        """Whether more is untold than an execution that continues this one can take along."""
        left = MOST_KEPT_BYTES
        for note in self._notes:
            left -= bytes_of(note)
            if left < 0:
                return True
        return False

    @property
    def told(self) -> bool:
        """Whether the ledger has been told everything, or has been away for too long."""
        return self._late or not (self._due or self._writing)

    def hurry(self) -> None:
        """Try for the last time, because the run ends."""
        if self._late:
            self._late, self._last = False, True

    def _is_new(self, note: TaskNote) -> bool:
        """Tell whether a note is of the moment at which this execution went back."""
        return self._went_back is not None and note.at >= self._went_back

    @property
    def _due(self) -> bool:
        return bool(self._notes) or self._changed or self._first is not None

    def _send(self) -> None:
        """Tell the ledger in the background; what comes until then goes with it."""
        if self._writing is None:
            self._writing = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        try:
            while self._due and not (self._late and self._last):
                if self._late:
                    rest = self._rests.next()
                    with contextlib.suppress(TimeoutError):
                        await workflow.wait_condition(lambda: self._last, timeout=rest)
                await self._tell_some()
        finally:
            self._writing = None
        if self._due:
            workflow.logger.error("the run ends; %d tasks are not recorded", len(self._notes))

    async def _tell_some(self) -> None:
        """Tell what travels together; what the ledger did not take is kept."""
        most = 1 if self._singly else MOST_NOTES
        notes, first, latest = list(islice(self._notes, most)), self._first, self._latest
        changed = self._changed and len(notes) == len(self._notes)
        told = (first or TaskNotes()).evolve(
            notes=notes,
            waits_for=self.waits_for if changed else None,
            execution=self._execution,
            unpaused_at=self.unpaused_at,
        )
        self._latest = max([latest, *(note.at for note in notes)])
        if self._latest > latest:
            self._earlier = latest
        answer = await _record(told, _AGAIN if self._late or self._last else _PATIENCE)
        self._late = answer == "late"
        refused_together = answer == "refused" and len(notes) > 1
        if self._late or refused_together:
            self._latest = latest
            if refused_together:  # so that the one which cannot be recorded takes no other along
                self._singly = len(notes)
            return
        self._rests = Rests(_REST)
        for _ in notes:
            self._notes.popleft()
        if told.execution != self._execution:  # it went back meanwhile
            self._notes.extendleft(note for note in reversed(notes) if self._is_new(note))
        self._singly = max(0, self._singly - len(notes))
        if self._first is not first:  # a new book has begun meanwhile
            return
        if changed:
            self._changed = self.waits_for != told.waits_for
        if first is not None:
            # Another reset goes back to what this execution has told since.
            self._first = self._undone_after = None


def bytes_of(note: TaskNote) -> int:
    """Return what a note takes where it travels: beyond ASCII six bytes a letter, or more."""
    return len(json.dumps(note.model_dump(mode="json")))


async def _record(told: TaskNotes, attempts: int) -> Literal["told", "late", "refused"]:
    """Write notes; `late` when the ledger stays away, `refused` when it never takes them."""
    try:
        await workflow.execute_local_activity(
            RECORD_TASKS,
            args=[told.model_dump(mode="json", exclude_none=True)],
            start_to_close_timeout=_ATTEMPT,
            retry_policy=RetryPolicy(
                maximum_interval=timedelta(seconds=5), maximum_attempts=attempts
            ),
        )
    except FailureError as error:
        cause = cause_of(error)
        if isinstance(cause, ApplicationError) and cause.type in _REFUSALS:
            workflow.logger.error("%d tasks cannot be recorded: %s", len(told.notes), cause)
            return "refused"
        workflow.logger.warning("%d tasks are not recorded yet: %s", len(told.notes), cause)
        return "late"
    return "told"
