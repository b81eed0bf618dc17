"""A PostgreSQL server for tests: its own data, no durability, gone at the end."""

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from flowkeep.local_engine.files import private_text
from flowkeep.local_engine.isolation import Isolation, choose, find_binaries
from flowkeep.local_engine.ports import HOST
from flowkeep.local_engine.process import OwnedProcess
from flowkeep.settings import server_environment
from tests.servers.binaries import VERSIONS, postgres_binaries
from tests.servers.starting import start_on_free_port

USER = "postgres"
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "60",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "logging_collector": "off",
    "log_line_prefix": "%d %a> ",
    "timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server."""

    major: int
    port: int
    password: str
    process: OwnedProcess

    def url(self, database: str = "postgres") -> str:
        """URL of a database, for the superuser."""
        return f"postgresql://{USER}:{self.password}@{HOST}:{self.port}/{quote(database, safe='')}"

    def log(self) -> str:
        """What the server has written to its log; lines begin with `database application> `."""
        return self.process.output()


@asynccontextmanager
async def postgres_server(
    major: int, folder: Path, settings: Mapping[str, str] | None = None
) -> AsyncIterator[PostgresServer]:
    """Run a server of a major version.

    Args:
        major: 13 to 18; the last is the embedded one.
        folder: An empty folder for data and log; made when it is not there.
        settings: Settings of the server that differ from those for all tests.

    Raises:
        UnavailableError: If the binaries cannot be had here.
    """
    if major in VERSIONS:
        binaries = await asyncio.to_thread(postgres_binaries, major)
    else:
        binaries = find_binaries()
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    way = await asyncio.to_thread(choose, binaries, folder)
    password = secrets.token_urlsafe(12)
    await asyncio.to_thread(_make_data, way, folder, password)
    process = OwnedProcess(
        f"PostgreSQL {major}",
        log=folder / "postgres.log",
        lock=folder / "postgres.lock",
        account=way.account,
    )
    try:
        yield await _started(way, major, password, process, settings or {})
    finally:
        await process.stop()
        await asyncio.to_thread(shutil.rmtree, way.data)


def _make_data(way: Isolation, folder: Path, password: str) -> None:
    handed_over = folder / "password" if way.kind != "account" else way.data.with_name("password")
    private_text(handed_over, lambda: password)
    way.own(handed_over)
    command = [
        str(way.binaries / "initdb"),
        f"--pgdata={way.data}",
        f"--username={USER}",
        f"--pwfile={handed_over}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--no-locale",
        "--no-sync",
    ]
    outcome = way.run(command)
    handed_over.unlink()
    assert outcome.returncode == 0, outcome.stderr or outcome.stdout


async def _started(
    way: Isolation,
    major: int,
    password: str,
    process: OwnedProcess,
    settings: Mapping[str, str],
) -> PostgresServer:
    def command(port: int) -> list[str]:
        options = [
            part
            for name, value in {**SETTINGS, **settings, "port": str(port)}.items()
            for part in ("-c", f"{name}={value}")
        ]
        return [str(way.binaries / "postgres"), "-D", str(way.data), *options]

    async def answers(port: int) -> None:
        url = PostgresServer(major, port, password, process).url()
        try:
            connection = await psycopg.AsyncConnection.connect(url, connect_timeout=5)
        except psycopg.OperationalError as error:
            raise AssertionError(str(error)) from None
        await connection.close()

    port = await start_on_free_port(process, command, server_environment(), answers)
    return PostgresServer(major, port, password, process)
