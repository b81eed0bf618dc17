"""`serve`, as a process of its own: signals, death of parent or server, the file it leaves."""

import asyncio
import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT
from typing import Any

import psycopg
import pytest

from flowkeep.settings import Settings
from tests.support import alive, eventually

pytestmark = pytest.mark.slow

SCRIPT = """
import asyncio, sys
from pathlib import Path
from flowkeep.errors import FlowkeepError
from flowkeep.local_engine import serve

async def prepare(engine):
    print("prepared", engine.namespace, flush=True)

try:
    asyncio.run(serve(Path(sys.argv[1]), prepare=prepare, say=lambda line: print(line, flush=True)))
except FlowkeepError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


class Served:
    """A process that runs `serve`."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.process = process
        self.file = folder / ".flowkeep" / "engine.json"
        self.output = ""
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.output += line.decode()

    async def said(self, text: str) -> None:
        """Wait for a line; fail at once when the process has ended without it."""

        def assertion() -> bool:
            ended = self._reader.done()
            assert ended or text in self.output
            return text in self.output

        assert await eventually(assertion, timeout=60), self.output

    async def ready(self) -> dict[str, Any]:
        """Wait until it has announced itself; return what it left for other processes."""
        await self.said("Ctrl-C stops this")
        content: dict[str, Any] = json.loads(self.file.read_text())
        return content

    async def end(self) -> int:
        code = await self.process.wait()
        await self._reader
        return code

    def servers(self) -> dict[str, int]:
        """Return the process ids of the two servers and of their launchers, by name."""
        found = {}
        for launcher in children(self.process.pid):
            for server in children(launcher):
                name = Path(f"/proc/{server}/comm").read_text().strip()
                found |= {name: server, f"{name} launcher": launcher}
        return found


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Served]:
    """Run `serve` in the folder; whatever is left at the end is killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SCRIPT,
        ".flowkeep",
        cwd=folder,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
    )
    running = Served(process, folder)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await running.end()


async def gone(pids: dict[str, int]) -> None:
    def assertion() -> None:
        left = {name: pid for name, pid in pids.items() if alive(pid)}
        assert not left

    await eventually(assertion)


async def test_it_leaves_a_private_file_that_settings_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second terminal in the folder finds servers, key and storage; after kill -9 it does not."""
    monkeypatch.chdir(tmp_path)
    async with served(tmp_path) as running:
        content = await running.ready()
        assert "prepared default" in running.output
        assert content["pid"] == running.process.pid
        assert content["tuned"]["sqlite_pragmas"]["journal_mode"] == "WAL"
        assert stat.S_IMODE(running.file.stat().st_mode) == 0o600
        settings = Settings.load()
        assert settings.temporal.address == content["settings"]["temporal"]["address"]
        assert settings.database.secret_key is not None
        assert settings.storage.url == (tmp_path / ".flowkeep" / "storage").as_uri()
        connection = await psycopg.AsyncConnection.connect(settings.database_url())
        await connection.close()
        password = content["settings"]["database"]["url"].split(":")[2].split("@")[0]
        assert password not in running.output, "the password was printed"
        running.process.kill()
        await running.end()
        assert running.file.exists()
        assert Settings.load().database.url is None
        content["pid"] = os.getpid()  # a process that exists, but is not the engine
        running.file.write_text(json.dumps(content))
        assert Settings.load().database.url is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_stops_everything(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C, SIGTERM and a closed terminal end both servers cleanly, the file goes, exit 0."""
    async with served(tmp_path) as running:
        await running.ready()
        servers = running.servers()
        assert {"postgres", "temporal"} < servers.keys()
        running.process.send_signal(number)
        assert await running.end() == 0
        assert not any(alive(pid) for pid in servers.values())
        assert not running.file.exists()
        assert "stopped; the state is kept" in running.output
        assert not (tmp_path / ".flowkeep" / "postgres" / "postmaster.pid").exists()


async def test_a_signal_during_the_start_stops_everything(tmp_path: Path) -> None:
    """Ctrl-C while the servers still start ends at once and leaves nothing."""
    async with served(tmp_path) as running:

        def postgres_starts() -> dict[str, int]:
            servers = running.servers()
            assert "postgres" in servers
            return servers

        servers = await eventually(postgres_starts, timeout=30)
        running.process.send_signal(signal.SIGINT)
        assert await running.end() == 0
        await gone(servers)
        assert not running.file.exists()


async def test_nothing_outlives_a_killed_parent(tmp_path: Path) -> None:
    """After kill -9 of the parent both servers end; a new start at once finds the state."""
    async with served(tmp_path) as running:
        content = await running.ready()
        url = content["settings"]["database"]["url"]
        connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
        async with connection:
            await connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
        servers = running.servers()
        running.process.kill()
        await running.end()
    async with served(tmp_path) as running:
        content = await running.ready()
        await gone(servers)
        url = content["settings"]["database"]["url"]
        connection = await psycopg.AsyncConnection.connect(url)
        async with connection:
            row = await (await connection.execute("SELECT n FROM kept")).fetchone()
        assert row == (42,)


@pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals are Linux's")
async def test_nothing_outlives_a_killed_process_group(tmp_path: Path) -> None:
    """Even when the launchers are killed together with the parent, both servers end."""
    async with served(tmp_path) as running:
        await running.ready()
        servers = running.servers()
        for pid in [running.process.pid, *(servers[name] for name in servers if " " in name)]:
            os.kill(pid, signal.SIGKILL)
        await running.end()
        await gone(servers)
    async with served(tmp_path) as running:
        await running.ready()


async def test_second_one_in_the_folder_says_so(tmp_path: Path) -> None:
    """The second start names the folder and the first one's process, which goes on undisturbed."""
    async with served(tmp_path) as first:
        await first.ready()
        async with served(tmp_path) as second:
            assert await second.end() == 1
            expected = f"an engine already runs in {tmp_path / '.flowkeep'} (process "
            assert f"{expected}{first.process.pid})" in second.output
        assert first.process.returncode is None
        assert first.file.exists()


async def test_stale_file_with_a_recycled_process_id_is_not_believed(tmp_path: Path) -> None:
    """A file left by a killed process does not make its dead servers look configured."""
    (tmp_path / ".flowkeep").mkdir()
    database = {"url": "postgresql://u:p@127.0.0.1:1/x"}
    stale = {"pid": os.getpid(), "settings": {"database": database}}
    (tmp_path / ".flowkeep" / "engine.json").write_text(json.dumps(stale))
    async with served(tmp_path) as running:
        content = await running.ready()
        assert content["settings"]["database"]["url"] != database["url"]


@pytest.mark.parametrize(
    ("name", "program", "error"),
    [
        ("PostgreSQL", "postgres", "LedgerUnavailable"),
        ("Temporal", "temporal", "TemporalUnavailable"),
    ],
)
async def test_a_server_that_dies_is_restarted_once(
    tmp_path: Path, name: str, program: str, error: str
) -> None:
    """The first death is told and repaired on the same port; a second one soon after ends it."""
    async with served(tmp_path) as running:
        await running.ready()
        os.kill(running.servers()[program], signal.SIGKILL)
        await running.said(f"{name} is back")
        assert f"{name} ended by itself (exit code 137)" in running.output
        servers = running.servers()
        os.kill(servers[program], signal.SIGKILL)
        assert await running.end() == 1
        assert f"{error}: {name} ended by itself again" in running.output
        await gone(servers)
        assert not running.file.exists()


async def test_a_failing_preparation_ends_it(tmp_path: Path) -> None:
    """When migrations fail, the error comes out, no file is left, nothing runs."""
    from flowkeep.errors import ConfigurationError
    from flowkeep.local_engine import LocalEngine, serve

    pids: list[int | None] = []

    async def prepare(engine: LocalEngine) -> None:
        assert engine.postgres is not None
        pids.append(engine.postgres.pid)
        raise ConfigurationError("cannot migrate")

    said: list[str] = []
    say: Callable[[str], None] = said.append
    with pytest.raises(ConfigurationError, match="cannot migrate"):
        await serve(tmp_path, prepare=prepare, say=say)
    assert not (tmp_path / "engine.json").exists()
    assert pids
    assert not any(alive(pid) for pid in pids if pid)
