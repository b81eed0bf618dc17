"""Times every attempt that reaches user code and hands one record to the recorder."""

import asyncio
from typing import Any

from temporalio import activity
from temporalio.worker import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
)

from flowkeep.contracts.identity import RECORD_ACTIVITIES, Identity
from flowkeep.contracts.named_tasks import NamedTask
from flowkeep.errors import FlowkeepError
from flowkeep.recording.attempt_report import AttemptReport
from flowkeep.recording.current import (
    CurrentAttempt,
    CurrentRun,
    RecordingHost,
    current_attempt,
    current_run,
    heartbeat_listener,
)
from flowkeep.recording.failures import as_application_error
from flowkeep.recording.heartbeat import heartbeat_of
from flowkeep.recording.identity import activity_run_ref, read_header, read_policy
from flowkeep.recording.large_payloads.targets import Storing, storing


class ActivityInbound(ActivityInboundInterceptor):
    """Records one attempt.

    A failure is awaited: it exists nowhere else once its retry starts. A success is flushed
    behind: Temporal's history has it.
    """

    def __init__(self, next: ActivityInboundInterceptor, host: RecordingHost) -> None:
        super().__init__(next)
        self._host = host

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        """Listen to heartbeats."""
        super().init(_ActivityOutbound(outbound))

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """Execute the attempt, record it, and give errors the form Temporal understands."""
        info = activity.info()
        if info.activity_type in RECORD_ACTIVITIES or info.workflow_id is None:
            return await super().execute_activity(input)
        header = read_header(input.headers) or {}
        identity = Identity.from_header(header)
        if identity.run_id is None:
            resolved = await self._host.resolve(info)
            if resolved is None:
                return await self._execute(input)
            identity = resolved
        policy = info.retry_policy or read_policy(header.get("retry_policy"))
        run = CurrentRun(activity_run_ref(identity, info, header), identity, policy)
        # By name: asking a Protocol costs more than all the rest here.
        scope = getattr(getattr(input.fn, "__self__", None), "attempt_scope", None)
        key = header.get("task_key")
        report = AttemptReport(
            self._host,
            input.args,
            info,
            run,
            key if isinstance(key, str) else None,
            NamedTask.from_header(header.get("task")),
            ours=scope is not None,
        )
        # For the result, which the SDK encodes later in this task, so it is not reset.
        storing.set(Storing(identity.tenant_id))
        attempt = CurrentAttempt(
            self._host,
            run,
            info,
            report.key,
            asyncio.get_running_loop(),
            report.left,
            heartbeat_of(info),
        )
        token, attempt_token = current_run.set(run), current_attempt.set(attempt)
        try:
            if scope is None:
                return await self._recorded(input, report)
            async with scope(run, info):
                return await self._recorded(input, report)
        finally:
            current_run.reset(token)
            current_attempt.reset(attempt_token)
            if attempt.logged is not None and self._host.lines is not None:
                self._host.lines.ended(attempt)

    async def _execute(self, input: ExecuteActivityInput) -> Any:
        try:
            return await super().execute_activity(input)
        except FlowkeepError as error:
            raise as_application_error(error) from error

    async def _recorded(self, input: ExecuteActivityInput, report: AttemptReport) -> Any:
        report.begin()
        try:
            result = await self._execute(input)
        except BaseException as error:
            await report.failed(error)
            raise
        await report.succeeded(result)
        return result


class _ActivityOutbound(ActivityOutboundInterceptor):
    def heartbeat(self, *details: Any) -> None:
        listener = heartbeat_listener.get()
        if listener is not None:
            listener(details)
        super().heartbeat(*details)
