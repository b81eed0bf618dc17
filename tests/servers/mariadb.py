"""A MariaDB server for tests: its own data, no durability, gone at the end."""

import asyncio
import os
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql

from flowkeep.local_engine.ports import HOST
from flowkeep.local_engine.process import OwnedProcess
from tests.servers.mariadb_binaries import mariadb_environment, mariadb_home
from tests.servers.starting import start_on_free_port

USER = "keeper"
_SYSTEM = ("system_tables", "performance_tables", "system_tables_data", "sys_schema")


@dataclass(frozen=True, slots=True)
class MariaDBServer:
    """A running server."""

    port: int
    password: str
    process: OwnedProcess

    @property
    def url(self) -> str:
        """URL for a role that may do everything."""
        return self.url_of(USER, self.password)

    def url_of(self, user: str, password: str) -> str:
        """URL for another role."""
        return f"mysql://{user}:{password}@{HOST}:{self.port}/"

    def connect(self) -> "pymysql.Connection[Any]":
        """Open a connection of the role that may do everything."""
        return pymysql.connect(
            host=HOST,
            port=self.port,
            user=USER,
            password=self.password,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=5,
        )

    def run(self, *statements: str) -> None:
        """Run statements, each by itself."""
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of a statement."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())


@asynccontextmanager
async def mariadb_server(folder: Path) -> AsyncIterator[MariaDBServer]:
    """Run a server.

    Args:
        folder: An empty folder for data and log; made when it is not there.

    Raises:
        UnavailableError: If the binaries cannot be had here.
    """
    home = await asyncio.to_thread(mariadb_home)
    password = secrets.token_urlsafe(12)
    await asyncio.to_thread(_make_data, home, folder, password)
    process = OwnedProcess("MariaDB", log=folder / "mariadb.log", lock=folder / "mariadb.lock")
    try:
        yield await _started(home, folder, password, process)
    finally:
        with suppress(ProcessLookupError):  # when the test itself has killed it
            process.kill()  # nothing of it is kept, and a clean end takes seconds
        await process.stop()
        await asyncio.to_thread(shutil.rmtree, folder / "data")


def _command(home: Path, folder: Path) -> list[str]:
    return [
        str(home / "usr" / "sbin" / "mariadbd"),
        "--no-defaults",
        *(["--user=root"] if os.geteuid() == 0 else []),
        f"--basedir={home / 'usr'}",
        f"--datadir={folder / 'data'}",
        f"--tmpdir={folder / 'data'}",  # servers that share one take each other's files away
        f"--lc-messages-dir={home / 'usr' / 'share' / 'mysql'}",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-buffer-pool-size=32M",
        "--skip-name-resolve",
    ]


def _make_data(home: Path, folder: Path, password: str) -> None:
    (folder / "data").mkdir(mode=0o700, parents=True)
    share = home / "usr" / "share" / "mysql"
    texts = ["CREATE DATABASE mysql;\n", "USE mysql;\n"]
    for name in _SYSTEM:
        [found] = [*share.glob(f"mysql_{name}.sql"), *share.glob(f"mariadb_{name}.sql")]
        texts.append(found.read_text(encoding="utf8"))
    texts += [
        "FLUSH PRIVILEGES;\n",
        f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{password}';\n",
        f"GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n",
    ]
    outcome = subprocess.run(
        [*_command(home, folder), "--bootstrap"],
        env=mariadb_environment(home),
        input="".join(texts),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr


async def _started(home: Path, folder: Path, password: str, process: OwnedProcess) -> MariaDBServer:
    def command(port: int) -> list[str]:
        return [
            *_command(home, folder),
            f"--bind-address={HOST}",
            f"--port={port}",
            # A path of the folder may be longer than the name of a socket can be.
            f"--socket=@flowkeep-{port}",
            "--log-bin",
        ]

    async def answers(port: int) -> None:
        try:
            connection = await asyncio.to_thread(MariaDBServer(port, password, process).connect)
        except pymysql.OperationalError as error:
            raise AssertionError(str(error)) from None
        connection.close()

    port = await start_on_free_port(process, command, mariadb_environment(home), answers)
    return MariaDBServer(port, password, process)
