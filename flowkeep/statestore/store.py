"""The store: all repositories behind one connection pool."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from types import TracebackType
from typing import Self
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from flowkeep.errors import ConfigurationError
from flowkeep.settings import Settings
from flowkeep.statestore import migrate
from flowkeep.statestore.engine import MINIMUM_VERSION, build_engine, describe
from flowkeep.statestore.gathered import Repositories, Transaction
from flowkeep.statestore.keyring import Keyring
from flowkeep.statestore.leadership import Leadership, leadership
from flowkeep.statestore.listening import channel, listening
from flowkeep.statestore.repositories.request_answers import IDENTITY
from flowkeep.statestore.session import EngineScope
from flowkeep.storage import Storage


class Store(Repositories):
    """The ledger. Made by `connect`, or by `Store.lazy` where nothing may connect yet.

    Usable from several event loops: each gets its own pool at its first use.

    Args:
        factory: Makes the engine of an event loop.
        settings: Schema, secret key and where archived runs lie.
        owns_engine: Whether closing the store closes the engine.
    """

    def __init__(
        self,
        factory: Callable[[], AsyncEngine],
        settings: Settings,
        *,
        owns_engine: bool = True,
    ) -> None:
        self._schema_name = settings.database.schema_name
        self._scope = EngineScope(factory, self._schema_name)
        self._settings = settings
        self._owns_engine = owns_engine
        self._identity: str | None = None
        self._name = "another database"
        super().__init__(self._scope, self._keyring, self._archive_storage, self._file_storage)

    @classmethod
    def lazy(cls, settings: Settings, *, database_url: str | None = None) -> Self:
        """Return a store that connects when first used; nothing is checked before.

        Args:
            settings: Which ledger; read when first used.
            database_url: Replaces the settings' URL.
        """
        return cls(
            lambda: build_engine(database_url or settings.database_url(), settings.database),
            settings,
        )

    def _keyring(self) -> Keyring:
        return Keyring.from_settings(self._settings.database)

    def _archive_storage(self) -> Storage:
        if find_spec("pyarrow") is None:
            raise ConfigurationError(
                "archived runs need the package pyarrow", hint="install flowkeep[storage]"
            )
        return Storage(self._settings.storage.place_of_archive())

    def _file_storage(self) -> Storage:
        return Storage(self._settings.storage.url)

    def _bind(self, connection: AsyncConnection) -> Transaction:
        return Transaction(
            connection,
            self._schema_name,
            self._keyring,
            self._archive_storage,
            self._file_storage,
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open one transaction; a clean exit commits, an error undoes everything."""
        async with self._scope.write() as session:
            yield self._bind(session.connection)

    def using(self, connection: AsyncConnection) -> Transaction:
        """Return the repositories on a connection whose owner commits.

        Args:
            connection: An open SQLAlchemy connection (asyncio, psycopg 3) to the ledger's database.
        """
        return self._bind(connection)

    @property
    def schema_name(self) -> str:
        """Schema of the ledger's tables."""
        return self._schema_name

    @property
    def channel(self) -> str:
        """The channel on which requests of callers' own transactions are announced."""
        return channel(self._schema_name)

    @property
    def name(self) -> str:
        """The ledger's server and database, for messages."""
        return self._name

    def keyring(self) -> Keyring:
        """Return the keys that encrypt secrets."""
        return self._keyring()

    @property
    def identity(self) -> str | None:
        """What no two databases have in common; None before `check`."""
        return self._identity

    async def check(self) -> None:
        """Make sure that the ledger is reachable, new enough and at the newest migration.

        Raises:
            LedgerUnavailable: If it cannot be reached.
            ConfigurationError: If the server is too old or the migration is another one.
        """
        where = describe(self._scope.engine().url)
        async with self._scope.read() as session:
            number = int((await session.execute("SHOW server_version_num")).scalar_one())
            if number // 10_000 < MINIMUM_VERSION:
                raise ConfigurationError(
                    f"the ledger at {where} is PostgreSQL {number // 10_000}",
                    hint=f"use PostgreSQL {MINIMUM_VERSION} or newer",
                )
            await migrate.check_connection(session.connection, self._schema_name, where)
            found = await session.execute(f"SELECT {IDENTITY}")
            self._identity, self._name = found.scalar_one(), where

    @asynccontextmanager
    async def announced(self) -> AsyncIterator[AsyncIterator[list[UUID]]]:
        """Listen, on a connection of its own, for requests written in callers' transactions.

        Yields:
            The ids of runs, in groups, each as soon as its transaction has committed.

        Raises:
            LedgerUnavailable: If the connection is lost.
        """
        async with self._unpooled() as own, listening(own, self._schema_name) as groups:
            yield groups

    @asynccontextmanager
    async def leadership(
        self, name: str, *, poll_seconds: float = 2.0
    ) -> AsyncIterator[Leadership]:
        """Wait, on a session of its own, until this process is the one that leads.

        Args:
            name: What is led; one process at a time per name, schema and database.
            poll_seconds: Time between two tries while another process leads.

        Yields:
            The lock; ask its `confirm` before each batch of writes.

        Raises:
            LedgerUnavailable: If the server cannot be reached.
        """
        async with (
            self._unpooled() as own,
            leadership(own, f"{self._schema_name}\x00{name}", poll_seconds=poll_seconds) as held,
        ):
            yield held

    @asynccontextmanager
    async def _unpooled(self) -> AsyncIterator[AsyncEngine]:
        """Make an engine for one connection that is kept for long, beside the pool."""
        url = self._scope.engine().url.render_as_string(hide_password=False)
        own = build_engine(url, self._settings.database, pooled=False)
        try:
            yield own
        finally:
            await own.dispose()

    async def close(self) -> None:
        """Close the pool of the running event loop."""
        if self._owns_engine:
            await self._scope.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


async def connect(
    database_url: str | None = None,
    *,
    engine: AsyncEngine | None = None,
    settings: Settings | None = None,
    check: bool = True,
) -> Store:
    """Open the ledger.

    Args:
        database_url: postgresql:// URL; without it (and without `engine`) the settings name one.
        engine: An engine of the caller's own (postgresql+psycopg, asyncio), which it also closes.
        settings: Pool, schema and secret key; read from the environment when left out.
        check: Connect now and make sure that server and migration fit.

    Raises:
        LedgerUnavailable: If the server cannot be reached.
        ConfigurationError: If URL, login, database, server version or migration is wrong.
    """
    settings = settings or Settings.load()
    if engine is not None:
        own = engine
        store = Store(lambda: own, settings, owns_engine=False)
    else:
        store = Store.lazy(settings, database_url=database_url)
    if check:
        try:
            await store.check()
        except BaseException:
            await store.close()
            raise
    return store
