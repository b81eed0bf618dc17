"""The embedded PostgreSQL: initialised once, started, watched, restarted."""

import asyncio
import contextlib
import secrets
import shutil
from pathlib import Path
from urllib.parse import quote

from flowkeep.errors import ConfigurationError, LedgerUnavailable
from flowkeep.local_engine.files import private_text
from flowkeep.local_engine.isolation import Isolation, Kind, choose, find_binaries
from flowkeep.local_engine.ports import HOST, pick_port, require_free
from flowkeep.local_engine.process import OwnedProcess, ProcessEndedError
from flowkeep.settings import server_environment

USER = "flowkeep"
DATABASE = "flowkeep"
READY_SECONDS = 60.0
"""Longest a start may take; recovery after a crash replays the log first."""
START_ATTEMPTS = 3
POLL_SECONDS = 0.02

SERVER_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # nobody else on the machine can reach it without a password
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "cluster_name": "flowkeep",
}


class PostgresServer:
    """PostgreSQL on the loopback with a password of its own.

    Args:
        folder: The engine's folder; data, log and password lie in it.
        port: Port to listen on; null takes a free one.
        isolation: Force one way to run it; null chooses.
    """

    def __init__(
        self, folder: Path, *, port: int | None = None, isolation: Kind | None = None
    ) -> None:
        self.folder = folder
        self.port = port
        self._fixed = port is not None
        self._forced = isolation
        self._way: Isolation | None = None
        self._password = ""
        self._process: OwnedProcess | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the server, null when it does not run."""
        return self._process.pid if self._process else None

    @property
    def isolation(self) -> Kind | None:
        """How it runs: direct, namespace or account; null before the start."""
        return self._way.kind if self._way else None

    def url(self, database: str = DATABASE) -> str:
        """Return a URL with the password in it.

        Args:
            database: Name of the database.
        """
        return f"postgresql://{USER}:{self._password}@{HOST}:{self.port}/{quote(database)}"

    async def start(self) -> None:
        """Start it and wait until it answers; makes its data on the first start.

        Raises:
            ConfigurationError: If it cannot run here, or its port is taken.
            LedgerUnavailable: If it does not become ready.
        """
        if self._way is None:
            self._way = await asyncio.to_thread(choose, find_binaries(), self.folder, self._forced)
            self._password = await asyncio.to_thread(_initialise, self._way, self.folder)
            self._process = OwnedProcess(
                "PostgreSQL",
                log=self.folder / "logs" / "postgres.log",
                lock=self.folder / "postgres.lock",
                account=self._way.account,
            )
        if self._fixed and self.port is not None:
            require_free(self.port, "PostgreSQL", "--postgres-port")
        for attempt in range(START_ATTEMPTS):
            self.port = self.port or pick_port(self.folder / "postgres.port")
            try:
                return await self._start_once(self._way)
            except ProcessEndedError as error:
                assert self._process is not None
                taken = "Address already in use" in self._process.output()
                if self._fixed or not taken or attempt == START_ATTEMPTS - 1:
                    raise LedgerUnavailable(error.message, hint=error.hint) from error
                self.port = None  # somebody took it in between: try another
        return None

    async def _start_once(self, way: Isolation) -> None:
        assert self._process is not None
        await self._process.predecessor_gone()
        await _clear_pid_file(way.data)
        options = [
            part
            for name, value in (SERVER_SETTINGS | {"port": str(self.port)}).items()
            for part in ("-c", f"{name}={value}")
        ]
        command = [str(way.binaries / "postgres"), "-D", str(way.data), *options]
        await self._process.start(command, server_environment())
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._until_ready(self._process)
        except TimeoutError:
            await self._process.stop()
            raise LedgerUnavailable(
                f"PostgreSQL was not ready within {READY_SECONDS:.0f} s",
                hint=f"its log is {self._process.log}",
            ) from None
        except BaseException:
            await self._process.stop()
            raise
        (self.folder / "postgres.port").write_text(f"{self.port}\n")
        self._fixed = True  # clients know this port now, so a restart keeps it

    async def _until_ready(self, process: OwnedProcess) -> None:
        import psycopg

        while process.running:
            try:
                await create_database(self.url("postgres"), DATABASE, exist_ok=True)
            except psycopg.OperationalError as error:
                if "password authentication failed" in str(error):
                    raise ConfigurationError(
                        f"PostgreSQL in {self.folder} refuses the password in "
                        f"{self.folder / 'postgres.password'}",
                        hint="put the right file back, or remove the folder to start afresh",
                    ) from None
                await asyncio.sleep(POLL_SECONDS)
            else:
                return
        await process.wait()
        raise process.ended()

    def kill(self) -> None:
        """End it at once by SIGKILL, as a crash would."""
        if self._process:
            self._process.kill()

    async def wait(self) -> int:
        """Return its exit code once it has ended."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """Stop it cleanly (a fast shutdown)."""
        if self._process:
            await self._process.stop()

    async def restart(self) -> None:
        """Stop it if it runs, then start it on the same port.

        Raises:
            LedgerUnavailable: If it does not become ready.
        """
        await self.stop()
        await self.start()


async def create_database(
    url: str, name: str, *, template: str | None = None, exist_ok: bool = False
) -> None:
    """Create a database.

    Args:
        url: URL of another database on the same server.
        name: Its name.
        template: Database to copy; nobody may be connected to it.
        exist_ok: Leave one that is there already.

    Raises:
        psycopg.Error: If the server refuses.
    """
    import psycopg
    from psycopg import sql

    connection = await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5)
    async with connection:
        if exist_ok:
            query = "SELECT 1 FROM pg_database WHERE datname = %s"
            if await (await connection.execute(query, [name])).fetchone():
                return
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        await connection.execute(statement)


def _initialise(way: Isolation, folder: Path) -> str:
    """Make the data on the first start; return the password."""
    password_file = folder / "postgres.password"
    major = way.binaries.joinpath("postgres")
    if (version_file := way.data / "PG_VERSION").exists():
        made_by = version_file.read_text().strip()
        ours = way.run([str(major), "--version"]).stdout.split()[-1].split(".")[0]
        if made_by != ours:
            raise ConfigurationError(
                f"{way.data} was made by PostgreSQL {made_by}, the installed binaries are {ours}",
                hint="install the version that made it, or remove the folder to start afresh",
            )
        if not password_file.exists():
            raise ConfigurationError(
                f"{password_file} is missing, so PostgreSQL's data cannot be opened",
                hint="put the file back, or remove the folder to start afresh",
            )
        return password_file.read_text().strip()
    password = private_text(password_file, lambda: secrets.token_urlsafe(24))
    _make_data(way, password)
    return password


def _make_data(way: Isolation, password: str) -> None:
    """Run initdb beside the final place and rename, so that half-made data is never used."""
    staging = way.data.with_name(f"{way.data.name}.new")
    shutil.rmtree(staging, ignore_errors=True)
    handed_over = way.data.with_name(f"{way.data.name}.pwfile")
    handed_over.unlink(missing_ok=True)
    private_text(handed_over, lambda: password)
    way.own(handed_over)
    try:
        outcome = way.run(
            [
                str(way.binaries / "initdb"),
                f"--pgdata={staging}",
                f"--username={USER}",
                f"--pwfile={handed_over}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-instructions",
            ]
        )
    finally:
        handed_over.unlink(missing_ok=True)
    if outcome.returncode != 0:
        raise ConfigurationError(
            f"initdb failed: {outcome.stderr.strip() or outcome.stdout.strip()}",
            hint="set FLOWKEEP_DATABASE_URL to use a server of your own",
        )
    staging.rename(way.data)


async def _clear_pid_file(data: Path) -> None:
    """Remove what a killed server left; PostgreSQL itself trips over a recycled process id.

    Should the process named in the file be a server on this data, because its launcher was
    killed, then it has got its own stop signal: wait until it is gone.
    """
    pid_file = data / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
        pid = int(pid_file.read_text().split()[0])
        try:
            async with asyncio.timeout(READY_SECONDS):
                while _serves(pid, data):  # noqa: ASYNC110 (not our child: nothing to await)
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise ConfigurationError(
                f"process {pid} still runs PostgreSQL on {data}", hint="end that process first"
            ) from None
    pid_file.unlink(missing_ok=True)


def _serves(pid: int, data: Path) -> bool:
    """Tell whether the process is PostgreSQL on this data: it then works inside the folder."""
    process = Path(f"/proc/{pid}")
    try:
        program = (process / "exe").resolve(strict=True).name
        return program == "postgres" and (process / "cwd").resolve() == data.resolve()
    except OSError:
        return False
