"""Blocking work in a thread, ended when its caller is cancelled."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

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
