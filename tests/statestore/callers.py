"""Connections as callers bring them: of an engine of their own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from flowkeep.statestore import Store


@asynccontextmanager
async def callers_connection(store: Store) -> AsyncIterator[AsyncConnection]:
    """Open a connection to a store's database, which begins a transaction as SQLAlchemy does."""
    engine = create_async_engine(store._scope.engine().url, poolclass=NullPool)
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()
