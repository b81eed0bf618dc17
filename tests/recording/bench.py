"""Runs on real servers whose ledger is made wrong on purpose."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.rows import dict_row
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from uuid_utils.compat import uuid7

from flowkeep.clients.handle import RunHandle
from flowkeep.clients.sweeper import Sweeper
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import NewRun, RunStatus
from flowkeep.contracts.truth import Difference, DifferenceKind
from flowkeep.recording.verification import Verification
from flowkeep.settings import ReconcilerSettings
from tests.support import eventually

QUICK = ReconcilerSettings(grace_seconds=0.3, lists_per_second=1000, overlap_seconds=30)


class Bench:
    """A ledger, Temporal, and a tenant that no other test uses: they share one namespace."""

    def __init__(self, client: WorkflowClient) -> None:
        self.client = client
        self.tenant = f"t-{uuid4().hex[:12]}"

    async def start(self, cls: type[Any], **args: Any) -> RunHandle:
        return await self.client.start_workflow({"x": 1, **args}, cls, tenant_id=self.tenant)

    async def finished(self, *classes: type[Any]) -> list[RunHandle]:
        """Run workflows to their ends, and let the ledger know."""
        handles = [await self.start(cls) for cls in classes]
        await asyncio.gather(*(handle.result() for handle in handles), return_exceptions=True)
        for handle in handles:
            await self.settled(handle)
        return handles

    async def settled(self, handle: RunHandle) -> None:
        async def ended() -> None:
            run = await self.client.store.runs.get(self.tenant, handle.run_id)
            segments = await self.client.store.runs.list_segments(self.tenant, handle.run_id)
            assert run.status.terminal
            assert segments[-1].closed_at is not None
            expected = segments[-1].expected_tasks
            assert expected is None or run.tasks_finished >= expected

        await eventually(ended)

    async def sql(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Do to the ledger what no program should."""
        settings = self.client.settings
        connection = await psycopg.AsyncConnection.connect(
            settings.database_url(), autocommit=True, row_factory=dict_row
        )
        async with connection:
            await connection.execute(f"SET search_path = {settings.database.schema_name}")
            done = await connection.execute(statement, values)
            return await done.fetchall() if done.description else []

    def verification(self, **changes: Any) -> Verification:
        settings = QUICK.model_copy(update=changes)
        return Verification(
            self.client.temporal,
            self.client.store,
            settings,
            sweep=Sweeper(self.client, older_than_seconds=0).sweep,
        )

    async def verify(
        self, verification: Verification | None = None, **options: Any
    ) -> list[Difference]:
        chosen = {"tenant_id": self.tenant, **options}
        verification = verification or self.verification()
        return [one async for one in verification.differences(**chosen)]


def kinds(found: Sequence[Difference]) -> dict[str, set[DifferenceKind]]:
    """Kinds of differences by workflow id."""
    told: dict[str, set[DifferenceKind]] = {}
    for one in found:
        told.setdefault(one.workflow_id, set()).add(one.kind)
    return told


async def reset(bench: Bench, handle: RunHandle) -> None:
    """Let a run execute everything once more, behind the back of whoever records."""
    temporal = bench.client.temporal
    reset = await temporal.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=temporal.namespace,
            workflow_execution=WorkflowExecution(
                workflow_id=handle.workflow_id, run_id=handle.temporal_run_id or ""
            ),
            workflow_task_finish_event_id=4,
            request_id=str(uuid4()),
        )
    )
    await temporal.get_workflow_handle(handle.workflow_id, run_id=reset.run_id).result()

    async def recorded() -> None:
        segments = await bench.client.store.runs.list_segments(bench.tenant, handle.run_id)
        assert segments[-1].temporal_run_id == reset.run_id
        assert segments[-1].closed_at is not None

    await eventually(recorded)


async def running(bench: Bench, handle: RunHandle) -> None:
    run = await bench.client.store.runs.get(bench.tenant, handle.run_id)
    assert run.status is RunStatus.RUNNING
    assert await bench.client.store.runs.list_segments(bench.tenant, handle.run_id)


def request_of(bench: Bench, *, minutes: int) -> NewRun:
    run_id = uuid7()
    return NewRun(
        id=run_id,
        workflow_id=str(run_id),
        workflow_type="Sequenced",
        task_queue=bench.client.settings.worker.task_queue,
        arguments={"x": 1},
        created_at=datetime.now(UTC) - timedelta(minutes=minutes),
    )
