"""Hearing of requests at the moment their transaction commits."""

import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from psycopg import sql
from sqlalchemy.ext.asyncio import AsyncEngine

from flowkeep.statestore.engine import describe
from flowkeep.statestore.translation import translated

logger = logging.getLogger(__name__)

_LONGEST_NAME = 63
_PING_SECONDS = 10.0


def channel(schema_name: str) -> str:
    """Return the channel on which requests of a ledger are announced."""
    name = f"flowkeep_start_{schema_name}"
    if len(name) <= _LONGEST_NAME:
        return name
    return f"flowkeep_start_{hashlib.sha256(schema_name.encode()).hexdigest()[:40]}"


@asynccontextmanager
async def listening(
    engine: AsyncEngine, schema_name: str
) -> AsyncIterator[AsyncIterator[list[UUID]]]:
    """Listen on a connection of its own; what is announced from then on is heard.

    Args:
        engine: Makes the connection; one without a pool.
        schema_name: Schema of the ledger's tables.

    Yields:
        The ids of announced runs, in groups; it ends with LedgerUnavailable when the connection
        is lost.
    """
    where = describe(engine.url)
    with translated(where):
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            raw = await connection.get_raw_connection()
            driver = raw.driver_connection
            assert driver is not None
            await driver.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel(schema_name))))

            async def groups() -> AsyncIterator[list[UUID]]:
                while True:
                    heard = [
                        notify.payload
                        async for notify in driver.notifies(timeout=_PING_SECONDS, stop_after=1)
                    ]
                    if heard:
                        yield _ids(heard)
                    else:
                        await driver.execute("SELECT 1")  # a peer that vanished does not say so

            try:
                yield groups()
            finally:
                await connection.invalidate()  # it may be dead, and nobody else is to use it


def _ids(payloads: list[str]) -> list[UUID]:
    ids = []
    for payload in payloads:
        try:
            ids.append(UUID(payload))
        except ValueError:
            logger.warning("a notification that names no run is ignored")
    return ids
