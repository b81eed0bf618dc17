"""One transaction of the ledger, and who opens it: the store itself or its caller."""

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from typing import Any, Protocol

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import CursorResult, Executable, PoolProxiedConnection, QueuePool
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import greenlet_spawn

from flowkeep.errors import InvalidInput
from flowkeep.statestore.engine import describe
from flowkeep.statestore.pages import RANGES_ONLY, SET_RANGES, Pages, Rows
from flowkeep.statestore.pool_turns import turns_of
from flowkeep.statestore.sql_text import as_text
from flowkeep.statestore.translation import translated
from flowkeep.telemetry.traces import is_tracing


class Session:
    """Statements of one transaction, run in the ledger's schema.

    Args:
        connection: An open connection inside a transaction.
        schema_name: Schema of the ledger's tables.
    """

    __slots__ = ("_options", "connection", "schema_name")

    def __init__(self, connection: AsyncConnection, schema_name: str) -> None:
        self.connection = connection
        self.schema_name = schema_name
        self._options = {"schema_translate_map": {None: schema_name}}

    async def execute(
        self, statement: Executable | str, parameters: Any = None
    ) -> CursorResult[Any]:
        """Run a Core statement, or SQL text in which `{schema}` stands for the schema."""
        try:
            if isinstance(statement, str):
                return await self.connection.execute(
                    as_text(statement, self.schema_name), parameters
                )
            return await self.connection.execute(
                statement, parameters, execution_options=self._options
            )
        except UnicodeEncodeError:
            raise InvalidInput("a text holds invalid unicode (a lone surrogate)") from None

    async def rows(self, statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the rows of SQL text."""
        found = await self.execute(statement, parameters)
        return [dict(row) for row in found.mappings()]

    def translated(self) -> AbstractContextManager[None]:
        """Turn errors into ours before the session ends, where it is to go on behind one."""
        return translated(describe(self.connection.engine.url))

    async def driver(self) -> psycopg.AsyncConnection[Any]:
        """Return the driver's connection inside the same transaction, for COPY."""
        return _driver(self.connection)


class Scope(Protocol):
    """Where repositories get their sessions from."""

    def write(self) -> AbstractAsyncContextManager[Session]:
        """Open a session whose changes are kept together, or not at all."""
        ...

    def single(self) -> AbstractAsyncContextManager[Session]:
        """Open a session for statements each of which is a whole change."""
        ...

    def read(self) -> AbstractAsyncContextManager[Session]:
        """Open a session for reading."""
        ...

    def ordered(self) -> AbstractAsyncContextManager[Session]:
        """Open a session for reading pages of lists, in which no plan sorts what it could range."""
        ...

    def paging(self) -> AbstractAsyncContextManager[Rows]:
        """Open what reads rows as an ordered session does, each statement for itself."""
        ...


class EngineScope:
    """Every session is a transaction of its own.

    Pools belong to an event loop, so each loop gets its own engine, made at the first use in it.

    Args:
        factory: Makes an engine; called at most once per event loop.
        schema_name: Schema of the ledger's tables.
    """

    def __init__(self, factory: Callable[[], AsyncEngine], schema_name: str) -> None:
        self._factory = factory
        self._schema_name = schema_name
        self._engines: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Pooled] = (
            weakref.WeakKeyDictionary()
        )

    def engine(self) -> AsyncEngine:
        """Return the engine of the running loop."""
        return self._pooled().engine

    def _pooled(self) -> "_Pooled":
        loop = asyncio.get_running_loop()
        found = self._engines.get(loop)
        if found is None:
            found = self._engines[loop] = _Pooled(self._factory())
        return found

    def connections(self) -> int:
        """Return how many sessions the pool holds open at a time; one where it does not say."""
        pool = self.engine().pool
        return pool.size() if isinstance(pool, QueuePool) else 1

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Session]:
        """Open a transaction; a clean exit commits."""
        pooled = self._pooled()
        with translated(pooled.where):
            async with pooled.turns, pooled.engine.begin() as connection:
                driver = _driver(connection)
                if driver.autocommit:  # SQLAlchemy only ends the transaction
                    await driver.execute("BEGIN", prepare=False)
                yield Session(connection, self._schema_name)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Session]:
        """Open a session in which each statement stands alone: no BEGIN, no COMMIT to wait for."""
        pooled = self._pooled()
        with translated(pooled.where):
            async with pooled.turns, pooled.engine.connect() as connection:
                if not _driver(connection).autocommit:  # of an engine of the caller's own
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                yield Session(connection, self._schema_name)

    def single(self) -> AbstractAsyncContextManager[Session]:
        """Open a session in which each statement commits by itself."""
        return self.read()

    @asynccontextmanager
    async def ordered(self) -> AsyncIterator[Session]:
        """Open a transaction that only reads ordered ranges of indexes; see `RANGES_ONLY`."""
        async with self.read() as session:
            # One message, and one answer to wait for; the pool rolls back.
            driver = await session.driver()
            await driver.execute(f"BEGIN READ ONLY; {SET_RANGES}", prepare=False)
            yield session

    @asynccontextmanager
    async def paging(self) -> AsyncIterator[Rows]:
        """Open what reads each page in one message, past SQLAlchemy."""
        if is_tracing():  # which sees what SQLAlchemy sends
            async with self.ordered() as session:
                yield session
            return
        pooled = self._pooled()
        with translated(pooled.where):
            async with pooled.turns:
                raw = await pooled.engine.raw_connection()
                driver: psycopg.AsyncConnection[Any] = raw.driver_connection  # type: ignore[assignment]
                ours = driver.autocommit
                try:
                    if not ours:  # of an engine of the caller's own
                        await driver.set_autocommit(True)
                    yield Pages(driver, self._schema_name)
                finally:
                    await _give_back(raw, driver, autocommit=ours)

    async def close(self) -> None:
        """Close the connections of the running loop."""
        found = self._engines.pop(asyncio.get_running_loop(), None)
        if found is not None:
            await found.engine.dispose()


