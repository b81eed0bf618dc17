"""Handles: how a run ended, whatever happened to it in Temporal."""

import pytest
import uuid_utils.compat as uuids
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import NewRun, RunStatus
from flowkeep.errors import Conflict, OpenRunExists
from flowkeep.worker import Worker
from tests.support import eventually
from tests.workflows import flows


async def test_terminate_from_outside_is_seen(
    client: WorkflowClient, worker: Worker, temporal_client: Client
) -> None:
    """A run that somebody terminated with Temporal's own tools ends as cancelled."""
    handle = await client.start_workflow({"a": 1}, flows.Holding)
    await temporal_client.get_workflow_handle(handle.workflow_id).terminate(reason="maintenance")
    assert await handle.status() is RunStatus.CANCELLED
    run = await handle.run()
    assert run.failure_reason == "terminated"
    assert run.error is not None
    assert run.error.message == "maintenance"


async def test_end_of_a_run_whose_id_is_used_again_elsewhere(
    client: WorkflowClient, worker: Worker, temporal_client: Client
) -> None:
    """A run keeps its own end though its workflow_id names another workflow by now."""
    ours = [
        await client.start_workflow({"a": 1}, flows.Holding, workflow_id=f"reused-{n}")
        for n in range(2)
    ]
    for handle in ours:
        other = temporal_client.get_workflow_handle(handle.workflow_id)
        await other.terminate(reason="maintenance")
        await temporal_client.start_workflow(
            "InheritsRun", {"workflow_id": "x"}, id=handle.workflow_id, task_queue="nobody-listens"
        )
    assert await ours[0].status() is RunStatus.CANCELLED
    with pytest.raises(OpenRunExists):  # asks for the end of ours, then meets the other one
        await client.start_workflow(
            {"a": 1}, flows.Holding, workflow_id="reused-1", on_conflict="reject"
        )
    for handle in ours:
        run = await handle.run()
        assert (run.status, run.failure_reason) == (RunStatus.CANCELLED, "terminated")
        await temporal_client.get_workflow_handle(handle.workflow_id).terminate()


async def test_cancel_of_a_lost_start_says_so(client: WorkflowClient) -> None:
    """A run that Temporal never heard of is not said to have ended."""
    lost = await client.store.runs.create(
        "default",
        NewRun(
            id=uuids.uuid7(),
            namespace=client.temporal.namespace,
            workflow_id="lost",
            workflow_type="InheritsRun",
            task_queue="nobody-listens",
        ),
    )
    handle = await client.get_handle("default", lost.id)
    with pytest.raises(Conflict, match="is pending and Temporal does not know it"):
        await handle.cancel()


async def test_result_follows_a_reset(
    client: WorkflowClient, worker: Worker, letters: flows.Letters
) -> None:
    """A reset ends one execution and goes on in another: whoever waits gets that one's result."""
    handle = await client.start_workflow({"a": 1}, flows.Holding)

    async def holding() -> None:
        assert letters.calls == ["hold"]

    await eventually(holding)
    await client.temporal.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.temporal.namespace,
            workflow_execution=WorkflowExecution(
                workflow_id=handle.workflow_id, run_id=handle.temporal_run_id or ""
            ),
            workflow_task_finish_event_id=4,
            request_id=str(uuids.uuid7()),
        )
    )
    letters.release.set()
    assert (await handle.result())["second"] == "b"
    assert await handle.status() is RunStatus.SUCCEEDED
