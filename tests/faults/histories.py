"""What Temporal says, read by the SDK alone: the second truth that the ledger must equal."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionStatus

_LOCAL = "core_local_activity"
_CLOSES = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: "succeeded",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: "failed",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: "timed_out",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: "cancelled",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: "cancelled",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: "running",
}
_TASK_ENDS = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "succeeded",
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "failed",
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "timed_out",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "cancelled",
}


@dataclass
class TaskTruth:
    """What history says of one task.

    Attributes:
        last: Number of its last attempt; null where history does not tell.
        status: How it ended; null where it was open when its execution ended.
    """

    activity_id: str
    name: str
    local: bool
    last: int | None = None
    status: str | None = None


@dataclass
class ExecutionTruth:
    """What history says of one execution.

    Attributes:
        status: As the ledger words it; `running` where another execution went on.
        followed: Whether another execution went on after it.
        result: What it returned, where that can be read as JSON.
        message: Why it failed.
    """

    workflow_id: str
    execution: str
    first: str
    workflow_type: str
    kind: str
    status: str = "running"
    followed: bool = False
    closed: bool = False
    result: Any = None
    message: str | None = None
    reset: bool = False
    tasks: dict[str, TaskTruth] = field(default_factory=dict)


async def list_executions(client: Client) -> dict[tuple[str, str], bool]:
    """Return (workflow id, run id) of every execution there is, and whether it is open."""
    found: dict[tuple[str, str], bool] = {}
    async for one in client.list_workflows(""):
        found[one.id, one.run_id] = one.status is WorkflowExecutionStatus.RUNNING
    return found


async def read_histories(
    client: Client, executions: list[tuple[str, str]]
) -> dict[str, ExecutionTruth]:
    """Return what the histories say, by run id."""
    gate = asyncio.Semaphore(8)

    async def one(workflow_id: str, execution: str) -> ExecutionTruth:
        async with gate:
            handle = client.get_workflow_handle(workflow_id, run_id=execution)
            events = [event async for event in handle.fetch_history_events()]
            return _understand(workflow_id, execution, events)

    return {
        truth.execution: truth for truth in await asyncio.gather(*[one(*key) for key in executions])
    }


def _understand(workflow_id: str, execution: str, events: list[HistoryEvent]) -> ExecutionTruth:
    start = events[0].workflow_execution_started_event_attributes
    truth = ExecutionTruth(
        workflow_id=workflow_id,
        execution=execution,
        first=start.first_execution_run_id,
        workflow_type=start.workflow_type.name,
        kind=_kind(start, execution),
    )
    scheduled: dict[int, TaskTruth] = {}
    for event in events:
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            one = event.activity_task_scheduled_event_attributes
            task = TaskTruth(one.activity_id, one.activity_type.name, local=False)
            scheduled[event.event_id] = truth.tasks[one.activity_id] = task
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            started = event.activity_task_started_event_attributes
            scheduled[started.scheduled_event_id].last = started.attempt
        elif event.event_type in _TASK_ENDS:
            _end(event, scheduled)
        elif event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            _read_marker(event, truth)
        elif event.event_type in _CLOSES:
            _close(event, truth)
    return truth


def _kind(start: Any, execution: str) -> str:
    if start.original_execution_run_id != execution:
        return "reset"
    if start.attempt > 1:
        return "retry"
    return "continue" if start.continued_execution_run_id else "start"


def _end(event: HistoryEvent, scheduled: dict[int, TaskTruth]) -> None:
    field_name = event.WhichOneof("attributes")
    assert field_name is not None
    end = getattr(event, field_name)
    task = scheduled[end.scheduled_event_id]
    task.status = _TASK_ENDS[event.event_type]
    if not end.started_event_id:
        task.last = None  # it ended between two attempts, and history does not say after which


def _read_marker(event: HistoryEvent, truth: ExecutionTruth) -> None:
    marker = event.marker_recorded_event_attributes
    if marker.marker_name != _LOCAL:
        return
    data = json.loads(marker.details["data"].payloads[0].data)
    if data["activity_type"].startswith("flowkeep.record_"):
        return  # how flowkeep itself talks to its recorder is no task
    task = TaskTruth(data["activity_id"], data["activity_type"], local=True)
    task.last = data["attempt"]
    task.status = "failed" if marker.HasField("failure") else "succeeded"
    truth.tasks[task.activity_id] = task


def _close(event: HistoryEvent, truth: ExecutionTruth) -> None:
    truth.status, truth.closed = _CLOSES[event.event_type], True
    field_name = event.WhichOneof("attributes")
    assert field_name is not None
    close = getattr(event, field_name)
    truth.followed = truth.status == "running" or bool(getattr(close, "new_execution_run_id", ""))
    if truth.status == "succeeded" and close.result.payloads:
        truth.result = _plain(close.result.payloads[0])
    if truth.status == "failed":
        truth.message = close.failure.message


def _plain(payload: Payload) -> Any:
    if payload.metadata.get("encoding") == b"json/plain":
        return json.loads(payload.data)
    return None