class _Pooled:
    """The engine of one event loop, and what goes with it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.turns = turns_of(engine)
        self.where = describe(engine.url)


class BoundScope:
    """Every session is a savepoint of a transaction that somebody else commits.

    Args:
        connection: An open connection; its owner commits.
        schema_name: Schema of the ledger's tables.
    """

    def __init__(self, connection: AsyncConnection, schema_name: str) -> None:
        self._session = Session(connection, schema_name)
        self._where = describe(connection.engine.url)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Session]:
        """Open a savepoint, so that a method that fails undoes its own changes only."""
        with translated(self._where):
            async with self._session.connection.begin_nested():
                yield self._session

    def single(self) -> AbstractAsyncContextManager[Session]:
        """Open a savepoint: one statement or several are alike here."""
        return self.write()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Session]:
        """Read inside the transaction, its own changes included."""
        with translated(self._where):
            yield self._session

    @asynccontextmanager
    async def ordered(self) -> AsyncIterator[Session]:
        """Read inside the transaction; undoing a savepoint restores how it plans."""
        with translated(self._where):
            savepoint = await self._session.connection.begin_nested()
            try:
                for name, value in RANGES_ONLY.items():
                    await self._session.execute(f"SET LOCAL {name} = {value}")
                yield self._session
            finally:
                if savepoint.is_active:
                    await savepoint.rollback()

    @asynccontextmanager
    async def paging(self) -> AsyncIterator[Rows]:
        """Read pages inside the transaction."""
        async with self.ordered() as session:
            yield session


def _driver(connection: AsyncConnection) -> psycopg.AsyncConnection[Any]:
    """Return the driver's connection of SQLAlchemy's."""
    assert connection.sync_connection is not None
    raw = connection.sync_connection.connection
    driver: psycopg.AsyncConnection[Any] = raw.driver_connection  # type: ignore[assignment]
    return driver


async def _give_back(
    raw: PoolProxiedConnection, driver: psycopg.AsyncConnection[Any], *, autocommit: bool
) -> None:
    """Return a connection to its pool, which waits for the server only to clean up."""
    is_idle = driver.pgconn.transaction_status == TransactionStatus.IDLE
    if is_idle and not autocommit:
        await driver.set_autocommit(False)
    if is_idle and autocommit:
        raw.close()
    else:
        await asyncio.shield(greenlet_spawn(raw.close))
