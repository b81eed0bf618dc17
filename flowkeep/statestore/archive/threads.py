"""Work side by side, ended when its caller is cancelled."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[threading.Event], T]) -> T:
    """Run blocking work in a thread and wait for its end, whatever happens.

    The work may use what the caller holds (a connection, a folder), so a cancelled caller does not
    leave before the work has: it sets the event the work was given and waits.

    Args:
        work: Called with the event.
    """
    stop = threading.Event()
    future = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([future])
        raise
    finally:
        if future.done() and not future.cancelled():
            future.exception()


async def together(*works: Coroutine[Any, Any, T]) -> list[T]:
    """Do several works at a time and return their results.

    When one fails the others are cancelled, and have ended when its error is raised.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
