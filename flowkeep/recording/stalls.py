"""Why an open execution does not move: its code fails, or nobody polls its task queue."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import (
    EventType,
    PendingActivityState,
    PendingWorkflowTaskState,
    TaskQueueType,
    WorkflowTaskFailedCause,
)
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    GetWorkflowExecutionHistoryReverseRequest,
)
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError

from flowkeep.contracts import Stuck
from flowkeep.recording.visibility import unavailable
from flowkeep.redaction import redact

FAILING = "WORKFLOW_TASK_FAILING"
NO_WORKER = "NO_WORKER"

_TRIES = 3
"""A workflow task that is tried so often fails: one whose worker stopped is tried twice."""
_UNTAKEN = timedelta(seconds=15)
"""A task that lies in its queue for longer may have nobody who takes it."""
_POLL = timedelta(seconds=75)
"""A live worker asks again within a minute; the server remembers dead ones for five."""
_REMEMBERED_SECONDS = 10.0
_MOST_REMEMBERED = 1000
_EVENTS = 20
_LONGEST = 500


class Stalls:
    """Explains executions that do not move.

    Args:
        client: Of the namespace.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._polled: dict[tuple[str, int], tuple[float, bool]] = {}

    async def explain(self, described: WorkflowExecutionDescription) -> Stuck | None:
        """Return why a running execution does not move; None when it does, or just waits.

        Args:
            described: What `describe` returned.

        Raises:
            TemporalUnavailable: If Temporal does not answer.
        """
        raw = described.raw_description
        tries = raw.pending_workflow_task.attempt
        if tries >= _TRIES:
            return await self._failing(described, tries)
        for queue, kind, tried in _untaken(described):
            if not await self._is_polled(queue, kind):
                name = "workflow" if kind == TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW else "activity"
                return Stuck(
                    code=NO_WORKER,
                    message=f"no worker polls task queue {queue!r} for {name} tasks",
                    attempts=tried,
                    since=datetime.now(UTC),
                )
        return None

    async def _failing(self, described: WorkflowExecutionDescription, tries: int) -> Stuck:
        message = "its workflow task fails"
        for event in await self._newest_events(described.id, described.run_id):
            told = _reason(event)
            if told is not None:
                message = redact(told)[:_LONGEST]
                break
        return Stuck(code=FAILING, message=message, attempts=tries, since=datetime.now(UTC))

    async def _newest_events(
        self, workflow_id: str, temporal_run_id: str
    ) -> Iterable[HistoryEvent]:
        request = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self._client.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id, run_id=temporal_run_id),
            maximum_page_size=_EVENTS,
        )
        service = self._client.workflow_service
        try:
            found = await service.get_workflow_execution_history_reverse(request, retry=True)
        except RPCError as error:
            raise unavailable(error) from error
        return found.history.events

    async def _is_polled(self, queue: str, kind: int) -> bool:
        """Tell whether a worker asked for such tasks lately; an answer holds for some seconds."""
        known = self._polled.get((queue, kind))
        if known is not None and time.monotonic() - known[0] < _REMEMBERED_SECONDS:
            return known[1]
        request = DescribeTaskQueueRequest(
            namespace=self._client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.ValueType(kind),
        )
        try:
            found = await self._client.workflow_service.describe_task_queue(request, retry=True)
        except RPCError as error:
            raise unavailable(error) from error
        newest = max((_time(one.last_access_time) for one in found.pollers), default=None)
        polled = newest is not None and datetime.now(UTC) - newest < _POLL
        if len(self._polled) >= _MOST_REMEMBERED:
            self._polled.clear()
        self._polled[queue, kind] = (time.monotonic(), polled)
        return polled


def _untaken(described: WorkflowExecutionDescription) -> Iterable[tuple[str, int, int]]:
    """Yield queue, kind and attempt of tasks that nobody has taken for a while."""
    raw, now = described.raw_description, datetime.now(UTC)
    task = raw.pending_workflow_task
    waits = PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED
    if task.state == waits and now - _time(task.scheduled_time) > _UNTAKEN:
        yield described.task_queue, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, task.attempt
    for activity in raw.pending_activities:
        due = activity.next_attempt_schedule_time
        scheduled = _time(
            due if activity.HasField("next_attempt_schedule_time") else activity.scheduled_time
        )
        untaken = activity.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
        if untaken and now - scheduled > _UNTAKEN:
            queue = activity.activity_options.task_queue.name or described.task_queue
            yield queue, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY, activity.attempt


def _reason(event: HistoryEvent) -> str | None:
    """Return why a workflow task failed, if the event tells that one did."""
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
        return "its workflow task is not answered in time"
    if event.event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
        return None
    told = event.workflow_task_failed_event_attributes
    name = WorkflowTaskFailedCause.Name(told.cause)
    cause = name.removeprefix("WORKFLOW_TASK_FAILED_CAUSE_").replace("_", " ").lower()
    kind = told.failure.application_failure_info.type
    message = " ".join(told.failure.message.split())
    words = f"{kind}: {message}" if kind and message else message or kind
    return f"{words} ({cause})" if words else cause


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)
