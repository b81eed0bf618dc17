"""Steps of a plain function: the thread that waits for them runs them too."""

import asyncio
import contextlib
import contextvars
import queue
from collections.abc import Callable, Coroutine, Iterable
from datetime import timedelta
from typing import Any, TypeVar

from flowkeep.errors import InvalidInput
from flowkeep.recording.steps.steps import HOLD, Steps

T = TypeVar("T")

_WAKE_SECONDS = 0.5


class ThreadSteps:
    """The same for a plain function, which runs in a thread: its steps run in that thread too.

    Args:
        steps: The steps.
        thread: Runs what blocks in the thread that waits.
        loop: The worker's event loop.
    """

    def __init__(self, steps: Steps, thread: "Thread", loop: asyncio.AbstractEventLoop) -> None:
        self._steps = steps
        self._thread = thread
        self._loop = loop

    def __call__(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a function as a step; see `Steps.__call__`. A timeout cannot stop a thread."""
        if kwargs.get("timeout") is not None:
            raise InvalidInput(
                "a step in a thread cannot be stopped by a timeout",
                hint="give the function's own calls a timeout, or use `async def`",
            )
        return self._thread.wait_for(self._loop, self._steps(fn, *args, **kwargs))

    def map(
        self,
        items: Iterable[Any],
        fn: Callable[..., Any],
        *args: Any,
        window: int = 1,
        **how: Any,
    ) -> list[Any]:
        """Run a step per item, one after the other, whatever the window; see `Steps.map`."""
        return [self(fn, item, *args, **how) for item in list(items)]

    def sleep(self, duration: timedelta | float, *, hold: timedelta = HOLD) -> None:
        """Wait; see `Steps.sleep`."""
        self._thread.wait_for(self._loop, self._steps.sleep(duration, hold=hold))

    def patched(self, change: str) -> bool:
        """Tell whether this task began with a change; see `Steps.patched`."""
        return self._thread.wait_for(self._loop, self._steps.patched(change))


class Thread:
    """A thread that waits for coroutines of the event loop, and runs what they hand to it."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def wait_for(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns that runs in the event loop."""
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        future.add_done_callback(lambda _: self._jobs.put(None))
        try:
            while not future.done() or not self._jobs.empty():
                with contextlib.suppress(queue.Empty):
                    # Again and again, so that a cancel that is raised into the thread gets through.
                    job = self._jobs.get(timeout=_WAKE_SECONDS)
                    if job is not None:
                        job()
        except BaseException:
            future.cancel()
            raise
        return future.result()

    async def run(self, call: Callable[[], Any]) -> Any:
        """Run a plain function in the thread that waits."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        context = contextvars.copy_context()

        def work() -> None:
            try:
                result = context.run(call)
            except BaseException as error:  # noqa: BLE001 - raised where it is awaited
                loop.call_soon_threadsafe(_fail, done, error)
            else:
                loop.call_soon_threadsafe(_succeed, done, result)

        self._jobs.put(work)
        return await done


def _succeed(done: "asyncio.Future[Any]", result: Any) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: "asyncio.Future[Any]", error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
