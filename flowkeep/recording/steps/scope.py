"""What user code opens: `async with steps() as step`, or `with steps() as step` in a thread."""

import asyncio
import contextlib
import contextvars
import functools
from collections.abc import Callable
from types import TracebackType
from typing import Any

from flowkeep.errors import ConfigurationError, InvalidInput
from flowkeep.recording.current import CurrentAttempt, current_attempt, heartbeat_listener
from flowkeep.recording.heartbeat import Heartbeat
from flowkeep.recording.steps.log import StepLog
from flowkeep.recording.steps.running import Execute, inside
from flowkeep.recording.steps.steps import Steps
from flowkeep.recording.steps.threads import Thread, ThreadSteps

_NO_PROGRESS_SECONDS = 900.0


class StepsBlock:
    """What `steps()` returns: opened by `async with`, or by `with` in a thread."""

    def __init__(self) -> None:
        self._stack = contextlib.AsyncExitStack()
        self._attempt: CurrentAttempt | None = None

    async def __aenter__(self) -> Steps:
        attempt = _attempt()
        return Steps(await self._open(attempt), _in_thread(attempt))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def __enter__(self) -> ThreadSteps:
        attempt = self._attempt = _attempt()
        if _running_loop() is attempt.loop:
            raise ConfigurationError(
                "`with steps()` would block the worker's event loop",
                hint="use `async with` in an `async def` activity",
            )
        thread = Thread()
        log = thread.wait_for(attempt.loop, self._open(attempt))
        return ThreadSteps(Steps(log, thread.run), thread, attempt.loop)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._attempt is not None
        Thread().wait_for(self._attempt.loop, self._stack.aclose())

    async def _open(self, attempt: CurrentAttempt) -> StepLog:
        self._beat(attempt)
        try:
            return await _opened(attempt)
        except BaseException:
            await self._stack.aclose()
            raise

    def _beat(self, attempt: CurrentAttempt) -> None:
        """Beat while steps run, unless the activity's class does so anyway."""
        if attempt.send is None or heartbeat_listener.get() is not None:
            return
        timeout = attempt.info.heartbeat_timeout
        assert timeout is not None
        beat = Heartbeat(
            timeout.total_seconds(),
            _NO_PROGRESS_SECONDS,
            attempt.info.heartbeat_details,
            attempt.send,
        )
        attempt.listener = beat.heard
        beat.start()
        self._stack.push_async_callback(beat.stop)


def steps() -> StepsBlock:
    """Open the durable steps of the activity that runs now.

    ::

        async with flowkeep.steps() as step:
            rows = await step(extract, table)
            await step(load, rows)

    Each result is committed to the ledger before the next step begins. A later attempt of the
    activity returns what is recorded and goes on behind it. In a plain function, which runs in a
    thread, the same is written with `with`, and nothing is awaited.

    Raises:
        ConfigurationError: If no activity runs, its worker has no flowkeep plugin, or it runs in
            another process.
        StaleAttempt: If a newer attempt of the activity has begun.
        LedgerUnavailable: If the ledger stays away.
    """
    return StepsBlock()


async def _opened(attempt: CurrentAttempt) -> StepLog:
    # Blocks of one attempt go on counting, also those that are opened side by side.
    async with attempt.opening:
        if attempt.steps is None:
            writer = attempt.host.step_writer
            if writer is None:
                raise ConfigurationError("steps need a worker that runs", hint="start the worker")
            log = StepLog(attempt, attempt.host.steps, writer)
            await log.open()
            attempt.steps = log
        known: StepLog = attempt.steps
        return known


def _attempt() -> CurrentAttempt:
    outer = inside.get()
    if outer is not None:
        raise InvalidInput(f"steps() is opened inside step {outer!r}")
    attempt = current_attempt.get()
    if attempt is None:
        raise ConfigurationError(
            "steps() is used outside an activity that is recorded",
            hint="use it in an activity of a worker with flowkeep.Plugin, not in another process",
        )
    return attempt


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _in_thread(attempt: CurrentAttempt) -> Execute:
    """Return what runs a plain function in threads that nothing else waits for."""

    async def execute(call: Callable[[], Any]) -> Any:
        run = functools.partial(contextvars.copy_context().run, call)
        return await attempt.loop.run_in_executor(attempt.host.step_threads, run)

    return execute
