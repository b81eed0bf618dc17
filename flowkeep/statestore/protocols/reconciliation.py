"""What the reconciler reads and writes besides records of what happened."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from flowkeep.contracts import Stuck
from flowkeep.contracts.reconciliation import (
    Backlog,
    ClosedExecution,
    DueExecution,
    NextLook,
    Standing,
)


class ReconciliationRepository(Protocol):
    """The queue of executions that are to be compared with Temporal.

    Every write compares with what was read before it sets, so that two who do this at the same
    time, or one who does it late, undo nothing.
    """

    async def reconcile_soon(self, namespace: str, temporal_run_id: str) -> int:
        """Have one execution compared with Temporal as soon as possible; see below."""
        ...

    async def reconcile_all_soon(self, executions: Sequence[tuple[str, str]]) -> int:
        """Have executions compared with Temporal as soon as possible.

        For records that were refused or lost: Temporal's history still has what they said.

        Args:
            executions: Pairs of namespace and Temporal's run id.

        Returns:
            How many of them the ledger knows. The others are found by Temporal's own list.
        """
        ...

    async def confirm(
        self, namespace: str, closed: Sequence[ClosedExecution]
    ) -> Mapping[str, Standing]:
        """Compare ends that Temporal tells with the ledger's, and clear what is proven.

        An execution is proven when its end is the same, the finished tasks of its continue-as-new
        chain are as many as its workflow counted, and the attempts of each show no gap and nothing
        open. One that continued as new is noted as such. Nothing else is changed.

        Args:
            namespace: Of the executions.
            closed: At most a page; each once.

        Returns:
            How each of them stands, by Temporal's run id.
        """
        ...

    async def due_executions(
        self,
        namespace: str,
        *,
        closed: bool,
        limit: int,
        after: DueExecution | None = None,
        until: datetime | None = None,
    ) -> Sequence[DueExecution]:
        """Return executions that are not proven and whose turn it is, in the order of their turns.

        Args:
            namespace: Of the executions.
            closed: Whether the ledger has them ended, or open.
            limit: Most of them.
            after: The last one of the page before.
            until: Whose turn comes until then; now when left out.
        """
        ...

    async def look_again(self, namespace: str, looks: Sequence[NextLook]) -> int:
        """Note when executions are looked at next; returns how many had not changed since.

        Args:
            namespace: Of the executions.
            looks: When each of them was due, and when it is next, if at all.
        """
        ...

    async def chains_now(self, namespace: str, run_ids: Collection[UUID]) -> int:
        """Have what continued as new in some runs looked at now, one by one.

        For chains that were not proven with their last execution. Returns how many executions
        that are.
        """
        ...

    async def backlog(self, namespace: str) -> Backlog:
        """Return how many executions wait for their turn, and for how long."""
        ...

    async def set_stuck(self, run_id: UUID, stuck: Stuck) -> bool:
        """Note why an open run does not move; returns whether there is such a run.

        Seen again with the same code it keeps the time at which it was seen first. Neither the
        run's revision nor its `updated_at` changes.
        """
        ...

    async def clear_stuck(self, run_id: UUID) -> bool:
        """Note that a run moves; returns whether it was said not to."""
        ...

    async def listed_to(self, namespace: str) -> datetime | None:
        """Return up to when Temporal's list of executions was read, None if it never was."""
        ...

    async def set_listed_to(self, namespace: str, at: datetime) -> None:
        """Note up to when Temporal's list of executions was read; it never goes back."""
        ...

    async def serve_queue(self, namespace: str, task_queue: str) -> None:
        """Note that a worker with flowkeep serves a task queue: its executions are ours."""
        ...
