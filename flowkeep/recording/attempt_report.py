"""One attempt on its way into the ledger."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, CancelledError

from flowkeep.contracts.named_tasks import NamedTask
from flowkeep.contracts.records import ErrorInfo
from flowkeep.contracts.status import TaskStatus, TaskType
from flowkeep.contracts.tasks import Attempt
from flowkeep.errors import LedgerUnavailable
from flowkeep.recording.capture import Payloads, capture, capture_arguments, error_info
from flowkeep.recording.current import CurrentRun, RecordingHost, reported_success
from flowkeep.recording.group_writer import Entry

_LATE_SECONDS = 0.25
"""How long after its deadline an attempt that still runs is told to have timed out."""

_NEVER = datetime(9999, 1, 1, tzinfo=UTC)


class AttemptReport:
    """One attempt on its way into the ledger.

    Args:
        host: Whose recorder gets it.
        args: What the activity is called with.
        info: What Temporal says of the attempt.
        run: Whose it is.
        task_key: What stands for the activity id, when that is not unique.
        named: What the task is called; None for the name of the activity.
        ours: Whether the activity belongs to one of flowkeep's classes.
    """

    def __init__(
        self,
        host: RecordingHost,
        args: Sequence[Any],
        info: activity.Info,
        run: CurrentRun,
        task_key: str | None,
        named: NamedTask | None,
        *,
        ours: bool,
    ) -> None:
        self._host = host
        self._info = info
        self._ref = run.ref
        self._policy = run.retry_policy
        self._started = _now()
        self._ours = ours
        mode: Payloads = host.recorder_settings.payloads
        self._payloads: Payloads = "full" if ours and mode == "digest" else mode
        self._most_bytes = host.recorder_settings.payload_bytes
        self._input = capture_arguments(args, self._payloads, self._most_bytes)
        self._shown: Entry | None = None
        self._key = task_key or info.activity_id
        self._named = named or NamedTask(info.activity_type)
        self._deadline = _deadline(info)
        self._begun = time.monotonic()
        self._limit = (
            None if self._deadline is None else (self._deadline - info.started_time).total_seconds()
        )
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Show the attempt while it runs, if it runs long enough to be worth a row."""
        self._call_after(self._host.recorder_settings.start_row_after_seconds, self._show_running)

    def _call_after(self, seconds: float, what: Callable[[], None]) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, what)

    def _show_running(self) -> None:
        recorder = self._host.recorder
        if recorder is None:
            return
        if self._overdue:
            self._show_timed_out()
            return
        self._shown = recorder.offer(self._attempt(TaskStatus.RUNNING))
        if (left := self.left()) is not None:
            self._call_after(left + _LATE_SECONDS, self._show_timed_out)

    def _show_timed_out(self) -> None:
        """Tell at once what the server does now, though the code still runs."""
        recorder = self._host.recorder
        if recorder is not None:
            self._overtake()
            recorder.report(self._timed_out())

    @property
    def key(self) -> str:
        """What the ledger names its task."""
        return self._key

    def left(self) -> float | None:
        """Return the seconds until the server gives this attempt up, by no wall clock."""
        return None if self._limit is None else self._limit - (time.monotonic() - self._begun)

    @property
    def _overdue(self) -> bool:
        """Whether the server has given this attempt up."""
        left = self.left()
        return left is not None and left < 0

    async def succeeded(self, result: Any) -> None:
        """Record a success; nobody waits for the flush unless `strict` is set."""
        self._overtake()
        if self._overdue:
            await self._record(self._timed_out(), wait=True)
            return
        output = capture(result, self._payloads, self._most_bytes)
        attempt = self._attempt(TaskStatus.SUCCEEDED, output=output, finished=_now())
        recorder = self._host.recorder
        if recorder is None:
            return
        if recorder.waits_for_all or recorder.offer(attempt) is None:
            try:
                await self._record(attempt, wait=False)
            except LedgerUnavailable as error:  # `required`: so this is no success
                self.refuted(error)
                raise
        reported_success.set(self)

    def refuted(self, error: BaseException) -> None:
        """Correct a success that Temporal does not hear of: it gets a failure instead."""
        recorder = self._host.recorder
        if recorder is not None:
            recorder.report(self._failure(error))

    async def failed(self, error: BaseException) -> None:
        """Record anything but a success, and wait for it."""
        self._overtake()
        if isinstance(error, activity._CompleteAsyncError):  # noqa: SLF001 - the SDK's only sign
            await self._record(self._attempt(TaskStatus.WAITING), wait=True)
        else:
            attempt = self._timed_out() if self._overdue else self._failure(error)
            await self._record(attempt, wait=True)

    def _overtake(self) -> None:
        """Stop showing the attempt; a row that is still on its way is spared to the ledger."""
        if self._timer is not None:
            self._timer.cancel()
        if self._shown is not None:
            self._shown.record = None

    def _timed_out(self) -> Attempt:
        assert self._limit is not None
        finished = _later(self._started, self._limit)
        error = ErrorInfo(
            code="TIMEOUT", type="TimeoutError", message=f"not done within {self._limit:g} s"
        )
        return self._attempt(
            TaskStatus.TIMED_OUT,
            error=error,
            finished=finished,
            next_retry_at=self._next_retry(TaskStatus.TIMED_OUT, error, None, finished),
        )

    def _failure(self, error: BaseException) -> Attempt:
        status, info = judge(error)
        finished = _now()
        return self._attempt(
            status,
            error=info,
            finished=finished,
            next_retry_at=self._next_retry(status, info, error, finished),
        )

    async def _record(self, attempt: Attempt, *, wait: bool) -> None:
        recorder = self._host.recorder
        if recorder is None:
            return
        task = asyncio.ensure_future(
            recorder.record(attempt, wait=wait, patience_seconds=self._patience())
        )
        # A cancel that arrives while the record is written must not tear it.
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                if task.cancelled():
                    raise
        task.result()

    def _patience(self) -> float | None:
        limits = []
        if (left := self.left()) is not None:
            limits.append(left - min(1.0, left / 2))
        if self._info.heartbeat_timeout and not self._ours:
            limits.append(self._info.heartbeat_timeout.total_seconds() * 0.7)
        return min(limits) if limits else None

    def _next_retry(
        self, status: TaskStatus, error: ErrorInfo, raised: BaseException | None, finished: datetime
    ) -> datetime | None:
        """Estimate the next attempt by Temporal's formula: initial · coefficient^(attempt − 1)."""
        policy, attempt = self._policy, self._info.attempt
        if status is TaskStatus.CANCELLED or not error.retryable or policy is None:
            return None
        if policy.maximum_attempts and attempt >= policy.maximum_attempts:
            return None
        if error.type in (policy.non_retryable_error_types or ()):
            return None
        if isinstance(raised, ApplicationError) and raised.next_retry_delay is not None:
            return _later(finished, raised.next_retry_delay.total_seconds())
        first = policy.initial_interval.total_seconds()
        longest = policy.maximum_interval
        most = first * 100 if longest is None else longest.total_seconds()
        try:
            seconds = min(most, first * policy.backoff_coefficient ** min(attempt - 1, 64))
        except OverflowError:
            seconds = most
        return _later(finished, seconds)

    def _attempt(
        self,
        status: TaskStatus,
        *,
        output: Any = None,
        error: ErrorInfo | None = None,
        finished: datetime | None = None,
        next_retry_at: datetime | None = None,
    ) -> Attempt:
        info = self._info
        policy = self._policy
        timeout = info.start_to_close_timeout or info.schedule_to_close_timeout
        return Attempt(
            run=self._ref,
            activity_id=self._key,
            attempt=info.attempt,
            task_name=self._named.name,
            task_index=self._named.index,
            batch=self._named.batch,
            type=TaskType.LOCAL_ACTIVITY if info.is_local else TaskType.ACTIVITY,
            status=status,
            max_attempts=policy.maximum_attempts or None if policy else None,
            next_retry_at=next_retry_at,
            timeout_seconds=timeout.total_seconds() if timeout else None,
            deadline_at=self._deadline,
            input=self._input,
            output=output,
            error=error,
            worker=self._host.worker_identity,
            scheduled_at=info.current_attempt_scheduled_time,
            started_at=self._started,
            finished_at=finished,
            recorded_at=_now(),
        )


