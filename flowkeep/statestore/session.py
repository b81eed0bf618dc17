"""One transaction of the ledger, and who opens it: the store itself or its caller."""

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from functools import lru_cache
from typing import Any, Protocol

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import CursorResult, Executable, QueuePool, TextClause
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from flowkeep.errors import InvalidInput
from flowkeep.statestore.engine import describe
from flowkeep.statestore.translation import translated
from flowkeep.telemetry.traces import is_tracing

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]

# A list's page is a range of an index in the index's own order. Where the planner expects few rows
# it would rather gather and sort them; when it errs (a new owner, old statistics), that reads and
# sorts all of a tenant's runs. With each page's own values it also knows which of two filters is
# the rarer one. Starting a parallel worker takes longer than the page.
_RANGES_ONLY = {
    "enable_sort": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_custom_plan",
    "max_parallel_workers_per_gather": "0",
}
_SET_RANGES = "; ".join(f"SET LOCAL {name} = {value}" for name, value in _RANGES_ONLY.items())


class Session:
    """Statements of one transaction, run in the ledger's schema.

    Args:
        connection: An open connection inside a transaction.
        schema_name: Schema of the ledger's tables.
        paging: Whether `rows` are ordered ranges of indexes in a transaction of their own.
    """

    __slots__ = ("_options", "_paging", "connection", "schema_name")

    def __init__(
        self, connection: AsyncConnection, schema_name: str, *, paging: bool = False
    ) -> None:
        self.connection = connection
        self.schema_name = schema_name
        self._paging = paging
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
        """Return the rows of SQL text; of a page, by one message and one answer."""
        if not self._paging:
            found = await self.execute(statement, parameters)
            return [dict(row) for row in found.mappings()]
        native = f"BEGIN READ ONLY; {_SET_RANGES}; {_as_native(statement, self.schema_name)}"
        async with psycopg.AsyncClientCursor(await self.driver(), row_factory=dict_row) as cursor:
            try:
                await cursor.execute(f"{native}; ROLLBACK", parameters)
            except UnicodeEncodeError:
                raise InvalidInput("a text holds invalid unicode (a lone surrogate)") from None
            while cursor.description is None:
                cursor.nextset()
            return await cursor.fetchall()

    def translated(self) -> AbstractContextManager[None]:
        """Turn errors into ours before the session ends, where it is to go on behind one."""
        return translated(describe(self.connection.engine.url))

    async def driver(self) -> psycopg.AsyncConnection[Any]:
        """Return the driver's connection inside the same transaction, for COPY."""
        raw = await self.connection.get_raw_connection()
        connection: psycopg.AsyncConnection[Any] = raw.driver_connection  # type: ignore[assignment]
        return connection


@lru_cache(maxsize=256)
def as_text(template: str, schema_name: str) -> TextClause:
    """Return SQL text in which `{schema}` stands for the schema."""
    return sql(template.replace("{schema}", f'"{schema_name}"'))


@lru_cache(maxsize=256)
def _as_native(template: str, schema_name: str) -> str:
    """Return SQL text as the driver takes it."""
    return str(as_text(template, schema_name).compile(dialect=_DIALECT))


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

    def paging(self) -> AbstractAsyncContextManager[Session]:
        """Open a session whose `rows` are read as in an ordered one."""
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
        self._engines: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncEngine] = (
            weakref.WeakKeyDictionary()
        )

    def engine(self) -> AsyncEngine:
        """Return the engine of the running loop."""
        loop = asyncio.get_running_loop()
        engine = self._engines.get(loop)
        if engine is None:
            engine = self._engines[loop] = self._factory()
        return engine

    def connections(self) -> int:
        """Return how many sessions the pool holds open at a time; one where it does not say."""
        pool = self.engine().pool
        return pool.size() if isinstance(pool, QueuePool) else 1

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Session]:
        """Open a transaction; a clean exit commits."""
        engine = self.engine()
        with translated(describe(engine.url)):
            async with engine.begin() as connection:
                yield Session(connection, self._schema_name)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Session]:
        """Open a session in which each statement stands alone: no BEGIN, no COMMIT to wait for."""
        engine = self.engine()
        with translated(describe(engine.url)):
            async with engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                yield Session(connection, self._schema_name)

    def single(self) -> AbstractAsyncContextManager[Session]:
        """Open a session in which each statement commits by itself."""
        return self.read()

    @asynccontextmanager
    async def ordered(self) -> AsyncIterator[Session]:
        """Open a transaction that only reads ordered ranges of indexes; see `_RANGES_ONLY`."""
        engine = self.engine()
        with translated(describe(engine.url)):
            async with engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                session = Session(connection, self._schema_name)
                # One message, and one answer to wait for; the pool rolls back.
                driver = await session.driver()
                await driver.execute(f"BEGIN READ ONLY; {_SET_RANGES}", prepare=False)
                yield session

    @asynccontextmanager
    async def paging(self) -> AsyncIterator[Session]:
        """Open a session whose `rows` are a transaction each, sent as one message."""
        if is_tracing():  # which sees what SQLAlchemy sends
            async with self.ordered() as session:
                yield session
            return
        async with self.read() as session:
            yield Session(session.connection, self._schema_name, paging=True)

    async def close(self) -> None:
        """Close the connections of the running loop."""
        engine = self._engines.pop(asyncio.get_running_loop(), None)
        if engine is not None:
            await engine.dispose()


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
                for name, value in _RANGES_ONLY.items():
                    await self._session.execute(f"SET LOCAL {name} = {value}")
                yield self._session
            finally:
                if savepoint.is_active:
                    await savepoint.rollback()

    def paging(self) -> AbstractAsyncContextManager[Session]:
        """Read pages inside the transaction."""
        return self.ordered()
