"""The local engine starts, answers, keeps its state and says what is wrong."""

import asyncio
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from temporalio.client import Client, WorkflowExecutionStatus

from flowkeep.errors import (
    ConfigurationError,
    Conflict,
    LedgerUnavailable,
    TemporalUnavailable,
)
from flowkeep.local_engine import LocalEngine, isolation
from flowkeep.local_engine.ports import is_free, pick_port
from flowkeep.local_engine.postgres import create_database
from flowkeep.settings import DatabaseSettings, Settings, StorageSettings, TemporalSettings
from tests.conftest import drop_database
from tests.support import alive, crash

pytestmark = pytest.mark.slow

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account")


async def run_sql(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
    async with connection:
        cursor = await connection.execute(statement.encode())
        return await cursor.fetchall() if cursor.description else []


async def start_run(engine: LocalEngine) -> str:
    """Start a workflow that no worker serves; return its id."""
    client = await Client.connect(engine.temporal_address, namespace=engine.namespace)
    workflow_id = uuid4().hex
    await client.start_workflow("Waits", id=workflow_id, task_queue="nobody-polls")
    return workflow_id


async def is_open(engine: LocalEngine, workflow_id: str) -> bool:
    client = await Client.connect(engine.temporal_address, namespace=engine.namespace)
    description = await client.get_workflow_handle(workflow_id).describe()
    return description.status == WorkflowExecutionStatus.RUNNING


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


async def test_both_servers_answer(database_url: str, temporal_client: Client) -> None:
    """PostgreSQL 18 and Temporal answer at the addresses that the engine gives."""
    [(version,)] = await run_sql(database_url, "SHOW server_version_num")
    assert str(version).startswith("18")
    assert await temporal_client.service_client.check_health()


async def test_database_is_utf8_and_sorts_the_same_everywhere(database_url: str) -> None:
    """Text is UTF-8 with PostgreSQL's own locale, whatever the machine's locale is."""
    rows = await run_sql(
        database_url,
        "SELECT pg_encoding_to_char(encoding), datlocprovider::text, upper('ä'), current_setting("
        "'TimeZone') FROM pg_database WHERE datname = current_database()",
    )
    assert rows == [("UTF8", "b", "Ä", "UTC")]


async def test_password_is_needed(engine: LocalEngine) -> None:
    """Nobody gets in without the password, and there is no socket beside the loopback port."""
    parts = urlsplit(engine.database_url)
    for password in ("", ":wrong"):
        netloc = f"flowkeep{password}@{parts.hostname}:{parts.port}"
        with pytest.raises(psycopg.OperationalError, match="password"):
            await psycopg.AsyncConnection.connect(parts._replace(netloc=netloc).geturl())
    [(sockets, addresses)] = await run_sql(
        engine.database_url,
        "SELECT current_setting('unix_socket_directories'), current_setting('listen_addresses')",
    )
    assert (sockets, addresses) == ("", "127.0.0.1")


async def test_files_are_private(engine: LocalEngine) -> None:
    """Neither data nor credentials can be read by other users of the machine."""
    engine.settings()
    private = ["postgres.password", "secret.key", "postgres", "temporal", "logs"]
    modes = {name: stat.S_IMODE((engine.folder / name).stat().st_mode) for name in private}
    assert all(mode & 0o077 == 0 for mode in modes.values()), modes


async def test_settings_name_the_engine(engine: LocalEngine) -> None:
    """The engine's settings lead to its servers, with the same secret key each time."""
    settings = engine.settings()
    assert settings.database_url() == engine.database_url
    assert settings.temporal.address == engine.temporal_address
    assert settings.storage.url == (engine.folder.resolve() / "storage").as_uri()
    assert settings.database.secret_key == engine.settings().database.secret_key
    assert settings.database.secret_key is not None
    assert len(settings.database.secret_key.get_secret_value()) == 44


async def test_databases_can_be_copied_and_named_freely(engine: LocalEngine) -> None:
    """A database made from a template holds its rows; a name may hold quotes, spaces, umlauts."""
    template, name = f"t{uuid4().hex}", f'Köln "{uuid4().hex}" /?'
    await run_sql(await engine.create_database(template), "CREATE TABLE t AS SELECT 7 AS n")
    try:
        copy = await engine.create_database(name, template=template)
        assert await run_sql(copy, "SELECT n, current_database() FROM t") == [(7, name)]
    finally:
        await drop_database(engine, name)
        await drop_database(engine, template)


async def test_state_survives_a_restart(tmp_path: Path) -> None:
    """Rows, runs, password and key are the same after a stop and a start; nothing runs between."""
    async with LocalEngine(tmp_path) as engine:
        await run_sql(engine.database_url, "CREATE TABLE kept AS SELECT 42 AS n")
        workflow_id = await start_run(engine)
        key = engine.settings().database.secret_key
        password = urlsplit(engine.database_url).password
        assert engine.postgres is not None
        assert engine.temporal is not None
        pids = [engine.postgres.pid, engine.temporal.pid]
    assert not any(alive(pid) for pid in pids if pid is not None)
    assert not (tmp_path / "postgres" / "postmaster.pid").exists(), "not shut down cleanly"
    async with LocalEngine(tmp_path) as engine:
        assert await run_sql(engine.database_url, "SELECT n FROM kept") == [(42,)]
        assert await is_open(engine, workflow_id)
        assert engine.settings().database.secret_key == key
        assert urlsplit(engine.database_url).password == password


async def test_killed_postgres_loses_nothing(engine: LocalEngine, database_url: str) -> None:
    """After kill -9 and a restart on the same port every committed row is there."""
    assert engine.postgres is not None
    await run_sql(database_url, "CREATE TABLE kept (n int)")
    for n in range(20):
        await run_sql(database_url, f"INSERT INTO kept VALUES ({n})")
    before = engine.postgres.pid
    await crash(engine.postgres)
    with pytest.raises(psycopg.OperationalError):
        await psycopg.AsyncConnection.connect(database_url)
    await engine.postgres.restart()
    assert engine.postgres.pid != before
    assert await run_sql(database_url, "SELECT count(*), sum(n) FROM kept") == [(20, 190)]


async def test_killed_postgres_restarts_beside_a_busy_backend(
    engine: LocalEngine, database_url: str
) -> None:
    """A query in flight does not hold up the restart after kill -9."""
    assert engine.postgres is not None
    connection = await psycopg.AsyncConnection.connect(database_url)
    backend = connection.info.backend_pid
    busy = connection.execute("SELECT count(*) FROM generate_series(1, 10000000000)")
    async with connection:
        pending = asyncio.ensure_future(busy)
        while not await run_sql(
            engine.database_url,
            f"SELECT 1 FROM pg_stat_activity WHERE pid = {backend} AND state = 'active'",
        ):
            pass
        engine.postgres.kill()
        await engine.postgres.restart()
        with pytest.raises(psycopg.OperationalError):
            await pending
    assert await run_sql(database_url, "SELECT 1") == [(1,)]


async def test_killed_temporal_loses_nothing(engine: LocalEngine) -> None:
    """After kill -9 and a restart on the same port every acknowledged start is there."""
    assert engine.temporal is not None
    started = [await start_run(engine) for _ in range(20)]
    await crash(engine.temporal)
    await engine.temporal.restart()
    assert all([await is_open(engine, workflow_id) for workflow_id in started])


async def test_recycled_process_id_does_not_hold_up_the_start(tmp_path: Path) -> None:
    """A process id file of a killed server is removed though another process has that id now."""
    async with LocalEngine(tmp_path, temporal_file=False) as engine:
        pass
    (tmp_path / "postgres" / "postmaster.pid").write_text(
        f"{os.getppid()}\n{tmp_path / 'postgres'}\n0\n1\n\n127.0.0.1\n"
    )
    async with LocalEngine(tmp_path, temporal_file=False) as engine:
        assert await run_sql(engine.database_url, "SELECT 1") == [(1,)]


async def test_half_made_data_is_made_again(tmp_path: Path) -> None:
    """What a killed first start left of its data does no harm."""
    (tmp_path / "postgres.new").mkdir(mode=0o700)
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")
    async with LocalEngine(tmp_path) as engine:
        assert await run_sql(engine.database_url, "SELECT 1") == [(1,)]
    assert not (tmp_path / "postgres.new").exists()


async def test_second_engine_in_a_folder_is_refused(engine: LocalEngine) -> None:
    """The error names the folder and the process that has it."""
    with pytest.raises(Conflict, match=rf"{engine.folder.resolve()} \(process {os.getpid()}\)"):
        async with LocalEngine(engine.folder):
            pass


@pytest.mark.parametrize(
    ("argument", "option"),
    [
        ("postgres_port", "--postgres-port"),
        ("temporal_port", "--temporal-port"),
        ("ui_port", "--ui-port"),
    ],
)
async def test_occupied_port_is_named(
    tmp_path: Path, taken_port: int, argument: str, option: str
) -> None:
    """A port that the user asked for and somebody has is named, with its option."""
    arguments = {argument: taken_port}
    with pytest.raises(ConfigurationError, match=rf"port {taken_port} .*{option}"):
        async with LocalEngine(tmp_path, **arguments):  # type: ignore[arg-type]
            pass


async def test_port_out_of_range_is_named(tmp_path: Path) -> None:
    """A port that cannot exist is refused before anything starts."""
    with pytest.raises(ConfigurationError, match="port 99999 for PostgreSQL is out of range"):
        async with LocalEngine(tmp_path, postgres_port=99999):
            pass


async def test_chosen_ports_are_used(tmp_path: Path) -> None:
    """Ports that the user asks for are the ones the servers listen on, the UI among them."""
    with socket.socket() as first, socket.socket() as second, socket.socket() as third:
        for probe in (first, second, third):
            probe.bind(("127.0.0.1", 0))
        ports = [probe.getsockname()[1] for probe in (first, second, third)]
    async with LocalEngine(
        tmp_path, postgres_port=ports[0], temporal_port=ports[1], ui_port=ports[2]
    ) as engine:
        assert urlsplit(engine.database_url).port == ports[0]
        assert engine.temporal_address == f"127.0.0.1:{ports[1]}"
        with socket.create_connection(("127.0.0.1", ports[2])):
            pass


async def test_last_port_is_taken_again(tmp_path: Path, taken_port: int) -> None:
    """A restart prefers the port of the last time; a port in use or nonsense is not taken."""
    memory = tmp_path / "postgres.port"
    assert is_free(pick_port(memory))
    for useless in (str(taken_port), "0", "99999", "nonsense"):
        memory.write_text(useless)
        assert str(pick_port(memory)) != useless
    async with LocalEngine(tmp_path) as engine:
        assert urlsplit(engine.database_url).port == int(memory.read_text())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    memory.write_text(f"{free}\n")
    assert pick_port(memory) == free


async def test_lost_or_wrong_password_file_is_explained(tmp_path: Path) -> None:
    """Data whose password is gone is not opened by guessing; the error names the file."""
    async with LocalEngine(tmp_path):
        pass
    password = tmp_path / "postgres.password"
    password.write_text("wrong")
    with pytest.raises(ConfigurationError, match=r"refuses the password in .*postgres\.password"):
        async with LocalEngine(tmp_path):
            pass
    password.unlink()
    with pytest.raises(ConfigurationError, match=r"postgres\.password is missing"):
        async with LocalEngine(tmp_path):
            pass


async def test_data_of_another_major_version_is_explained(tmp_path: Path) -> None:
    """Data of another PostgreSQL is refused with both versions."""
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(ConfigurationError, match=r"PostgreSQL 16, the installed binaries are 18"):
        async with LocalEngine(tmp_path, isolation="direct" if os.geteuid() else "namespace"):
            pass


async def test_configured_servers_are_used(engine: LocalEngine, tmp_path: Path) -> None:
    """Servers named in the settings are used as they are; none is started, no lock is taken."""
    settings = Settings(
        temporal=TemporalSettings(address=engine.temporal_address),
        database=DatabaseSettings(url=SecretStr(engine.database_url)),
        storage=StorageSettings(url="file:///elsewhere"),
    )
    async with LocalEngine(tmp_path, settings=settings) as other:
        assert other.servers() == {}
        assert other.settings().database_url() == engine.database_url
        assert other.settings().storage.url == "file:///elsewhere"
        name = f"x{uuid4().hex}"
        url = await other.create_database(name)
        assert await run_sql(url, "SELECT current_database()") == [(name,)]
        await drop_database(engine, name)


async def test_unreachable_configured_servers_are_named(
    engine: LocalEngine, tmp_path: Path, taken_port: int
) -> None:
    """A configured server that does not answer is an error, not a reason to start another one."""
    database = DatabaseSettings(url=SecretStr("postgresql://u:p@127.0.0.1:1/x"))
    with pytest.raises(LedgerUnavailable, match="FLOWKEEP_DATABASE_URL") as caught:
        async with LocalEngine(tmp_path, settings=Settings(database=database)):
            pass
    assert "u:p" not in str(caught.value)
    settings = Settings(
        temporal=TemporalSettings(address="127.0.0.1:1"),
        database=DatabaseSettings(url=SecretStr(engine.database_url)),
    )
    with pytest.raises(TemporalUnavailable, match=r"127\.0\.0\.1:1"):
        async with LocalEngine(tmp_path, settings=settings):
            pass


async def test_a_failed_start_leaves_nothing_running(tmp_path: Path, taken_port: int) -> None:
    """When the second server cannot start, the first one is stopped and the folder is free."""
    with pytest.raises(ConfigurationError):
        async with LocalEngine(tmp_path, temporal_port=taken_port):
            pass
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()
    async with LocalEngine(tmp_path) as engine:
        assert await run_sql(engine.database_url, "SELECT 1") == [(1,)]


@root_only
async def test_root_runs_postgres_in_a_user_namespace(engine: LocalEngine) -> None:
    """As root the server runs in a namespace where it is not root."""
    assert engine.postgres is not None
    if engine.postgres.isolation == "account":
        pytest.skip("user namespaces are switched off here")
    assert engine.postgres.isolation == "namespace"


@root_only
async def test_without_namespaces_root_uses_an_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With namespaces off, an unprivileged account runs copied binaries, and data outlives it."""
    with tempfile.TemporaryDirectory(prefix="flowkeep-account-") as home:
        monkeypatch.setattr(isolation, "ACCOUNT_ROOT", Path(home))
        async with LocalEngine(tmp_path, isolation="account") as engine:
            assert engine.postgres is not None
            assert (await asyncio.to_thread(Path(f"/proc/{engine.postgres.pid}").stat)).st_uid != 0
            await run_sql(engine.database_url, "CREATE TABLE kept AS SELECT 1 AS n")
            engine.postgres.kill()
            await engine.postgres.restart()
        async with LocalEngine(tmp_path) as engine:  # finds the data where it was made
            assert engine.postgres is not None
            assert engine.postgres.isolation == "account"
            assert await run_sql(engine.database_url, "SELECT n FROM kept") == [(1,)]


@root_only
async def test_data_made_with_namespaces_is_not_silently_left_behind(tmp_path: Path) -> None:
    """With namespaces switched off later, the data is named instead of starting an empty one."""
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18\n")
    with pytest.raises(ConfigurationError, match="was made with user namespaces, now off"):
        async with LocalEngine(tmp_path, isolation="account"):
            pass


async def test_missing_binaries_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the wheel the error names the extra and the setting."""
    monkeypatch.setattr(isolation, "WHEEL", "no-such-distribution")
    with pytest.raises(ConfigurationError, match=r"flowkeep\[local\].*FLOWKEEP_DATABASE_URL"):
        async with LocalEngine(tmp_path):
            pass


async def test_create_database_can_be_repeated(engine: LocalEngine) -> None:
    """With exist_ok an existing database is left alone; without it the server refuses."""
    name = f"x{uuid4().hex}"
    try:
        for _ in range(2):
            await create_database(engine.database_url, name, exist_ok=True)
        with pytest.raises(psycopg.errors.DuplicateDatabase):
            await create_database(engine.database_url, name)
    finally:
        await run_sql(
            engine.database_url,
            sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)).as_string(),
        )
