"""A ledger that nobody reaches for a while, though its server goes on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import AsyncConnection, sql
from sqlalchemy import make_url

from flowkeep.settings import Settings


@asynccontextmanager
async def beside(settings: Settings) -> AsyncIterator[AsyncConnection]:
    """Connect to another database of the ledger's server."""
    place = make_url(settings.database_url()).set(drivername="postgresql", database="postgres")
    async with await AsyncConnection.connect(
        place.render_as_string(hide_password=False), autocommit=True
    ) as other:
        yield other


@asynccontextmanager
async def without_connections(settings: Settings) -> AsyncIterator[None]:
    """Let nobody reach the ledger until the end of the block."""
    name = make_url(settings.database_url()).database or ""
    async with beside(settings) as other:
        allow = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
        await other.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        try:
            await other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                (name,),
            )
            yield
        finally:
            await other.execute(allow.format(sql.Identifier(name), sql.SQL("true")))


async def waiting(settings: Settings, words: str) -> int:
    """Return how many questions with these words wait at the ledger for a lock."""
    name = make_url(settings.database_url()).database or ""
    async with beside(settings) as other:
        found = await other.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
            " AND wait_event_type = 'Lock' AND query ILIKE %s",
            (name, f"%{words}%"),
        )
        row = await found.fetchone()
    assert row is not None
    return int(row[0])
