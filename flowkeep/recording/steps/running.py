"""One step: what is recorded is returned, what is new is run, committed, then returned."""

import asyncio
import inspect
import itertools
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from temporalio import activity
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, CancelledError

from flowkeep.contracts.records import ErrorInfo
from flowkeep.contracts.status import TaskStatus
from flowkeep.contracts.steps import RecordedStep
from flowkeep.recording.attempt_report import judge
from flowkeep.recording.steps.call import StepCall
from flowkeep.recording.steps.log import StepLog
from flowkeep.recording.steps.writer import StepEntry

Execute = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Runs a plain function where it blocks nobody."""

_SHOWN_AFTER_SECONDS = 1.0

inside: ContextVar[str | None] = ContextVar("flowkeep_inside_step", default=None)
"""Name of the step whose function runs now."""


class StepTimeout(TimeoutError):
    """A step took longer than it may."""


class StepFailed(ApplicationError):
    """What a step's function raised, told alike in every attempt that comes to it.

    `type` is the name of what was raised, as policies and other languages know it; the error itself
    is the cause, in the attempt in which it happened.

    Args:
        name: The step.
        info: What is recorded of the failure.
        delay: When the activity is to try again, if the function said so.
    """

    def __init__(self, name: str, info: ErrorInfo, delay: timedelta | None = None) -> None:
        super().__init__(
            f"step {name!r} failed: {info.message}",
            {"code": info.code, "step": name},
            type=info.type,
            non_retryable=not info.retryable,
            next_retry_delay=delay,
        )


async def run_step(log: StepLog, call: StepCall, execute: Execute) -> Any:
    """Return the result of a step.

    Args:
        log: What is known of the activity's steps.
        call: The step.
        execute: Runs plain functions.

    Raises:
        StepFailed: If the function raises, or what it returns cannot be recorded, and the step's
            own retries are over.
        StepMismatch: If another step is recorded at its place.
        StaleAttempt: If a newer attempt of the activity has taken its steps.
        LedgerUnavailable: If the ledger stays away.
    """
    known = log.recorded(call.ordinal)
    if known is not None:
        call.check(known)
        if known.status is TaskStatus.SUCCEEDED:
            return call.result.decode(await log.output_of(known), call.name)
        if log.is_passed(call.ordinal):
            log.note_failure(call.ordinal)
            await _fail_as_before(call, known)
    first = 1 if known is None else known.attempt + 1
    try:
        return await _run(log, call, execute, first)
    except BaseException:
        log.note_failure(call.ordinal)
        raise


async def _run(log: StepLog, call: StepCall, execute: Execute, first: int) -> Any:
    """Run a step until it succeeds or its own retries are over, and commit each try."""
    for tries in itertools.count(1):
        began, number = datetime.now(UTC), first + tries - 1
        shown = _Shown(log, call, number, began)
        try:
            result = await _execute(call, execute)
            output = call.result.encode(result, call.name)
            result = call.result.decode(output, call.name)
        except BaseException as error:
            shown.over()
            status, info = _judged(error)
            delay = _delay(call.retry, tries, error, info)
            again = None if delay is None else datetime.now(UTC) + timedelta(seconds=delay)
            await log.write(call, number, status, began, error=info, next_retry_at=again)
            if delay is None:
                if _is_cancel(error):
                    raise
                raise StepFailed(
                    call.name, info, getattr(error, "next_retry_delay", None)
                ) from error
            await asyncio.sleep(delay)
        else:
            shown.over()
            await log.write(call, number, TaskStatus.SUCCEEDED, began, output=output)
            return result
    raise AssertionError("counting has no end")


async def _fail_as_before(call: StepCall, known: RecordedStep) -> NoReturn:
    """Raise what user code saw of a failure behind which it went on."""
    if known.status is TaskStatus.CANCELLED or known.error is None:
        # Whatever cancelled it then (a limit of time, a sibling that failed) should do so again.
        await asyncio.sleep(1.5 * known.lasted_seconds + 1.0)
        raise asyncio.CancelledError(f"step {call.name!r} was cancelled")
    raise StepFailed(call.name, known.error)


class _Shown:
    """Shows a step while it runs, if it runs long enough to be worth a row."""

    def __init__(self, log: StepLog, call: StepCall, attempt: int, began: datetime) -> None:
        self._what = (call, attempt, began)
        self._log = log
        self._entry: StepEntry | None = None
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_SHOWN_AFTER_SECONDS, self._show)

    def _show(self) -> None:
        self._entry = self._log.show(*self._what)

    def over(self) -> None:
        """Stop showing it; a row that is still on its way is spared to the ledger."""
        self._timer.cancel()
        if self._entry is not None:
            self._entry.record = None


async def _execute(call: StepCall, execute: Execute) -> Any:
    token = inside.set(call.name)
    try:
        if call.timeout_seconds is None:
            return await _called(call, execute)
        try:
            async with asyncio.timeout(call.timeout_seconds) as limit:
                return await _called(call, execute)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise StepTimeout(
                f"step {call.name!r} was not done within {call.timeout_seconds:g} s"
            ) from error
    finally:
        inside.reset(token)


async def _called(call: StepCall, execute: Execute) -> Any:
    if call.is_async:
        return await call.run()
    result = await execute(call.run)
    return await result if inspect.isawaitable(result) else result


def _is_cancel(error: BaseException) -> bool:
    """Tell a cancel, or a worker that stops, from a failure; threads get Temporal's own error."""
    return not isinstance(error, Exception) or isinstance(error, CancelledError)


def _judged(error: BaseException) -> tuple[TaskStatus, ErrorInfo]:
    status, info = judge(error)
    if isinstance(error, StepTimeout):
        return TaskStatus.TIMED_OUT, info.evolve(code="TIMEOUT")
    return status, info


def _delay(
    policy: RetryPolicy | None, tries: int, error: BaseException, info: ErrorInfo
) -> float | None:
    """Return in how many seconds the step tries again: Temporal's formula; None for never."""
    if policy is None or _is_cancel(error) or not info.retryable:
        return None
    if activity.in_activity() and activity.is_cancelled():
        return None
    if policy.maximum_attempts and tries >= policy.maximum_attempts:
        return None
    if info.type in (policy.non_retryable_error_types or ()):
        return None
    if isinstance(error, ApplicationError) and error.next_retry_delay is not None:
        return error.next_retry_delay.total_seconds()
    first = policy.initial_interval.total_seconds()
    most = policy.maximum_interval.total_seconds() if policy.maximum_interval else first * 100
    return min(most, first * policy.backoff_coefficient ** min(tries - 1, 64))
