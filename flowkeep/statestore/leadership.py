"""One process at a time: a lock that PostgreSQL gives up by itself when its holder is gone."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncEngine

from flowkeep.errors import LedgerUnavailable
from flowkeep.statestore.engine import describe
from flowkeep.statestore.translation import translated

if TYPE_CHECKING:
    import psycopg

logger = logging.getLogger(__name__)

IDLE_SECONDS = 20
"""A session that says nothing for so long is ended by the server, and its lock is free: for a
holder whose machine vanished without a word. A killed process' lock is free at once."""
_PING_SECONDS = 5.0


class Leadership:
    """The lock, held by this process. Made by `leadership`.

    Args:
        driver: The session that holds the lock; nothing else uses it.
        where: The server, for messages.
    """

    def __init__(self, driver: "psycopg.AsyncConnection[Any]", where: str) -> None:
        self._driver = driver
        self._where = where
        self._backend = driver.info.backend_pid
        self._turn = asyncio.Lock()

    async def confirm(self) -> None:
        """Make sure, by asking the server, that this process still leads.

        Raises:
            LedgerUnavailable: If the session is gone, and the lock with it.
        """
        async with self._turn:
            with translated(self._where):
                cursor = await self._driver.execute("SELECT pg_backend_pid()")
                row = await cursor.fetchone()
        if row != (self._backend,):
            raise LedgerUnavailable(
                "the session that holds the lock was exchanged for another",
                hint="let FLOWKEEP_DATABASE_URL lead to PostgreSQL itself, past any pooler",
            )

    async def keep(self) -> None:
        """Keep the session alive until cancelled.

        Raises:
            LedgerUnavailable: If it is gone.
        """
        while True:
            await asyncio.sleep(_PING_SECONDS)
            await self.confirm()


@asynccontextmanager
async def leadership(
    engine: AsyncEngine, name: str, *, poll_seconds: float
) -> AsyncIterator[Leadership]:
    """Wait until this process leads, and lead until the block ends.

    Args:
        engine: Makes the session; one without a pool.
        name: What is led; one process at a time per name and database.
        poll_seconds: Time between two tries while another process leads.

    Yields:
        The lock, kept alive in the background; ask `confirm` before each batch of writes.

    Raises:
        LedgerUnavailable: If the server cannot be reached.
    """
    where = describe(engine.url)
    with translated(where):
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            raw = await connection.get_raw_connection()
            driver: Any = raw.driver_connection
            await driver.execute(f"SET idle_session_timeout = '{IDLE_SECONDS}s'")
            await _acquire(driver, _key(name), min(poll_seconds, IDLE_SECONDS / 2))
            held = Leadership(driver, where)
            keeping = asyncio.create_task(held.keep(), name="flowkeep-leadership")
            try:
                yield held
            finally:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)


async def _acquire(driver: Any, key: int, poll_seconds: float) -> None:
    told = False
    while True:
        cursor = await driver.execute("SELECT pg_try_advisory_lock(%s)", (key,))
        if (await cursor.fetchone())[0]:
            return
        if not told:
            logger.info("another process leads; this one stands by")
        told = True
        await asyncio.sleep(poll_seconds)


def _key(name: str) -> int:
    digest = hashlib.sha256(f"flowkeep\x00{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
