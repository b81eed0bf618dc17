"""How an execution ended, from the last event of its history."""

from dataclasses import replace
from datetime import datetime, timedelta

from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from flowkeep.contracts import FailureReason, RunStatus
from flowkeep.recording.history.facts import End
from flowkeep.recording.history.start import moment
from flowkeep.recording.outcome import termination

_STATUSES = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: RunStatus.SUCCEEDED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: RunStatus.FAILED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: RunStatus.CANCELLED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: RunStatus.CANCELLED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: RunStatus.TIMED_OUT,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: RunStatus.RUNNING,
}
# Timers fire late, and the server looks at an execution's own time only when one does.
_TIMER_SLACK = timedelta(seconds=1)


def end_of(event: HistoryEvent, *, expires_at: datetime | None) -> End | None:
    """Read how an execution ended; None for an event that ends none.

    Args:
        event: Any event.
        expires_at: When the whole chain runs out of time, if it ever does.
    """
    status = _STATUSES.get(event.event_type)
    if status is None:
        return None
    told = getattr(event, str(event.WhichOneof("attributes")))
    end = End(
        status=status,
        closed_at=moment(event.event_time),
        successor=getattr(told, "new_execution_run_id", "") or None,
    )
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
        reason = _of_termination(told.reason)
        return replace(end, failure_reason=reason, error=termination(told.reason))
    if status is RunStatus.SUCCEEDED:
        return replace(end, result=told.result)
    if status is RunStatus.FAILED:
        return replace(end, failure=told.failure, failure_reason=_of_failure(told.failure))
    if status is RunStatus.TIMED_OUT:
        late = expires_at is not None and end.closed_at >= expires_at - _TIMER_SLACK
        reason = FailureReason.EXECUTION_TIMEOUT if late else FailureReason.RUN_TIMEOUT
        return replace(end, failure_reason=reason)
    return end


def _of_failure(failure: Failure) -> FailureReason:
    if failure.HasField("activity_failure_info"):
        return FailureReason.ACTIVITY_ERROR
    return FailureReason.WORKFLOW_ERROR


def _of_termination(reason: str) -> FailureReason:
    """Tell the server's own terminations, of histories that grew too long, from people's."""
    if reason.startswith("Workflow ") and reason.rstrip(".").endswith("exceeds limit"):
        return FailureReason.HISTORY_LIMIT
    return FailureReason.TERMINATED
