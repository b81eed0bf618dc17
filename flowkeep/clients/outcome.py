"""What Temporal says of an open run's work and of a failure, in our words."""

from contextlib import suppress
from typing import Any

from temporalio import exceptions
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import WorkflowExecutionDescription, WorkflowFailureError
from temporalio.converter import PayloadConverter

from flowkeep.contracts import RunStatus
from flowkeep.contracts.progress import PendingActivity


def pending_activities(description: WorkflowExecutionDescription) -> list[PendingActivity]:
    """Return the activities that a description shows as scheduled and not ended."""
    converter = PayloadConverter.default
    pending = []
    for activity in description.raw_description.pending_activities:
        details: list[Any] = []
        with suppress(Exception):  # details of a foreign codec say nothing to us
            details = converter.from_payloads(activity.heartbeat_details.payloads)
        pending.append(
            PendingActivity(
                activity_id=activity.activity_id,
                name=activity.activity_type.name,
                attempt=activity.attempt,
                started=activity.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED,
                heartbeat=details,
            )
        )
    return pending


def why_it_failed(error: WorkflowFailureError) -> tuple[RunStatus, str]:
    """Return the status and the reasons along the causes of a failure."""
    cause = error.cause
    status = RunStatus.FAILED
    if isinstance(cause, exceptions.CancelledError | exceptions.TerminatedError):
        status = RunStatus.CANCELLED
    elif isinstance(cause, exceptions.TimeoutError):
        status = RunStatus.TIMED_OUT
    texts: list[str] = []
    current: BaseException | None = cause
    while current is not None and len(texts) < 5:
        text = getattr(current, "message", None) or str(current) or type(current).__name__
        if not any(text in known for known in texts):
            texts.append(text)
        current = getattr(current, "cause", None)
    return status, ": ".join(texts)
