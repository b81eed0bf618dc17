"""Everything that can be hurt: two servers, the processes, the links between them, one disk."""

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr
from temporalio.client import Client

from flowkeep.local_engine import LocalEngine
from flowkeep.settings import Settings
from flowkeep.statestore.migrate import upgrade
from tests.faults.links import Link
from tests.faults.processes import Program
from tests.faults.witness import environment

WORKERS = ("north", "south")
QUEUE = "faults"
CLI = "flowkeep.cli:main"
DISK_BYTES = 400 * 1024 * 1024


@dataclass(frozen=True)
class Trouble:
    """When something could keep a process from recording what it saw.

    Attributes:
        who: The process; `*` for all.
        begin: Seconds since the epoch.
    """

    who: str
    what: str
    begin: float
    end: float


@dataclass
class Scene:
    """Servers, processes and links of one seed.

    Attributes:
        folder: State, logs and truth files.
        links: By (process, server).
        small_disk: Where PostgreSQL's data lies on a file system of its own, null elsewhere.
    """

    folder: Path
    engine: LocalEngine
    say: Callable[[str], None]
    tail_seconds: dict[str, str] = field(default_factory=dict)
    links: dict[tuple[str, str], Link] = field(default_factory=dict)
    programs: dict[str, Program] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    small_disk: Path | None = None

    @property
    def truth(self) -> Path:
        """Folder of the truth files."""
        return self.folder / "truth"

    def lock(self, name: str) -> asyncio.Lock:
        """Return what keeps two faults from hurting the same thing at once."""
        return self.locks.setdefault(name, asyncio.Lock())

    @contextmanager
    def trouble(self, who: str, what: str) -> Iterator[None]:
        """Remember when a process, or all, could not record."""
        begin = time.time()
        try:
            yield
        finally:
            self.troubles.append(Trouble(who, what, begin, time.time()))

    def settings(self, process: str | None) -> Settings:
        """Return the settings of a process; null reaches the servers past all links."""
        settings = self.engine.settings()
        worker = settings.worker.model_copy(update={"task_queue": QUEUE})
        settings = settings.model_copy(update={"worker": worker})
        if process is None:
            return settings
        ledger, temporal = self.links[process, "ledger"], self.links[process, "temporal"]
        parts = urlsplit(self.engine.database_url)
        login = parts.netloc.rpartition("@")[0]
        url = parts._replace(netloc=f"{login}@127.0.0.1:{ledger.port}").geturl()
        return settings.model_copy(
            update={
                "database": settings.database.model_copy(update={"url": SecretStr(url)}),
                "temporal": settings.temporal.model_copy(
                    update={"address": f"127.0.0.1:{temporal.port}"}
                ),
            }
        )

    def environment(self, process: str | None) -> dict[str, str]:
        """Return the same settings as variables, for a process of its own."""
        settings = self.settings(process)
        key = settings.database.secret_key
        assert key is not None
        return {
            "FLOWKEEP_DATABASE_URL": settings.database_url(),
            "FLOWKEEP_SECRET_KEY": key.get_secret_value(),
            "FLOWKEEP_STORAGE_URL": settings.storage.url,
            "FLOWKEEP_TASK_QUEUE": QUEUE,
            "FLOWKEEP_LOG_FORMAT": "console",
            "TEMPORAL_ADDRESS": str(settings.temporal.address),
            "TEMPORAL_NAMESPACE": self.engine.namespace,
            **self.tail_seconds,
            **environment(self.truth, process or "driver"),
        }

    def program(self, name: str, main: str, *arguments: str, direct: bool = False) -> Program:
        """Describe a process.

        Args:
            name: What it is called.
            main: Its function.
            arguments: Of its command line.
            direct: Reach the servers past all links.
        """
        environment = self.environment(None if direct else name)
        return Program(name, main, list(arguments), environment, self.folder / f"{name}.log")

    async def temporal(self) -> Client:
        """Return a plain client that no link can disturb."""
        return await Client.connect(self.engine.temporal_address, namespace=self.engine.namespace)

    async def start_worker(self, name: str, *more: str) -> None:
        """Start one of the two workers."""
        await self.programs[name].start(*more)

    def disk_filler(self) -> Path:
        """Return the file that takes the room of PostgreSQL's disk."""
        assert self.small_disk is not None
        return self.small_disk / "filler"


@asynccontextmanager
async def scene(
    folder: Path, say: Callable[[str], None], *, small_disk: bool, variables: dict[str, str]
) -> AsyncIterator[Scene]:
    """Start everything.

    Args:
        folder: Where state and logs lie.
        say: Prints a line.
        small_disk: Put PostgreSQL on a file system of its own; needs a mount namespace.
        variables: Further variables of every process.
    """
    async with AsyncExitStack() as stack:
        engine = LocalEngine(folder / "engine", progress=say)
        found = Scene(folder, engine, say, tail_seconds=variables)
        found.truth.mkdir(parents=True)
        if small_disk:
            found.small_disk = await _small_disk(engine)
            stack.callback(_unmount, found.small_disk)
        await stack.enter_async_context(engine)
        await upgrade(engine.database_url)
        assert engine.postgres is not None
        assert engine.temporal is not None
        ports = {"ledger": engine.postgres.port, "temporal": engine.temporal.port}
        for process in (*WORKERS, "reconciler", "client"):
            for server, port in ports.items():
                assert port is not None
                link = Link(f"{process}-{server}", port)
                await link.start()
                stack.push_async_callback(link.stop)
                found.links[process, server] = link
        _describe_programs(found)
        for program in found.programs.values():
            stack.push_async_callback(program.kill)
            await program.start()
        for name in WORKERS:
            await found.programs[name].says("serves task queue")
        say("two workers serve")
        yield found


def _describe_programs(scene: Scene) -> None:
    for name in WORKERS:
        scene.programs[name] = scene.program(name, "tests.faults.worker_program:main")
    scene.programs["reconciler"] = scene.program("reconciler", CLI, "ledger", "reconcile")


async def _small_disk(engine: LocalEngine) -> Path:
    """Make PostgreSQL's data once, then move it to a small file system of its own."""
    assert engine.postgres is not None
    (engine.folder / "logs").mkdir(parents=True)
    await engine.postgres.start()
    await engine.postgres.stop()
    data = engine.folder / "postgres"
    aside = engine.folder / "postgres.made"
    data.rename(aside)
    data.mkdir(mode=0o700)
    _run("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0700", "tmpfs", str(data))
    _run("cp", "-a", f"{aside}/.", str(data))
    _run("rm", "-r", str(aside))
    return data


def _unmount(path: Path) -> None:
    with contextlib.suppress(subprocess.CalledProcessError):
        _run("umount", str(path))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def fill(path: Path) -> None:
    """Write until nothing fits any more."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = 1024 * 1024
        while size >= 4096:
            try:
                os.write(file, bytes(size))
            except OSError:
                size //= 4
    finally:
        os.close(file)
