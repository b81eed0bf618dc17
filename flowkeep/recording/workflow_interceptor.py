"""Hands identity on from workflow code, counts tasks, and reports how the run ended.

Runs inside the sandbox: no I/O. Everything that becomes a command is issued only when the start
header is present, because the header's version fixes which commands an execution contains: so the
plugin can be added to a worker with running workflows, and their histories replay.
"""

import asyncio
from datetime import timedelta
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    FailureError,
    TemporalError,
    TerminatedError,
    is_cancelled_exception,
)
from temporalio.worker import (
    ContinueAsNewInput,
    ExecuteWorkflowInput,
    HandleSignalInput,
    HandleUpdateInput,
    StartActivityInput,
    StartChildWorkflowInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowOutboundInterceptor,
)

from flowkeep.contracts.identity import HEADER, RECORD_ACTIVITIES, RECORD_CLOSE, RECORD_PAUSE
from flowkeep.contracts.status import FailureReason, RunStatus, SegmentKind
from flowkeep.recording.capture import capture, error_info
from flowkeep.recording.failures import as_application_error
from flowkeep.recording.identity import (
    child_identity,
    header_payload,
    plain_run_ref,
    with_header,
    workflow_run_ref,
)
from flowkeep.recording.tracker import RunTracker

CLOSE_TIMEOUT = timedelta(seconds=5)


class WorkflowOutbound(WorkflowOutboundInterceptor):
    """Adds the header to everything that workflow code starts."""

    def __init__(self, next: WorkflowOutboundInterceptor, tracker: RunTracker) -> None:
        super().__init__(next)
        self._tracker = tracker

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
        """Add the header to an activity and count it."""
        header = self._tracker.task_header(input.activity_id, input.retry_policy)
        input.headers = with_header(input.headers, header)
        return super().start_activity(input)

    def start_local_activity(self, input: StartLocalActivityInput) -> workflow.ActivityHandle[Any]:
        """Add the header and a stable id to a local activity and count it."""
        if input.activity not in RECORD_ACTIVITIES:
            header = self._tracker.task_header(input.activity_id, input.retry_policy)
            input.headers = with_header(input.headers, header)
            input.activity_id = input.activity_id or self._tracker.next_local_id()
        elif input.activity == RECORD_PAUSE:
            # Workflow code says what happened; who it happened to is known here.
            ref = workflow_run_ref(self._tracker.identity, workflow.info())
            input.args = [plain_run_ref(ref), *input.args]
        return super().start_local_activity(input)

    async def start_child_workflow(
        self, input: StartChildWorkflowInput
    ) -> workflow.ChildWorkflowHandle[Any, Any]:
        """Give a child run an identity of its own, linked to its parent."""
        self._tracker.children += 1
        identity = child_identity(
            self._tracker.identity,
            workflow.info(),
            workflow_type=input.workflow,
            workflow_id=input.id,
            ordinal=self._tracker.children,
        )
        input.headers = with_header(input.headers, header_payload(identity))
        input.memo = {**(input.memo or {}), HEADER: identity.to_header()}
        return await super().start_child_workflow(input)

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
        """Hand identity and the count so far to the next execution of the chain."""
        tracker = self._tracker
        if tracker.started_with_header:
            identity = tracker.identity.evolve(count=tracker.total)
            input.headers = with_header(input.headers, header_payload(identity))
        super().continue_as_new(input)


