"""A PostgreSQL server with generated catalogues, apart from the ledger's."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks._catalogue import Catalogue, create_catalogue
from benchmarks._support import say
from flowkeep.local_engine.files import FolderLock, private_folder
from flowkeep.local_engine.postgres import PostgresServer

EMPTY = "empty"

SETTINGS = {
    "shared_buffers": "1GB",
    "max_locks_per_transaction": "256",
    # Nothing in it is worth keeping through a crash; catalogues are built in minutes this way.
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    # Nothing but what is measured runs meanwhile; the catalogue is vacuumed when it is made.
    "autovacuum": "off",
    "log_line_prefix": "%m [%p] database=%d ",
}


def configure(server: PostgresServer, settings: Mapping[str, str]) -> bool:
    """Write the settings that differ; return whether a restart is needed.

    Args:
        server: One that runs.
        settings: By their names.
    """
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        differ = []
        for name, value in settings.items():
            found = admin.execute("SELECT current_setting(%s)", (name,)).fetchone()
            if found != (value,):
                differ.append(name)
                admin.execute(
                    sql.SQL("ALTER SYSTEM SET {} = {}").format(
                        sql.Identifier(name), sql.Literal(value)
                    )
                )
    return bool(differ)


class SourceServer:
    """What is extracted: databases by catalogue, and how many statements each was sent.

    Args:
        folder: Data and log lie in it; made when missing. Catalogues in it are used again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = PostgresServer(folder)

    @property
    def pid(self) -> int:
        assert self._server.pid is not None
        return self._server.pid

    def url(self, database: str) -> str:
        """Return the URL of a database, with the password in it."""
        return self._server.url(database)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SourceServer"]:
        """Start it with `SETTINGS`, stop it at the end.

        Raises:
            Conflict: If another benchmark uses the folder.
            ConfigurationError: If it cannot run here.
            LedgerUnavailable: If it does not become ready.
        """
        private_folder(self._folder)
        private_folder(self._folder / "logs")
        lock = FolderLock(self._folder)
        lock.acquire()
        try:
            await self._server.start()
            if await asyncio.to_thread(configure, self._server, SETTINGS):
                await self._server.restart()
            yield self
        finally:
            await self._server.stop()
            lock.release()

    def provide(self, catalogue: Catalogue | None) -> str:
        """Return the URL of a database with this catalogue; creates it unless it is there.

        Args:
            catalogue: What it is to hold; None for an empty one.

        Raises:
            psycopg.Error: If the server refuses.
        """
        name = catalogue.name if catalogue else EMPTY
        mark = catalogue.mark if catalogue else EMPTY
        with psycopg.connect(self.url("postgres"), autocommit=True) as admin:
            found = admin.execute(
                "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
                (name,),
            ).fetchone()
            if found == (mark,):
                if catalogue:
                    say(f"{name} is there already")
                return self.url(name)
            database = sql.Identifier(name)
            if found is not None:  # interrupted, or of another version
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))
            admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(database))
            if catalogue:
                create_catalogue(self.url(name), catalogue)
            admin.execute(
                sql.SQL("COMMENT ON DATABASE {} IS {}").format(database, sql.Literal(mark))
            )
        return self.url(name)

    def log_statements(self, *, on: bool) -> None:
        """Log every statement of new sessions, or none; logging is off while time is taken."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as admin:
            names = admin.execute("SELECT datname FROM pg_database WHERE datname <> 'postgres'")
            for (name,) in names.fetchall():
                change = "SET log_statement = 'all'" if on else "RESET log_statement"
                admin.execute(
                    sql.SQL("ALTER DATABASE {} {}").format(sql.Identifier(name), sql.SQL(change))
                )

    def statements(self, database: str, since: int) -> Iterator[str]:
        """Yield the statements that a database was sent, by the server's log.

        Several statements in one message of the simple protocol come as one.

        Args:
            database: Its name.
            since: Length of the log before, in bytes.
        """
        entry = re.compile(
            rf"\S+ \S+ \S+ \[\d+\] database={database} LOG:  (?:statement|execute [^:]*): (.*)",
            re.DOTALL,
        )
        statement: list[str] = []
        with self._log.open(encoding="utf-8", errors="replace") as log:
            log.seek(since)
            for line in log:
                if line.startswith("\t"):  # goes on with the entry before
                    if statement:
                        statement.append(line[1:])
                    continue
                if statement:
                    yield "".join(statement).rstrip("\n")
                found = entry.match(line)
                statement = [found[1]] if found else []
        if statement:
            yield "".join(statement).rstrip("\n")

    def log_length(self) -> int:
        """Return the length of the log in bytes."""
        return self._log.stat().st_size

    @property
    def _log(self) -> Path:
        return self._folder / "logs" / "postgres.log"
