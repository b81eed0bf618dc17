"""Who waits for a connection gets one in turn."""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext

from sqlalchemy import QueuePool, exc
from sqlalchemy.ext.asyncio import AsyncEngine


class PoolTurns:
    """Lets as many in as a pool has connections, in the order in which they came.

    The pool itself gives a connection to whoever asks when one is there, and lets those wait on
    who had waited for it: under load some then wait for very long.

    Args:
        places: Connections of the pool.
        seconds: Longest that somebody waits.
    """

    def __init__(self, places: int, seconds: float) -> None:
        self._free = asyncio.Semaphore(places)
        self._seconds = seconds

    async def __aenter__(self) -> None:
        if not self._free.locked():
            await self._free.acquire()  # at once
            return
        try:
            async with asyncio.timeout(self._seconds):
                await self._free.acquire()
        except TimeoutError:
            raise exc.TimeoutError("no connection became free in time") from None

    async def __aexit__(self, *_: object) -> None:
        self._free.release()


def turns_of(engine: AsyncEngine) -> AbstractAsyncContextManager[None]:
    """Return the turns of an engine's pool; who has connections beyond it needs none."""
    pool = engine.pool
    if not isinstance(pool, QueuePool) or pool._max_overflow != 0:  # noqa: SLF001 - nowhere else
        return nullcontext()
    return PoolTurns(pool.size(), pool.timeout())
