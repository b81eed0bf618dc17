"""Tasks and their attempts."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from flowkeep.contracts import (
    Attempt,
    Page,
    Task,
)


class TaskRepository(Protocol):
    """Tasks and their attempts."""

    async def upsert_attempts(self, tenant_id: str, attempts: Sequence[Attempt]) -> int:
        """Record attempts of one tenant; returns how many rows were written.

        What is weaker by (source, status, recorded_at) than the stored row changes nothing.

        Raises:
            Forbidden: If an attempt belongs to another tenant.
        """
        ...

    async def list_tasks(
        self, tenant_id: str, run_id: UUID, limit: int = 100, cursor: str | None = None
    ) -> Page[Task]:
        """Return the highest attempt of each task, by (scheduled_at, key).

        Args:
            tenant_id: Whose run.
            run_id: The run; an unknown one has no tasks.
            limit: Rows per page, 1 to 100.
            cursor: `Task.key` of the last row of the page before.

        Raises:
            InvalidInput: If the limit is out of range or the cursor names no task of the run.
        """
        ...

    async def list_attempts(
        self,
        tenant_id: str,
        run_id: UUID,
        activity_id: str | None = None,
        *,
        temporal_run_id: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[Task]:
        """Return every attempt, by (temporal_run_id, activity_id, attempt).

        Args:
            tenant_id: Whose run.
            run_id: The run.
            activity_id: Only this task's attempts.
            temporal_run_id: Only those of this execution.
            limit: Rows per page, 1 to 100.
            cursor: `Task.attempt_key` of the last row of the page before.
        """
        ...
