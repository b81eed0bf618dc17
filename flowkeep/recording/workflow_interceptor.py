"""Hands identity on from workflow code, counts tasks, and reports how the run ended.

Runs inside the sandbox, in a thread of its own: no I/O. The end is handed straight to the recorder
of this process and leaves no trace in history. What does become part of commands (the stable ids
of local activities) is given only when the start header is present, because the header's version
fixes which commands an execution contains.
"""

import asyncio
import math
from typing import Any, ClassVar, NoReturn

from temporalio import workflow
from temporalio.exceptions import TemporalError
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

from flowkeep.contracts.identity import HEADER, RECORD_ACTIVITIES
from flowkeep.contracts.named_tasks import named_task, started_child
from flowkeep.contracts.status import RunStatus
from flowkeep.recording.current import RecordingHost
from flowkeep.recording.ending import close_of, status_after
from flowkeep.recording.failures import as_application_error, told
from flowkeep.recording.identity import (
    child_identity,
    header_payload,
    plain_run_ref,
    with_header,
    workflow_run_ref,
)
from flowkeep.recording.tracker import RunTracker


class WorkflowOutbound(WorkflowOutboundInterceptor):
    """Adds the header to everything that workflow code starts."""

    def __init__(self, next: WorkflowOutboundInterceptor, tracker: RunTracker) -> None:
        super().__init__(next)
        self._tracker = tracker

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
        """Add the header to an activity and count it."""
        header = self._tracker.task_header(input.activity_id, input.retry_policy, named_task.get())
        input.headers = with_header(input.headers, header)
        handle = super().start_activity(input)
        # Not before: an argument may be one that cannot be encoded.
        self._tracker.count(handle, _given_up_after(input))
        return handle

    def start_local_activity(self, input: StartLocalActivityInput) -> workflow.ActivityHandle[Any]:
        """Add the header and a stable id to a local activity and count it."""
        if input.activity in RECORD_ACTIVITIES:
            # Workflow code says what happened; who it happened to is known here.
            ref = workflow_run_ref(self._tracker.identity, workflow.info())
            input.args = [plain_run_ref(ref), *input.args]
            return super().start_local_activity(input)
        header = self._tracker.task_header(input.activity_id, input.retry_policy)
        input.headers = with_header(input.headers, header)
        input.activity_id = input.activity_id or self._tracker.next_local_id()
        handle = super().start_local_activity(input)
        self._tracker.count(handle)
        return handle

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
        begun = started_child.get()
        if begun is not None and identity.run_id is not None:
            begun.append(identity.run_id)
        input.headers = with_header(input.headers, header_payload(identity))
        input.memo = {**(input.memo or {}), HEADER: identity.to_header()}
        return await super().start_child_workflow(input)

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
        """Hand identity and the count so far to the next execution of the chain."""
        count = self._tracker.handed_on
        if count is not None:
            identity = self._tracker.identity.evolve(count=count)
            input.headers = with_header(input.headers, header_payload(identity))
        super().continue_as_new(input)


class WorkflowInbound(WorkflowInboundInterceptor):
    """Wraps the execution: turns bugs of flowkeep workflows into failures, reports the end.

    The SDK makes the instances, so each plugin has a subclass of its own that knows it.
    """

    host: ClassVar[RecordingHost | None] = None
    """Whose recorder hears of ends; None reports nothing."""

    def __init__(self, next: Any) -> None:
        super().__init__(next)
        self._tracker = RunTracker()

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        """Put our outbound interceptor in front of the others."""
        super().init(WorkflowOutbound(outbound, self._tracker))
        self._first_seed = workflow.random_seed()

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        """Run the workflow and report how it ended, unless this was no end."""
        self._tracker.begin()
        # A reset brings a new seed where it goes on. This one came before the workflow's object.
        if workflow.random_seed() != self._first_seed and _is_flowkeep(input.type):
            workflow.instance().reset_to_start()
        try:
            result = await _run(super().execute_workflow(input), input.type)
            if _is_flowkeep(input.type):
                await workflow.instance().pauses_told()
        except BaseException as error:
            status = status_after(error)
            if status is not None:
                self._report(input, status, error=error)
            raise
        self._report(input, RunStatus.SUCCEEDED, outputs=result)
        return result

    async def handle_signal(self, input: HandleSignalInput) -> None:
        """Make sure that the handler's commands know whose they are."""
        self._tracker.begin()
        await super().handle_signal(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        """Make sure that the handler's commands know whose they are; a bug fails the update."""
        self._tracker.begin()
        return await _run(super().handle_update_handler(input), type(workflow.instance()))

    def _report(
        self,
        input: ExecuteWorkflowInput,
        status: RunStatus,
        *,
        outputs: Any = None,
        error: BaseException | None = None,
    ) -> None:
        """Tell the recorder, once the command that ends the execution stands.

        The SDK encodes result or error after this; when that fails, its task raises, or the
        activation stops before it calls back, and the execution goes on. An eviction counts as a
        replay.
        """
        if (host := self.host) is None:
            return

        def ended(task: "asyncio.Task[Any]") -> None:
            if workflow.unsafe.is_replaying() or (recorder := host.recorder) is None:
                return
            if task.cancelled() or task.exception() is not None:
                return
            payloads = host.recorder_settings.payloads
            if payloads == "digest" and _is_flowkeep(input.type):
                payloads = "full"
            try:
                close = close_of(
                    self._tracker,
                    status,
                    outputs=outputs,
                    error=error,
                    payloads=payloads,
                    payload_bytes=host.recorder_settings.payload_bytes,
                )
            except Exception:  # noqa: BLE001 - an error of ours is no reason to fail the user's task
                workflow.logger.exception("the end of this run is left to the reconciler")
            else:
                recorder.hand_over(close)

        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(ended)


async def _run(execution: Any, workflow_class: type) -> Any:
    """Let bugs fail runs of flowkeep's workflow classes; a plain exception would hang them.

    Temporal retries a workflow task that raised a plain exception for ever, so that a fixed
    deployment can go on; `suspend_on_bug = True` keeps that behaviour. What is no `Exception` at
    all (`sys.exit()` in a library) would end the worker or stop the run without a word.
    """
    try:
        return await execution
    except (TemporalError, TimeoutError, workflow.NondeterminismError, *_NO_ERRORS):
        raise
    except BaseException as error:
        if _of_the_sdk(error) or not _is_flowkeep(workflow_class):
            raise
        if not getattr(workflow_class, "suspend_on_bug", False):
            raise as_application_error(error) from told(error)
        if isinstance(error, Exception):
            raise
        raise RuntimeError(f"workflow code raised {type(error).__name__}") from told(error)


_NO_ERRORS = (asyncio.CancelledError, GeneratorExit, workflow.ContinueAsNewError)


def _of_the_sdk(error: BaseException) -> bool:
    """Tell what the SDK unwinds an execution with, which is private to it."""
    return not isinstance(error, Exception) and type(error).__module__.startswith("temporalio.")


def _is_flowkeep(workflow_class: type) -> bool:
    return bool(getattr(workflow_class, "__flowkeep_workflow__", False))


def _given_up_after(input: StartActivityInput) -> float:
    """Return the seconds after which an attempt of an activity can time out, at the earliest."""
    limits = (
        input.start_to_close_timeout,
        input.schedule_to_close_timeout,
        input.heartbeat_timeout,
    )
    return min((limit.total_seconds() for limit in limits if limit), default=math.inf)
