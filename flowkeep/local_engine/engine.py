"""Both servers as one thing: start, addresses, settings, stop."""

import base64
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from flowkeep.errors import LedgerUnavailable, TemporalUnavailable
from flowkeep.local_engine.files import FolderLock, private_folder, private_text
from flowkeep.local_engine.isolation import Kind
from flowkeep.local_engine.postgres import PostgresServer, create_database
from flowkeep.local_engine.temporal import TemporalServer, answers
from flowkeep.local_engine.tuning import DEFAULTS, TUNED
from flowkeep.settings import ENGINE_FILE, Settings, StorageSettings, TemporalSettings

DEFAULT_NAMESPACE = "default"
KEY_BYTES = 32


class LocalEngine:
    """PostgreSQL and Temporal on this machine, for development, demos and tests.

    A server that the settings name is used as it is; the other ones are started, keep their
    state in the folder, and end with this process however it ends.

    Args:
        folder: Where state, logs and credentials lie; made when missing.
        settings: What is configured already; null starts both servers.
        postgres_port: Port of the embedded PostgreSQL; null takes a free one.
        temporal_port: Port of the embedded Temporal; null takes a free one.
        ui_port: Port of Temporal's web interface; null leaves it off.
        tuned: Tune the Temporal server; false runs it as it comes.
        temporal_file: Keep Temporal's state in a file; false keeps it in memory.
        progress: Receives a line when something takes longer than a moment.
        isolation: Force one way to run PostgreSQL; null chooses.
        lock: A lock on the folder that the caller holds already.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: Settings | None = None,
        postgres_port: int | None = None,
        temporal_port: int | None = None,
        ui_port: int | None = None,
        tuned: bool = True,
        temporal_file: bool = True,
        progress: Callable[[str], None] = print,
        isolation: Kind | None = None,
        lock: FolderLock | None = None,
    ) -> None:
        self.folder = folder = folder.resolve()  # whatever becomes of the working directory
        self.tuning = TUNED if tuned else DEFAULTS
        self._base = settings or Settings()
        self.namespace = self._base.temporal.namespace or DEFAULT_NAMESPACE
        """Temporal namespace."""
        self._lock = lock
        self._stack = AsyncExitStack()
        self.postgres: PostgresServer | None = None
        """The embedded PostgreSQL, null when the settings name another one."""
        self.temporal: TemporalServer | None = None
        """The embedded Temporal, null when the settings name another one."""
        if self._base.database.url is None:
            self.postgres = PostgresServer(folder, port=postgres_port, isolation=isolation)
        if self._base.temporal.address is None:
            self.temporal = TemporalServer(
                folder,
                port=temporal_port,
                ui_port=ui_port,
                namespace=self.namespace,
                tuning=self.tuning,
                on_file=temporal_file,
                progress=progress,
            )

    async def __aenter__(self) -> Self:
        """Start what is to be started and check what is to be used.

        Raises:
            Conflict: If another engine runs in the folder.
            ConfigurationError: If a server cannot run here or a port is taken.
            LedgerUnavailable: If PostgreSQL does not answer.
            TemporalUnavailable: If Temporal does not answer.
        """
        async with AsyncExitStack() as stack:
            private_folder(self.folder)
            if self.servers() and self._lock is None:
                lock = FolderLock(self.folder)
                lock.acquire()
                stack.callback(lock.release)
                # Left by a killed process; nobody is to take its servers for ours.
                (self.folder / ENGINE_FILE.name).unlink(missing_ok=True)
            private_folder(self.folder / "logs")
            ignored = self.folder / ".gitignore"
            if not ignored.exists():
                ignored.write_text("*\n")
            if self.postgres:
                stack.push_async_callback(self.postgres.stop)
                await self.postgres.start()
            else:
                await _check_database(self.database_url)
            if self.temporal:
                stack.push_async_callback(self.temporal.stop)
                await self.temporal.start()
            else:
                self.namespace = await _check_temporal(self._base.temporal)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop what was started, cleanly."""
        await self._stack.aclose()

    def servers(self) -> dict[str, PostgresServer | TemporalServer]:
        """Return the servers that this engine runs itself, by name."""
        named = {"PostgreSQL": self.postgres, "Temporal": self.temporal}
        return {name: server for name, server in named.items() if server is not None}

    @property
    def database_url(self) -> str:
        """URL of the ledger, with its password."""
        return self.postgres.url() if self.postgres else self._base.database_url()

    @property
    def temporal_address(self) -> str:
        """host:port of Temporal's frontend."""
        return self.temporal.address if self.temporal else str(self._base.temporal.address)

    def settings(self) -> Settings:
        """Return the settings of a client or worker that uses this engine."""
        base = self._base
        temporal = {"address": self.temporal_address, "namespace": self.namespace}
        database = {
            "url": SecretStr(self.database_url),
            "secret_key": base.database.secret_key or SecretStr(self._secret_key()),
        }
        storage = base.storage
        if storage == StorageSettings():
            storage = StorageSettings(url=(self.folder / "storage").as_uri())
        return base.model_copy(
            update={
                "temporal": base.temporal.model_copy(update=temporal),
                "database": base.database.model_copy(update=database),
                "storage": storage,
            }
        )

    async def create_database(self, name: str, template: str | None = None) -> str:
        """Create a database on the same server and return its URL.

        Args:
            name: Its name.
            template: Database to copy; nobody may be connected to it.

        Raises:
            psycopg.Error: If the server refuses.
        """
        parts = urlsplit(self.database_url)
        await create_database(
            parts._replace(path="/postgres").geturl() if self.postgres else self.database_url,
            name,
            template=template,
        )
        return parts._replace(path=f"/{quote(name)}").geturl()

    def _secret_key(self) -> str:
        def make() -> str:
            return base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode()

        return private_text(self.folder / "secret.key", make)


async def _check_database(url: str) -> None:
    import psycopg

    try:
        connection = await psycopg.AsyncConnection.connect(url, connect_timeout=5)
    except psycopg.OperationalError as error:
        raise LedgerUnavailable(f"PostgreSQL does not answer: {error}") from None
    await connection.close()


async def _check_temporal(settings: TemporalSettings) -> str:
    """Return the namespace of a configured server, reached by Temporal's own configuration."""
    from temporalio.envconfig import ClientConfig

    config = ClientConfig.load_client_connect_config(profile=settings.profile)
    config["target_host"] = str(settings.address)
    namespace = settings.namespace or config.get("namespace") or DEFAULT_NAMESPACE
    config["namespace"] = namespace
    if not await answers(config):
        raise TemporalUnavailable(
            f"Temporal does not answer at {settings.address}, or has no namespace {namespace}"
        )
    return namespace