class WorkflowInbound(WorkflowInboundInterceptor):
    """Wraps the execution: turns bugs of flowkeep workflows into failures, reports the close."""

    def __init__(self, next: Any) -> None:
        super().__init__(next)
        self._tracker = RunTracker()

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        """Put our outbound interceptor in front of the others."""
        super().init(WorkflowOutbound(outbound, self._tracker))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        """Run the workflow and report a return, a cancel or a failure.

        Never in `finally`: eviction and continue-as-new unwind through here too and are no end
        of the run.
        """
        self._tracker.begin()
        try:
            result = await _run(super().execute_workflow(input), input.type)
        except asyncio.CancelledError as error:
            if workflow.cancellation_reason() is not None:
                await self._close(input, RunStatus.CANCELLED, error=error)
            raise
        except Exception as error:
            if is_cancelled_exception(error) and workflow.cancellation_reason() is not None:
                await self._close(input, RunStatus.CANCELLED, error=error)
            elif workflow.is_failure_exception(error):
                await self._close(input, RunStatus.FAILED, error=error)
            raise
        await self._close(input, RunStatus.SUCCEEDED, outputs=result)
        return result

    async def handle_signal(self, input: HandleSignalInput) -> None:
        """Make sure that the handler's commands know whose they are."""
        self._tracker.begin()
        await super().handle_signal(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        """Make sure that the handler's commands know whose they are; a bug fails the update."""
        self._tracker.begin()
        return await _run(super().handle_update_handler(input), type(workflow.instance()))

    async def _close(
        self,
        input: ExecuteWorkflowInput,
        status: RunStatus,
        *,
        outputs: Any = None,
        error: BaseException | None = None,
    ) -> None:
        if not self._tracker.started_with_header:
            return
        info = workflow.info()
        record = {
            "run": plain_run_ref(workflow_run_ref(self._tracker.identity, info)),
            "status": status.value,
            "kind": _segment_kind(info).value,
            "expected_tasks": self._tracker.total,
            "tentative": _may_run_again(info, status, error),
            "closed_at": workflow.now().isoformat(),
            "started_at": info.workflow_start_time.isoformat(),
            "outputs": capture(outputs, "full" if _is_flowkeep(input.type) else "digest"),
            "error": None if error is None else error_info(error).model_dump(),
            "failure_reason": _failure_reason(status, error),
        }
        writing = workflow.start_local_activity(
            RECORD_CLOSE,
            record,
            schedule_to_close_timeout=CLOSE_TIMEOUT,
            retry_policy=RetryPolicy(maximum_attempts=3),
        )
        while not writing.done():
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                # A cancel that comes too late changes nothing; eviction must unwind.
                if workflow.cancellation_reason() is None:
                    raise
            except ActivityError as failure:
                workflow.logger.warning("the end of this run was not recorded: %s", failure)


async def _run(execution: Any, workflow_class: type) -> Any:
    """Let bugs fail runs of flowkeep's workflow classes; a plain exception would hang them.

    Temporal retries a workflow task that raised a plain exception for ever, so that a fixed
    deployment can go on. `suspend_on_bug = True` keeps that behaviour.
    """
    try:
        return await execution
    except (TemporalError, TimeoutError):
        raise
    except workflow.NondeterminismError:
        raise
    except Exception as error:
        if not _is_flowkeep(workflow_class) or getattr(workflow_class, "suspend_on_bug", False):
            raise
        raise as_application_error(error) from error


def _is_flowkeep(workflow_class: type) -> bool:
    return bool(getattr(workflow_class, "__flowkeep_workflow__", False))


def _segment_kind(info: workflow.Info) -> SegmentKind:
    if info.original_execution_run_id != info.run_id:
        return SegmentKind.RESET
    if info.attempt > 1:
        return SegmentKind.RETRY
    if info.continued_run_id is None:
        return SegmentKind.START
    return SegmentKind.CRON if info.cron_schedule else SegmentKind.CONTINUE


def _may_run_again(info: workflow.Info, status: RunStatus, error: BaseException | None) -> bool:
    if info.cron_schedule:
        return status is not RunStatus.CANCELLED
    policy = info.retry_policy
    if status is not RunStatus.FAILED or policy is None or not _may_retry(error, policy):
        return False
    return policy.maximum_attempts == 0 or info.attempt < policy.maximum_attempts


def _may_retry(error: BaseException | None, policy: RetryPolicy) -> bool:
    """Tell whether the server's retry of workflows applies to a failure."""
    if isinstance(error, CancelledError | TerminatedError):
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
