"""A PostgreSQL server of the benchmark's own, with one filled ledger per size in it."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path

import psycopg
from psycopg import sql
from pydantic import SecretStr

from benchmarks._ledger_definitions import write_definitions
from benchmarks._ledger_fill import Filled, fill
from benchmarks._ledger_rows import Population, newest_of_day
from benchmarks._source_server import configure
from benchmarks._support import say
from flowkeep.errors import ConfigurationError
from flowkeep.local_engine.files import FolderLock, private_folder
from flowkeep.local_engine.postgres import PostgresServer
from flowkeep.settings import DatabaseSettings, Settings
from flowkeep.statestore import connect, migrate

VERSION = 4
"""Of the rows: another one is filled anew."""
BYTES_PER_RUN = 3_600
"""What a run and its share of all else takes on disk, indexes and a margin for sorts included."""
SPARE_BYTES = 4 << 30

MEASURED = {
    "shared_buffers": "2GB",
    "effective_cache_size": "12GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "wal_level": "replica",
    "max_wal_senders": "10",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "autovacuum": "on",
}
"""Settings while time is taken: nothing that a ledger of worth would go without."""
FILLING = MEASURED | {
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}
"""Settings while ledgers are filled: one that a crash spoils is filled anew."""


def leaving(runs: int) -> int:
    """Return how many runs of the oldest tenth are archived, and how many removed."""
    return min(50_000, runs // 60)


class LedgerServer:
    """Ledgers of several sizes on one server.

    Args:
        folder: Data and log lie in it; made when missing. Ledgers in it are used again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = PostgresServer(folder)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["LedgerServer"]:
        """Start it, stop it at the end.

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
            yield self
        finally:
            await self._server.stop()
            lock.release()

    def url(self, runs: int) -> str:
        """Return the URL of the ledger of a size, with the password in it."""
        return self._server.url(_name(runs))

    def settings(self, runs: int) -> Settings:
        """Return the settings of a store with one connection."""
        return Settings(database=DatabaseSettings(url=SecretStr(self.url(runs)), pool_size=1))

    async def provide(self, sizes: Sequence[int], *, spend: bool) -> dict[int, Filled]:
        """Fill the ledgers that are not there yet; return how that went.

        Args:
            sizes: Runs in each.
            spend: Whether runs of the oldest tenth are to be removed: enough must be left.

        Raises:
            ConfigurationError: If the disk has not enough room.
        """
        missing = [
            runs for runs in sizes if await asyncio.to_thread(self._stale, runs, spend=spend)
        ]
        self._require_room(missing)
        filled = {}
        if missing:
            await self._set(FILLING)
        for runs in missing:
            filled[runs] = await self._fill(Population(runs, newest_of_day()))
        await self._set(MEASURED)
        return filled

    def mark(self, runs: int, population: Population, spent: int) -> None:
        """Write beside a ledger what is in it.

        Args:
            runs: Its size.
            population: Its rows.
            spent: How many of the oldest runs were removed since.
        """
        mark = f"{VERSION} {population.until.date().isoformat()} {spent}"
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as admin:
            admin.execute(
                sql.SQL("COMMENT ON DATABASE {} IS {}").format(
                    sql.Identifier(_name(runs)), sql.Literal(mark)
                )
            )

    def population(self, runs: int) -> tuple[Population, int]:
        """Return the rows of a ledger, and how many of its oldest runs are gone."""
        _, day, spent = (self._mark(runs) or "").split()
        until = datetime.fromisoformat(f"{date.fromisoformat(day)}T00:00:00+00:00")
        return Population(runs, until), int(spent)

    def _mark(self, runs: int) -> str | None:
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as admin:
            found = admin.execute(
                "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
                (_name(runs),),
            ).fetchone()
        return found[0] if found else None

    def _stale(self, runs: int, *, spend: bool) -> bool:
        """Return whether a ledger has to be filled: it is missing, unfinished or used up."""
        mark = (self._mark(runs) or "").split()
        if len(mark) != 3 or mark[0] != str(VERSION):
            return True
        if spend and int(mark[2]) + 2 * leaving(runs) > runs // 25:
            say(f"of the ledger of {runs:,} runs too few old ones are left")
            return True
        say(f"the ledger of {runs:,} runs is there already")
        return False

    def _require_room(self, missing: Sequence[int]) -> None:
        if not missing:
            return
        wanted = sum(missing) * BYTES_PER_RUN + SPARE_BYTES
        free = shutil.disk_usage(self._folder).free
        say(f"disk: about {wanted / 1e9:.0f} GB needed, {free / 1e9:.0f} GB free")
        if free < wanted:
            raise ConfigurationError(
                f"{self._folder} has {free / 1e9:.0f} GB free; {max(missing):,} runs need about"
                f" {wanted / 1e9:.0f} GB",
                hint="ask for fewer RUNS, or name a folder on a bigger disk with --keep",
            )

    async def _fill(self, population: Population) -> Filled:
        runs = population.runs
        name = sql.Identifier(_name(runs))
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
            admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(name))
        await migrate.upgrade(self.url(runs))
        say(f"filling {runs:,} runs")
        filled = await asyncio.to_thread(fill, self.url(runs), population)
        async with await connect(settings=self.settings(runs)) as store:
            await write_definitions(store)
        say(f"  copied in {filled.copy_seconds:.0f} s, indexed in {filled.index_seconds:.0f} s")
        await asyncio.to_thread(self.mark, runs, population, 0)
        return filled

    async def _set(self, settings: dict[str, str]) -> None:
        if await asyncio.to_thread(configure, self._server, settings):
            await self._server.restart()


def _name(runs: int) -> str:
    return f"runs_{runs}"
