"""What the code of tasks logged."""

from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

from flowkeep.contracts import Page
from flowkeep.contracts.task_logs import LogLevel, LogLine, NewLogLine


class TaskLogRepository(Protocol):
    """Lines of tasks; they go with their run, and are not archived."""

    async def keep(self, lines: Sequence[NewLogLine]) -> Collection[UUID]:
        """Write lines; they name their tenants themselves.

        Returns:
            The runs that the ledger does not know, or not as this tenant's. Their lines are not
            written.
        """
        ...

    async def list(
        self,
        tenant_id: str,
        run_id: UUID,
        *,
        activity_id: str | None = None,
        attempt: int | None = None,
        level: LogLevel | None = None,
        limit: int = 100,
        after: int | None = None,
    ) -> Page[LogLine]:
        """Return a page of the lines of a run, in the order in which they were written.

        Lines of one attempt are in the order in which they were logged.

        Args:
            tenant_id: Whose run.
            run_id: Which.
            activity_id: Only this task's.
            attempt: Only those of attempts with this number.
            level: Only those that are at least as grave.
            limit: Rows per page, 1 to 1000.
            after: `seq` of the last line of the page before.
        """
        ...
