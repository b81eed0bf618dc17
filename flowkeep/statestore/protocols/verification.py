"""What the ledger says of itself when it is compared with Temporal."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from flowkeep.contracts.truth import DifferenceKind
from flowkeep.contracts.verification import (
    ListedExecutions,
    OpenAttempt,
    OpenRequest,
    RunCounters,
)


class LedgerCheckRepository(Protocol):
    """Reads of a verification, of all tenants or of one, and repairs that need no Temporal."""

    async def list_executions(
        self,
        namespace: str,
        *,
        until: datetime,
        since: datetime | None = None,
        tenant_id: str | None = None,
        workflow_id: str | None = None,
        after: str | None = None,
        limit: int = 500,
    ) -> ListedExecutions:
        """Return a page of a namespace's executions, by Temporal's run id.

        Args:
            namespace: Temporal namespace.
            until: Leave out those that began later.
            since: Leave out those that had ended before.
            tenant_id: Whose; None for all tenants.
            workflow_id: Only of this workflow id.
            after: Where the page before ended.
            limit: Rows that are read; a page may hold fewer, even none, and not be the last.
        """
        ...

    async def unknown_executions(self, namespace: str, ids: Collection[str]) -> set[str]:
        """Return which of some executions, by Temporal's run id, the ledger does not know."""
        ...

    async def gone_runs(self, run_ids: Collection[UUID]) -> set[UUID]:
        """Return which of some runs were deleted, or lie in the archive."""
        ...

    async def served_queues(self, namespace: str) -> set[str]:
        """Return the task queues that workers with flowkeep have served."""
        ...

    async def list_requests(
        self,
        namespace: str,
        *,
        until: datetime,
        since: datetime | None = None,
        tenant_id: str | None = None,
        workflow_id: str | None = None,
        after: OpenRequest | None = None,
        limit: int = 100,
    ) -> Sequence[OpenRequest]:
        """Return a page of the runs that are still pending, oldest first.

        Args:
            namespace: Temporal namespace.
            until: Leave out those that were created later.
            since: Leave out those that were created before.
            tenant_id: Whose; None for all tenants.
            workflow_id: Only of this workflow id.
            after: The last one of the page before.
            limit: Page size.
        """
        ...

    async def wrong_counters(self, run_ids: Collection[UUID]) -> Sequence[RunCounters]:
        """Return the counters of some runs where they differ from the rows they count."""
        ...

    async def open_attempts(self, run_ids: Collection[UUID]) -> Sequence[OpenAttempt]:
        """Return attempts that are open although their runs, of these, have ended.

        At most 1,000 of each run.
        """
        ...

    async def close_attempts(self, run_id: UUID) -> int:
        """Cancel the open attempts of a run that has ended; returns how many there were.

        Raises:
            NotFound: If there is no such run.
        """
        ...

    async def note_repairs(
        self,
        run_id: UUID,
        repaired: Mapping[DifferenceKind, int],
        *,
        temporal_run_id: str | None = None,
    ) -> None:
        """Append an event that says what was corrected of a run's rows.

        Args:
            run_id: The run.
            repaired: How many differences, by kind.
            temporal_run_id: The execution whose history showed them.

        Raises:
            NotFound: If there is no such run.
        """
        ...

    async def recount(self, run_id: UUID) -> None:
        """Set the counters of a run to what its rows say.

        Raises:
            NotFound: If there is no such run.
        """
        ...
