"""Reaching the ledger: what is wrong, what is only away, and coming back."""

import asyncio
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from flowkeep.errors import ConfigurationError, InvalidInput, LedgerUnavailable, NotFound
from flowkeep.local_engine.postgres import PostgresServer
from flowkeep.settings import DatabaseSettings, Settings
from flowkeep.statestore import Store, connect, migrate
from flowkeep.statestore.engine import parse_url
from tests.statestore.conftest import settings_for
from tests.statestore.records import TENANT, new_id, new_run


def password(url: str, other: str) -> str:
    return parse_url(url).set(password=other).render_as_string(hide_password=False)


def database(url: str, other: str) -> str:
    return parse_url(url).set(database=other).render_as_string(hide_password=False)


def host(url: str, other: str, port: int) -> str:
    return parse_url(url).set(host=other, port=port).render_as_string(hide_password=False)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda url: password(url, "canary-7f3"), ConfigurationError, "refuses the login"),
        (lambda url: database(url, "nowhere"), ConfigurationError, "database is missing"),
        (lambda url: host(url, "127.0.0.1", 9), LedgerUnavailable, "cannot be reached"),
        (lambda url: host(url, "no.such.invalid", 5432), LedgerUnavailable, "no.such.invalid"),
        (lambda _: "mysql://u:canary-7f3@h/d", ConfigurationError, "'mysql'"),
        (lambda _: "postgresql://u:canary-7f3@h:port/d", ConfigurationError, "cannot be read"),
        (lambda _: "canary-7f3", ConfigurationError, "cannot be read"),
    ],
)
async def test_each_way_to_miss_the_ledger_has_its_error(
    ledger_url: str, change: Callable[[str], str], kind: type[Exception], words: str
) -> None:
    """Wrong set-up is told apart from an absent server, and no message shows the password."""
    with pytest.raises(kind, match=words) as caught:
        await connect(settings=settings_for(change(ledger_url)))
    assert "canary-7f3" not in str(caught.value)
    secret = parse_url(ledger_url).password
    assert secret is not None
    assert str(secret) not in str(caught.value)


async def test_no_url_says_where_to_put_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """Without any configuration the error names the variable."""
    monkeypatch.chdir(str(tmp_path))
    with pytest.raises(ConfigurationError, match="FLOWKEEP_DATABASE_URL"):
        await connect()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
async def test_common_schemes_are_accepted(ledger_url: str, scheme: str) -> None:
    """Every common spelling of the scheme connects."""
    url = f"{scheme}://{ledger_url.partition('://')[2]}"
    async with await connect(url, settings=Settings()):
        pass


async def test_a_lazy_store_connects_when_first_used(ledger_url: str) -> None:
    """Making a lazy store needs no server; its first call does."""
    away = Store.lazy(settings_for("postgresql://u:p@127.0.0.1:9/d"))
    with pytest.raises(LedgerUnavailable):
        await away.runs.get(TENANT, new_id())
    async with Store.lazy(settings_for(ledger_url)) as store:
        with pytest.raises(NotFound):
            await store.runs.get(TENANT, new_id())


async def test_a_store_works_in_several_event_loops(ledger_url: str) -> None:
    """Each event loop gets a pool of its own."""
    store = Store.lazy(settings_for(ledger_url))
    run = await store.runs.create(TENANT, new_run())

    async def elsewhere() -> str:
        found = await store.runs.get(TENANT, run.id)
        await store.close()
        return found.workflow_id

    assert await asyncio.to_thread(asyncio.run, elsewhere()) == run.workflow_id
    assert (await store.runs.get(TENANT, run.id)).id == run.id
    await store.close()


async def test_an_engine_of_the_callers_own(ledger_url: str) -> None:
    """A given engine is used and left open."""
    engine = create_async_engine(parse_url(ledger_url))
    async with await connect(engine=engine, settings=Settings()) as store:
        run = await store.runs.create(TENANT, new_run())
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT id FROM flowkeep.run"))
        assert found.scalar_one() == run.id
    await engine.dispose()


async def test_a_full_pool_is_named(ledger_url: str) -> None:
    """When every connection is in use for too long, the error says which setting to raise."""
    settings = settings_for(ledger_url, pool_size=1)
    quick = settings.database.model_copy(update={"statement_timeout_seconds": 0.2})
    async with await connect(settings=Settings(database=quick)) as store, store.transaction():
        with pytest.raises(LedgerUnavailable, match="FLOWKEEP_DATABASE_POOL_SIZE"):
            await store.runs.get(TENANT, new_id())


