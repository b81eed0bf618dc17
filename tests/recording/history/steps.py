"""What tests of histories do to workflows."""

import contextlib
from typing import Any
from uuid import uuid4

import uuid_utils.compat as uuids
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from tests.recording.history.conftest import Rows
from tests.support import eventually


async def started(client: Client, flow: Any, *args: Any, **kw: Any) -> WorkflowHandle[Any, Any]:
    """Start a workflow under an id of its own."""
    return await client.start_workflow(flow, args=args, id=f"h-{uuid4().hex}", **kw)


async def ended(handle: WorkflowHandle[Any, Any]) -> None:
    """Wait for the end, whatever it is."""
    with contextlib.suppress(WorkflowFailureError):
        await handle.result(follow_runs=False)


def ends_only(rows: Rows) -> Rows:
    """Leave out what only the ledger knows: how attempts ended that another one followed."""
    last = {key[:2]: max(key[2] for key_ in [key]) for key in sorted(rows)}
    return {key: status if key[2] == last[key[:2]] else "followed" for key, status in rows.items()}


async def working(handle: WorkflowHandle[Any, Any]) -> None:
    """Wait until a worker executes the activity that holds."""

    async def begun() -> None:
        pending = (await handle.describe()).raw_description.pending_activities
        assert any(
            one.activity_type.name == "holds" and one.last_worker_identity for one in pending
        )

    await eventually(begun)


async def complete_elsewhere(client: Client, handle: WorkflowHandle[Any, Any]) -> None:
    async def complete() -> None:
        pending = (await handle.describe()).raw_description.pending_activities
        assert any(one.activity_id == "elsewhere" and one.last_worker_identity for one in pending)

    await eventually(complete)
    assert handle.first_execution_run_id is not None
    there = client.get_async_activity_handle(
        workflow_id=handle.id, run_id=handle.first_execution_run_id, activity_id="elsewhere"
    )
    await there.complete("from elsewhere")


async def reset(
    client: Client, handle: WorkflowHandle[Any, Any], *, after: str
) -> WorkflowHandle[Any, Any]:
    """Reset an execution to where one of its activities has just ended; returns the new one."""
    run_id = handle.run_id or handle.result_run_id
    exact = client.get_workflow_handle(handle.id, run_id=run_id)
    scheduled, ended, point = 0, False, 0
    async for event in exact.fetch_history_events():
        if event.HasField("activity_task_scheduled_event_attributes"):
            if event.activity_task_scheduled_event_attributes.activity_id == after:
                scheduled = event.event_id
        elif event.HasField("activity_task_completed_event_attributes"):
            told = event.activity_task_completed_event_attributes
            ended = ended or told.scheduled_event_id == scheduled
        elif event.HasField("workflow_task_completed_event_attributes") and ended and not point:
            point = event.event_id
    made = await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=run_id),
            workflow_task_finish_event_id=point,
            request_id=str(uuids.uuid7()),
        )
    )
    return client.get_workflow_handle(handle.id, run_id=made.run_id)
