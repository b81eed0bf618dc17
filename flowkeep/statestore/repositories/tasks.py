"""Tasks and their attempts: what the recorder reports, and what callers add themselves."""

from collections.abc import Sequence
from uuid import UUID

from flowkeep.contracts import NO_EXECUTION, Attempt, NewTask, Task
from flowkeep.errors import Forbidden, InvalidInput
from flowkeep.statestore.repositories import inputs, recording, task_changes, task_insertion
from flowkeep.statestore.repositories.flush import Flush
from flowkeep.statestore.repositories.task_questions import OpenQuestions


class Tasks(OpenQuestions):
    """Tasks; see the Protocol `TaskRepository`."""

    async def upsert_attempts(self, tenant_id: str, attempts: Sequence[Attempt]) -> int:
        """Record attempts of one tenant; returns how many rows were written."""
        inputs.tenant(tenant_id)
        for attempt in attempts:
            if attempt.run.tenant_id != tenant_id:
                raise Forbidden(f"run {attempt.run.run_id} belongs to another tenant")
            if attempt.run.temporal_run_id == NO_EXECUTION:
                raise InvalidInput(
                    f"activity {attempt.activity_id!r} names no Temporal execution",
                    hint="tasks without one are written by insert, claim and update",
                )
        if not attempts:
            return 0
        async with self._scope.write() as session:
            return await recording.record(session, Flush(attempts))

    async def insert(self, tenant_id: str, new: NewTask) -> Task:
        """Add an attempt to a run, or return the one that was added before."""
        inputs.tenant(tenant_id)
        async with self._scope.write() as session:
            stored, _ = await task_insertion.insert(session, tenant_id, new)
            return stored

    async def claim(
        self,
        tenant_id: str,
        run_id: UUID,
        name: str,
        index: int = -1,
        *,
        worker: str | None = None,
        timeout_seconds: float | None = None,
    ) -> tuple[Task, bool]:
        """Take a task for oneself: of all who ask, the first one gets True."""
        inputs.tenant(tenant_id)
        new = task_insertion.claimed(run_id, name, index, worker, timeout_seconds)
        async with self._scope.write() as session:
            return await task_insertion.insert(session, tenant_id, new, claim=True)

    async def update(self, tenant_id: str, task: Task) -> Task:
        """Bring an attempt to the content of a record that was read and changed."""
        if task.tenant_id != inputs.tenant(tenant_id):
            raise Forbidden(f"run {task.run_id} belongs to another tenant")
        async with self._scope.write() as session:
            return await task_changes.change(session, tenant_id, task)