async def test_too_many_clients_is_temporary(ledger_url: str) -> None:
    """A server that has no connection left is away, not wrongly configured."""
    async with await psycopg.AsyncConnection.connect(ledger_url, autocommit=True) as connection:
        name = parse_url(ledger_url).database
        await connection.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT 0')
        await connection.execute("CREATE ROLE visitor LOGIN PASSWORD 'visitor'")
        try:
            url = parse_url(ledger_url).set(username="visitor", password="visitor")
            text_url = url.render_as_string(hide_password=False)
            with pytest.raises(LedgerUnavailable):
                await connect(settings=settings_for(text_url))
        finally:
            await connection.execute("DROP ROLE visitor")


async def test_a_slow_statement_is_ended(ledger_url: str) -> None:
    """The statement timeout of the settings holds, and counts as away."""
    database = DatabaseSettings.model_validate(
        {"url": ledger_url, "statement_timeout_seconds": 0.2}
    )
    async with await connect(settings=Settings(database=database)) as store:
        with pytest.raises(LedgerUnavailable, match="statement timeout"):
            async with store.transaction() as tx:
                await tx.connection.execute(text("SELECT pg_sleep(10)"))


async def test_connections_closed_by_the_server_are_replaced(store: Store) -> None:
    """When the server ends idle sessions, the next calls succeed without an error."""
    run = await store.runs.create(TENANT, new_run())
    await asyncio.gather(*(store.runs.get(TENANT, run.id) for _ in range(8)))
    async with store.transaction() as tx:
        await tx.connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    for found in await asyncio.gather(*(store.runs.get(TENANT, run.id) for _ in range(8))):
        assert found.id == run.id


async def test_a_connection_lost_in_a_transaction_is_told(store: Store) -> None:
    """A transaction whose connection dies fails as unavailable; the store goes on."""

    async def interrupted() -> None:
        async with store.transaction() as tx:
            await tx.runs.create(TENANT, new_run(workflow_id="lost"))
            await tx.connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(LedgerUnavailable):
        await interrupted()
    assert not (await store.runs.find_by_workflow_id(TENANT, "lost")).data
    await store.runs.create(TENANT, new_run())


async def test_cancelled_calls_leave_the_pool_whole(store: Store) -> None:
    """Calls cancelled in the middle undo their work and give their connections back."""

    async def slow() -> None:
        async with store.transaction() as tx:
            await tx.state.save_state(TENANT, "cancelled", {"n": 1})
            reached.release()
            await tx.connection.execute(text("SELECT pg_sleep(60)"))

    reached = asyncio.Semaphore(0)
    for _ in range(2):
        calls = [asyncio.create_task(slow())]
        await reached.acquire()
        calls += [asyncio.create_task(slow()) for _ in range(3)]
        for call in calls:
            call.cancel()
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(error, asyncio.CancelledError) for error in found)
    with pytest.raises(NotFound):
        await store.state.get_state(TENANT, "cancelled")
    await asyncio.gather(*(store.state.save_state(TENANT, f"k{n}", {}) for n in range(8)))


@pytest.mark.slow
async def test_the_pool_survives_a_killed_server(tmp_path_factory: pytest.TempPathFactory) -> None:
    """After kill -9 and restart of PostgreSQL, calls succeed again on the same store."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "logs").mkdir()
    server = PostgresServer(folder)
    await server.start()
    try:
        await migrate.upgrade(server.url())
        async with await connect(settings=settings_for(server.url())) as store:
            run = await store.runs.create(TENANT, new_run())
            await asyncio.gather(*(store.runs.get(TENANT, run.id) for _ in range(8)))
            server.kill()
            await server.wait()
            with pytest.raises(LedgerUnavailable):
                await store.runs.get(TENANT, run.id)
            await server.restart()
            for found in await asyncio.gather(*(store.runs.get(TENANT, run.id) for _ in range(8))):
                assert found.id == run.id
    finally:
        await server.stop()


async def test_values_that_cannot_be_stored_are_the_callers_error(store: Store) -> None:
    """A value too long for an index is InvalidInput, not a failure of the server."""
    with pytest.raises(InvalidInput):
        await store.state.save_state(TENANT, "k" * 2000, {})
