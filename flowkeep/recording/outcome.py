"""How Temporal says that an execution ended, in our words."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowHistoryEventFilterType,
)

from flowkeep.contracts import ErrorInfo, FailureReason, RunStatus
from flowkeep.recording.capture import MESSAGE_BYTES, clip
from flowkeep.redaction import redact

_STATUSES = {
    WorkflowExecutionStatus.RUNNING: RunStatus.RUNNING,
    WorkflowExecutionStatus.COMPLETED: RunStatus.SUCCEEDED,
    WorkflowExecutionStatus.FAILED: RunStatus.FAILED,
    WorkflowExecutionStatus.CANCELED: RunStatus.CANCELLED,
    WorkflowExecutionStatus.TERMINATED: RunStatus.CANCELLED,
    WorkflowExecutionStatus.TIMED_OUT: RunStatus.TIMED_OUT,
    WorkflowExecutionStatus.CONTINUED_AS_NEW: RunStatus.RUNNING,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How Temporal says a run ended.

    Attributes:
        status: A terminal status.
        closed_at: When.
        failure_reason: Why, when it did not succeed by itself.
        error: The reason a person or a program gave for terminating it.
    """

    status: RunStatus
    closed_at: datetime
    failure_reason: str | None = None
    error: ErrorInfo | None = None


def described_status(description: WorkflowExecutionDescription) -> RunStatus:
    """Return the status that a description tells."""
    status = description.status
    return RunStatus.UNKNOWN if status is None else _STATUSES[status]


async def described_outcome(
    handle: WorkflowHandle[Any, Any], description: WorkflowExecutionDescription
) -> Outcome | None:
    """Return how the described execution ended, or None while it runs.

    Args:
        handle: Names the described execution.
        description: What `describe` returned.
    """
    status = described_status(description)
    if not status.terminal:
        return None
    closed_at = description.close_time or datetime.now(UTC)
    reason: str | None = None
    error: ErrorInfo | None = None
    if description.status is WorkflowExecutionStatus.TERMINATED:
        reason = FailureReason.TERMINATED
        error = await _termination(handle)
    elif status is RunStatus.TIMED_OUT:
        reason = FailureReason.EXECUTION_TIMEOUT
    elif status is RunStatus.FAILED:
        reason = FailureReason.WORKFLOW_ERROR
    return Outcome(status, closed_at, reason, error)


async def _termination(handle: WorkflowHandle[Any, Any]) -> ErrorInfo | None:
    close = WorkflowHistoryEventFilterType.CLOSE_EVENT
    async for event in handle.fetch_history_events(event_filter_type=close):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
            return termination(event.workflow_execution_terminated_event_attributes.reason)
    return None


def termination(reason: str) -> ErrorInfo:
    """Return the error of an execution that a person or a program terminated.

    Args:
        reason: What was given as the reason.
    """
    return ErrorInfo(
        code="TERMINATED",
        type="Terminated",
        message=clip(redact(reason), MESSAGE_BYTES) or "terminated without a reason",
        retryable=False,
    )