def judge(error: BaseException) -> tuple[TaskStatus, ErrorInfo]:
    """Tell a failure from the several things that arrive as a cancellation.

    An attempt that was asked to stop and raised something else has failed: so the SDK reports it.
    """
    info = error_info(error)
    details = activity.cancellation_details()
    if details is not None and details.timed_out:
        return TaskStatus.TIMED_OUT, info.evolve(code="TIMEOUT")
    if not isinstance(error, asyncio.CancelledError | CancelledError):
        return TaskStatus.FAILED, info
    for code, flag in (
        ("PAUSED", details is not None and details.paused),
        ("RESET", details is not None and details.reset),
        ("WORKER_SHUTDOWN", details is not None and details.worker_shutdown),
    ):
        if flag:
            return TaskStatus.FAILED, info.evolve(code=code)
    if details is not None and details.not_found and not details.cancel_requested:
        # It missed a heartbeat, or its run has ended: only the server knows.
        return TaskStatus.CANCELLED, info.evolve(code="GONE")
    return TaskStatus.CANCELLED, info


def _deadline(info: activity.Info) -> datetime | None:
    ends = []
    if info.start_to_close_timeout:
        ends.append(_later(info.started_time, info.start_to_close_timeout.total_seconds()))
    if info.schedule_to_close_timeout:
        ends.append(_later(info.scheduled_time, info.schedule_to_close_timeout.total_seconds()))
    return min(ends) if ends else None


def _later(moment: datetime, seconds: float) -> datetime:
    """Add a time that may be as long as Temporal allows: ten thousand years."""
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return _NEVER


def _now() -> datetime:
    return datetime.now(UTC)
