"""Servers that go away and come back: no run is lost, no record either."""

import pytest
from temporalio.api.enums.v1 import PendingWorkflowTaskState

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import RunStatus, TaskStatus
from flowkeep.errors import LedgerUnavailable, TemporalUnavailable
from flowkeep.local_engine import LocalEngine
from flowkeep.worker import Worker
from tests.support import crash, eventually
from tests.workflows import flows

pytestmark = pytest.mark.slow


async def test_success_while_the_ledger_is_away_is_recorded_later(
    own_engine: LocalEngine, client: WorkflowClient, worker: Worker, letters: flows.Letters
) -> None:
    """Activities go on without the ledger; what they did is in it once it is back."""
    assert own_engine.postgres is not None
    handle = await client.start_workflow({"a": 1}, flows.Holding)

    async def holding() -> None:
        assert letters.calls == ["hold"]

    await eventually(holding)
    await crash(own_engine.postgres)
    letters.release.set()
    temporal = client.temporal.get_workflow_handle(handle.workflow_id)
    assert await temporal.result() == {"hold": "released", "second": "b"}
    await own_engine.postgres.restart()
    assert await handle.status() is RunStatus.SUCCEEDED

    async def recorded() -> None:
        page = await client.store.tasks.list_tasks("default", handle.run_id)
        found = {task.task_name: task.status for task in page}
        assert found.get("hold") is TaskStatus.SUCCEEDED
        assert found.get("second") is TaskStatus.SUCCEEDED

    await eventually(recorded)


async def test_failures_wait_for_the_ledger(
    own_engine: LocalEngine, client: WorkflowClient, worker: Worker, letters: flows.Letters
) -> None:
    """A failed attempt is not retried before it is recorded, so no attempt is missing."""
    assert own_engine.postgres is not None
    letters.failures = 0
    handle = await client.start_workflow({"a": 1}, flows.Flaky, start_delay="PT1S")
    await crash(own_engine.postgres)
    await own_engine.postgres.restart()
    assert await handle.result() == {"flaky": "recovered"}

    async def recorded() -> None:
        page = await client.store.tasks.list_attempts("default", handle.run_id)
        found = [task.status for task in page if task.task_name == "flaky"]
        assert found == ["failed", "failed", "succeeded"]

    await eventually(recorded)


async def test_arguments_wait_for_the_ledger(
    own_engine: LocalEngine, client: WorkflowClient, worker: Worker
) -> None:
    """A run whose arguments cannot be read yet waits for the ledger instead of failing."""
    assert own_engine.postgres is not None
    handle = await client.start_workflow({"suffix": "w"}, flows.InheritsRun, start_delay="PT1S")
    await crash(own_engine.postgres)

    async def waiting() -> None:
        description = await client.temporal.get_workflow_handle(handle.workflow_id).describe()
        task = description.raw_description.pending_workflow_task
        assert task.state == PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_STARTED

    await eventually(waiting)
    await own_engine.postgres.restart()
    assert (await handle.result())["suffix"] == "w"


async def test_start_without_the_ledger_starts_nothing(
    own_engine: LocalEngine, client: WorkflowClient
) -> None:
    """A start that cannot be recorded is refused, and Temporal never hears of it."""
    assert own_engine.postgres is not None
    await crash(own_engine.postgres)
    with pytest.raises(LedgerUnavailable, match="FLOWKEEP_DATABASE_URL"):
        await client.start_workflow({"a": 1}, flows.Holding, workflow_id="never")
    found = [run async for run in client.temporal.list_workflows()]
    assert found == []


async def test_start_without_temporal_goes_on_later(
    own_engine: LocalEngine, client: WorkflowClient
) -> None:
    """A start that Temporal does not answer leaves a pending run, which the next start takes up."""
    assert own_engine.temporal is not None
    await crash(own_engine.temporal)
    with pytest.raises(TemporalUnavailable, match="stays pending"):
        await client.start_workflow({"a": 1}, flows.Holding, workflow_id="later")
    page = await client.store.runs.find_by_workflow_id("default", "later")
    assert [run.status for run in page] == [RunStatus.PENDING]
    await own_engine.temporal.restart()
    handle = await client.start_workflow({"a": 1}, flows.Holding, workflow_id="later")
    assert handle.run_id == page.data[0].id
    assert (await handle.run()).status is RunStatus.RUNNING


async def test_run_survives_a_killed_temporal(
    own_engine: LocalEngine, client: WorkflowClient, worker: Worker, letters: flows.Letters
) -> None:
    """A run goes on where it was when Temporal comes back after kill -9."""
    assert own_engine.temporal is not None
    handle = await client.start_workflow({"a": 1}, flows.Holding)

    async def holding() -> None:
        assert letters.calls

    await eventually(holding)
    await crash(own_engine.temporal)
    await own_engine.temporal.restart()
    letters.release.set()
    assert await handle.result() == {"hold": "released", "second": "b"}
    assert (await handle.run()).status is RunStatus.SUCCEEDED
