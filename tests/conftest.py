"""Fixtures shared by all tests: real servers, one pair for the whole session."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from temporalio.client import Client

from flowkeep.errors import FlowkeepError
from flowkeep.local_engine import LocalEngine
from flowkeep.local_engine.temporal_binary import find_temporal
from flowkeep.settings import Settings, StorageSettings

hypothesis.settings.register_profile("flowkeep", deadline=None)
hypothesis.settings.load_profile("flowkeep")  # a busy machine is no counterexample

FOREIGN = ("FLOWKEEP_", "TEMPORAL_")
for _name in [name for name in os.environ if name.startswith(FOREIGN)]:
    del os.environ[_name]

BYTECODE = Path(__file__).parents[1] / ".pytest_cache" / "bytecode"
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    # Hundreds of processes are started, and each would compile all that it imports: three seconds.
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(BYTECODE))
    sys.pycache_prefix, sys.dont_write_bytecode = os.environ["PYTHONPYCACHEPREFIX"], False

MEMORY = Path("/dev/shm")
ENOUGH = 8 << 30
"""Bytes; a run leaves far less."""


def memory_serves() -> bool:
    """Tell whether folders of tests may lie in memory: there is room, programs can run there."""
    if not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return False
    found = os.statvfs(MEMORY)
    return found.f_bavail * found.f_frsize >= ENOUGH and not found.f_flag & os.ST_NOEXEC


if memory_serves():
    # A database is some three hundred files, and most tests make one: ten times quicker in memory.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_addoption(parser: pytest.Parser) -> None:
    """How thorough the tests that kill processes are."""
    parser.addoption(
        "--fault-points", type=int, default=1, help="points at which each process is killed"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put slow files first, then large ones: at the end they would keep one process busy alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path not in slow, -tests[item.path]))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Get the Temporal program before any test's time limit runs; a first build takes minutes."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.option.collectonly or reporter is None:  # one of several processes has none
        return
    try:
        asyncio.run(find_temporal(reporter.write_line))
    except FlowkeepError as error:  # tests that need it will fail with the same words
        reporter.write_line(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let reports travel between processes, whatever a test has logged."""
    report = yield
    report.sections = [
        (name, text.encode(errors="replace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(scope="session")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalEngine]:
    """Both servers, embedded, with state in a temporary folder."""
    async with LocalEngine(tmp_path_factory.mktemp("engine")) as engine:
        await _forget_disks(engine)
        yield engine


async def _forget_disks(engine: LocalEngine) -> None:
    """Let the server not wait for disks: what it holds goes with the session, never the power."""
    connection = await psycopg.AsyncConnection.connect(engine.database_url, autocommit=True)
    async with connection:
        await connection.execute("ALTER SYSTEM SET fsync = off")
        await connection.execute("SELECT pg_reload_conf()")


async def drop_database(engine: LocalEngine, name: str) -> None:
    """Drop a database, whoever is connected to it."""
    connection = await psycopg.AsyncConnection.connect(engine.database_url, autocommit=True)
    async with connection:
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        await connection.execute(statement.format(sql.Identifier(name)))


@pytest.fixture
async def database_url(engine: LocalEngine) -> AsyncIterator[str]:
    """URL of a new, empty database."""
    name = f"test_{uuid4().hex}"
    yield await engine.create_database(name)
    await drop_database(engine, name)


@pytest.fixture(scope="session")
async def ledger_template(engine: LocalEngine) -> str:
    """Name of a migrated database that tests copy; nobody may stay connected to it."""
    from flowkeep.statestore.migrate import upgrade

    await upgrade(await engine.create_database("ledger_template"))
    return "ledger_template"


@pytest.fixture
async def ledger_url(engine: LocalEngine, ledger_template: str) -> AsyncIterator[str]:
    """URL of a new database with an empty ledger."""
    name = f"ledger_{uuid4().hex}"
    yield await engine.create_database(name, template=ledger_template)
    await drop_database(engine, name)


@pytest.fixture(scope="session")
async def temporal_client(engine: LocalEngine) -> Client:
    """A plain client of the SDK."""
    return await Client.connect(engine.temporal_address, namespace=engine.namespace)


@pytest.fixture
def settings(engine: LocalEngine, ledger_url: str, tmp_path: Path) -> Settings:
    """Settings of a client or worker: the engine, a ledger and a storage of its own."""
    settings = engine.settings()
    database = settings.database.model_copy(update={"url": SecretStr(ledger_url)})
    storage = StorageSettings(url=(tmp_path / "storage").as_uri())
    return settings.model_copy(update={"database": database, "storage": storage})


@pytest.fixture
def task_queue() -> str:
    """A task queue that no other test uses."""
    return f"test-{uuid4().hex}"
