"""Blocking work of an activity, stopped when the attempt is cancelled."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from flowkeep.activities.base import ActivitiesInterface
from flowkeep.extraction.memory import return_memory

T = TypeVar("T")


async def run_stoppable(activities: ActivitiesInterface, work: Callable[[threading.Event], T]) -> T:
    """Run blocking work in a thread; its memory goes back to the system with its end.

    Args:
        activities: Whose attempt it is.
        work: Called with what is set when it is to stop.
    """
    stop = threading.Event()

    def call() -> T:
        try:
            return work(stop)
        finally:
            return_memory()

    working = asyncio.ensure_future(activities.run_blocking(call))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([working])
        if not working.cancelled():
            working.exception()  # it was stopped: what it says of that interests nobody
        raise
