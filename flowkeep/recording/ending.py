"""How an execution ended, as its own workflow code knows it."""

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    FailureError,
    TerminatedError,
    is_cancelled_exception,
)

from flowkeep.contracts import SegmentClose
from flowkeep.contracts.status import FailureReason, RunStatus
from flowkeep.recording.capture import Payloads, capture, error_info
from flowkeep.recording.identity import segment_kind, workflow_run_ref
from flowkeep.recording.tracker import RunTracker


def status_after(error: BaseException) -> RunStatus | None:
    """Return how an execution ends whose code raised an error.

    Returns:
        `running` when it continues as new; None when this is no end: a bug, whose workflow task
        Temporal tries again.
    """
    if isinstance(error, workflow.ContinueAsNewError):
        return RunStatus.RUNNING
    if is_cancelled_exception(error) and workflow.cancellation_reason() is not None:
        return RunStatus.CANCELLED
    if isinstance(error, asyncio.CancelledError):  # the SDK makes it a failure of its own
        return RunStatus.FAILED
    if isinstance(error, Exception) and workflow.is_failure_exception(error):
        return RunStatus.FAILED
    return None


def close_of(
    tracker: RunTracker,
    status: RunStatus,
    *,
    outputs: Any,
    error: BaseException | None,
    payloads: Payloads,
    payload_bytes: int,
) -> SegmentClose:
    """Describe the end of the execution that runs now.

    Args:
        tracker: Who it is and what it counted.
        status: As `status_after` says.
        outputs: What it returned.
        error: What it raised; nothing is kept of it when the run goes on.
        payloads: How much is kept of the outputs.
        payload_bytes: Most bytes of JSON of outputs that are kept in full.
    """
    info = workflow.info()
    goes_on = status is RunStatus.RUNNING
    return SegmentClose(
        run=workflow_run_ref(tracker.identity, info),
        status=status,
        closed_at=workflow.now(),
        kind=segment_kind(info),
        outputs=capture(outputs, payloads, payload_bytes),
        error=None if error is None or goes_on else error_info(error),
        failure_reason=_failure_reason(status, error),
        # The last execution of a chain tells the count of all.
        expected_tasks=None if goes_on else tracker.total,
        tentative=_may_run_again(info, status, error),
        started_at=info.workflow_start_time,
    )


def _may_run_again(info: workflow.Info, status: RunStatus, error: BaseException | None) -> bool:
    if info.cron_schedule:
        return status is not RunStatus.CANCELLED
    policy = info.retry_policy
    if status is not RunStatus.FAILED or policy is None or not _may_retry(error, policy):
        return False
    return policy.maximum_attempts == 0 or info.attempt < policy.maximum_attempts


def _may_retry(error: BaseException | None, policy: RetryPolicy) -> bool:
    """Tell whether the server's retry of workflows applies to a failure."""
    if isinstance(error, CancelledError | TerminatedError | asyncio.CancelledError):
        return False
    fatal = policy.non_retryable_error_types or ()
    if isinstance(error, ApplicationError):
        return not error.non_retryable and error.type not in fatal
    return isinstance(error, FailureError) or type(error).__name__ not in fatal


def _failure_reason(status: RunStatus, error: BaseException | None) -> str | None:
    if status is not RunStatus.FAILED:
        return None
    if isinstance(error, ActivityError):
        return FailureReason.ACTIVITY_ERROR
    return FailureReason.WORKFLOW_ERROR
