"""What user code calls inside the block: `step(fn, *args)` and its relatives."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from flowkeep.contracts.status import TaskStatus
from flowkeep.errors import InvalidInput
from flowkeep.recording.steps.call import StepCall
from flowkeep.recording.steps.log import StepLog
from flowkeep.recording.steps.running import Execute, inside, run_step

HOLD = timedelta(seconds=10)
"""Longest sleep for which an attempt keeps its slot."""


class Steps:
    """Steps of the activity that runs now; `step(fn, *args)` inside the block.

    Args:
        log: What is known of them.
        execute: Runs plain functions.
    """

    def __init__(self, log: StepLog, execute: Execute) -> None:
        self._log = log
        self._execute = execute

    def __call__(
        self,
        fn: Callable[..., Any],
        *args: Any,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        timeout: timedelta | float | None = None,
        **kwargs: Any,
    ) -> Coroutine[Any, Any, Any]:
        """Run a function as a step, or return what it returned in an earlier attempt.

        The place of the step is taken when this is called, not when it is awaited, so several may
        be called first and awaited together.

        Args:
            fn: What to call; `async def` or plain, which runs in a thread.
            *args: Its arguments. Only their hash is kept.
            name: What the step is called; the function's name when left out.
            retry: How often it is tried within this attempt; once when left out.
            timeout: How long one try may take, in seconds or as timedelta. The thread of a plain
                function runs on behind it.
            **kwargs: Its named arguments.

        Returns:
            The result, read back from its JSON as the type that the function names.

        Raises:
            InvalidInput: If it is called inside another step, cannot be described, or its result
                cannot be stored.
            StepFailed: If the function raises, or cannot be recorded, and does not try again.
            StepMismatch: If another step is recorded at its place.
            StaleAttempt: If a newer attempt of the activity has taken its steps.
            LedgerUnavailable: If the ledger stays away.
        """
        return run_step(
            self._log, self._call(fn, args, kwargs, name, retry, timeout), self._execute
        )

    async def gather(self, *steps: Awaitable[Any]) -> list[Any]:
        """Run steps in parallel; the first failure cancels and awaits the others, then raises.

        Args:
            *steps: What `step(…)` returned.

        Returns:
            Their results, in order.
        """
        return await _together([asyncio.ensure_future(one) for one in steps])

    async def map(
        self,
        items: Iterable[Any],
        fn: Callable[..., Any],
        *args: Any,
        window: int = 16,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        timeout: timedelta | float | None = None,  # noqa: ASYNC109 - of each step
    ) -> list[Any]:
        """Run a step per item, a number of them at a time.

        Args:
            items: What there is to do; all of it is listed first.
            fn: Called with an item and `args`.
            *args: Further arguments.
            window: Most steps at a time.
            name: What the steps are called.
            retry: See `step`.
            timeout: See `step`.

        Returns:
            The results, in the order of the items.
        """
        if window < 1:
            raise InvalidInput(f"window is {window}", hint="use 1 or more")
        calls = [self._call(fn, (item, *args), {}, name, retry, timeout) for item in items]
        results: list[Any] = [None] * len(calls)
        left = iter(enumerate(calls))

        async def take() -> None:
            for place, call in left:
                results[place] = await run_step(self._log, call, self._execute)

        await _together([asyncio.ensure_future(take()) for _ in range(min(window, len(calls)))])
        return results

    async def sleep(self, duration: timedelta | float, *, hold: timedelta = HOLD) -> None:
        """Wait, however many attempts that takes.

        A long wait ends this attempt: Temporal begins the next one when it is over, so no slot of
        the worker is held. That takes one of the activity's attempts; on the last one the slot is
        held.

        Args:
            duration: How long, in seconds or as timedelta, from the first time this is reached.
            hold: Longest wait for which the slot is held.

        Raises:
            ApplicationError: To end the attempt; let it pass.
        """
        seconds = duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
        call = self._call(_sleeps_for, (seconds,), {}, "sleep", None, None)
        known = self._log.recorded(call.ordinal)
        if known is not None:
            call.check(known)
            if known.status is TaskStatus.SUCCEEDED:
                return
            wake = datetime.fromisoformat(call.result.decode(known.output or "", call.name))
            number = known.attempt
        else:
            wake, number = datetime.now(UTC) + timedelta(seconds=seconds), 1
        output = call.result.encode(wake.isoformat(), call.name)
        left = (wake - datetime.now(UTC)).total_seconds()
        if left > 0:
            if known is None:
                now = datetime.now(UTC)
                await self._log.write(call, number, TaskStatus.WAITING, now, output=output)
            if left > hold.total_seconds() and self._log.may_try_again(left):
                raise ApplicationError(
                    f"step {call.name!r} sleeps until {wake.isoformat()}",
                    type="StepSleeping",
                    next_retry_delay=timedelta(seconds=left),
                    category=ApplicationErrorCategory.BENIGN,
                )
            await self._log.wait(call, left)
        now = datetime.now(UTC)
        await self._log.write(call, number, TaskStatus.SUCCEEDED, now, output=output)

    async def patched(self, change: str) -> bool:
        """Tell whether this task began with a change of the code, or got here before it came.

        Args:
            change: Names the change.

        Returns:
            True for the new code. False where an earlier attempt went on from here without it.
        """
        place = self._log.place
        known = self._log.recorded(place)
        if self._log.is_behind(place) and (known is None or known.name != change):
            return False
        return bool(await self(_is_patched, name=change))

    def _call(
        self,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None,
        retry: RetryPolicy | None,
        timeout: timedelta | float | None,
    ) -> StepCall:
        outer = inside.get()
        if outer is not None:
            raise InvalidInput(
                f"a step is called inside step {outer!r}",
                hint="call it beside that one, or as a plain function",
            )
        place = self._log.next_ordinal()
        behind = self._log.failed
        return StepCall.of(
            place, fn, args, kwargs, behind=behind, name=name, retry=retry, timeout=timeout
        )


def _sleeps_for(_: float) -> str:
    raise AssertionError("never called: `Steps.sleep` records it by itself")


async def _is_patched() -> bool:
    return True


async def _together(tasks: "list[asyncio.Future[Any]]") -> list[Any]:
    """Return all results; the first failure cancels and awaits the others, then raises."""
    if not tasks:
        return []
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    except asyncio.CancelledError:
        await _cancel(tasks)
        raise
    # One that was cancelled with its siblings in an earlier attempt is so again, and is no reason.
    for task in tasks:
        if task in done and not task.cancelled() and (error := task.exception()) is not None:
            await _cancel(tasks)
            raise error
    return [task.result() for task in tasks]


async def _cancel(tasks: "list[asyncio.Future[Any]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
