"""Upgrades of a filled ledger beside its readers and writers, interrupted and not."""

import asyncio
import sys
from time import monotonic
from typing import Any, Self

import psycopg
import pytest
from sqlalchemy import text

from flowkeep.errors import ConfigurationError
from flowkeep.settings import DatabaseSettings
from flowkeep.statestore import connect, migrate
from flowkeep.statestore.engine import build_engine
from tests.statestore.conftest import settings_for
from tests.support import eventually

LONGEST_SECONDS = 2.0
"""No statement of others may take longer while the ledger is upgraded."""

RUN = """
INSERT INTO flowkeep.run (id, tenant_id, namespace, workflow_id, workflow_type, task_queue,
    start_options, kind, labels, triggered_from, status, state, source, created_at, updated_at)
SELECT gen_random_uuid(), 't' || n %% 3, 'default', gen_random_uuid()::text, 'Extract', 'q', '{}',
    'run', jsonb_build_object('team', 'x' || n %% 10, 'n', n::text), 'cli', 'succeeded', '{}', 3,
    now() - n * interval '1 second', now() - n * interval '1 second'
FROM generate_series(1, %s) AS n
"""
EVENT = """
INSERT INTO flowkeep.run_event (run_id, tenant_id, kind, payload, revision, at)
SELECT id, tenant_id, 'noted', '{}', 0, now() FROM flowkeep.run LIMIT 1
"""
LIST = """
SELECT id, status FROM flowkeep.run WHERE tenant_id = 't1' AND kind = 'run'
ORDER BY created_at DESC, id DESC LIMIT 20
"""
MISSING = """
SELECT count(*) FROM flowkeep.run AS r CROSS JOIN jsonb_each_text(r.labels) AS l
WHERE NOT EXISTS (SELECT FROM flowkeep.run_label AS m WHERE m.tenant_id = r.tenant_id
    AND m.key = l.key AND m.value = l.value AND m.run_id = r.id AND m.created_at = r.created_at)
"""
INVALID = """
SELECT count(*) FROM pg_index WHERE NOT indisvalid
"""
END_BUILDS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE query LIKE '%CREATE INDEX%' AND pid <> pg_backend_pid() AND datname = current_database()
"""
PROGRAM = """
import asyncio, sys
from flowkeep.statestore import migrate
asyncio.run(migrate.upgrade(sys.argv[1]))
"""


async def old_ledger(url: str, runs: int) -> None:
    """Make a ledger as the first migration left it, with labelled runs."""
    engine = build_engine(url, DatabaseSettings(), pooled=False, search_path="flowkeep")
    async with engine.connect() as connection:
        await connection.execute(text("CREATE SCHEMA flowkeep"))
        await connection.commit()
        await connection.run_sync(migrate._migrate, "flowkeep", None, "0001")
        await connection.commit()
    await engine.dispose()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(RUN, [runs])
    assert await migrate.current(url) == "0001"


async def scalar(url: str, statement: str) -> Any:
    """Return the one value of a query."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        row = await (await connection.execute(statement)).fetchone()
        assert row is not None
        return row[0]


class Others:
    """Processes of the version before that go on meanwhile: each statement is timed.

    Args:
        url: The ledger.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.longest: dict[str, float] = {}
        self.done: dict[str, int] = {}
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def _repeat(self, name: str, statement: str, values: list[Any] | None) -> None:
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            while not self._stop.is_set():
                begin = monotonic()
                await connection.execute(statement, values)
                took = monotonic() - begin
                self.longest[name] = max(self.longest.get(name, 0), took)
                self.done[name] = self.done.get(name, 0) + 1

    async def __aenter__(self) -> Self:
        for name, statement, values in [
            ("writes", RUN, [2]),
            ("events", EVENT, None),
            ("lists", LIST, None),
        ]:
            self._tasks.append(asyncio.create_task(self._repeat(name, statement, values)))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)


async def test_an_upgrade_is_not_noticed(database_url: str) -> None:
    """While 20,000 runs are upgraded by two at once, no statement of others waits for long."""
    await old_ledger(database_url, 20_000)
    told: list[str] = []
    async with Others(database_url) as others:
        await asyncio.gather(
            migrate.upgrade(database_url, on_progress=told.append),
            migrate.upgrade(database_url, on_progress=told.append),
        )
    assert others.longest.keys() == {"writes", "events", "lists"}
    assert max(others.longest.values()) < LONGEST_SECONDS, others.longest
    assert min(others.done.values()) > 10, others.done
    assert any("run_by_rest_ix" in line for line in told)
    # What the old processes wrote at the very end is completed by the next call.
    await migrate.upgrade(database_url)
    assert await scalar(database_url, MISSING) == 0
    assert await scalar(database_url, "SELECT count(*) FROM flowkeep.run_label") > 40_000


async def test_an_interrupted_upgrade_is_finished(database_url: str) -> None:
    """A process killed while it builds an index leaves an invalid one; the next call is through."""
    await old_ledger(database_url, 1000)
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        # An open snapshot holds every concurrent build back.
        await holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await holder.execute("SELECT 1")
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, database_url)

        async def invalid() -> None:
            assert await scalar(database_url, INVALID)

        await eventually(invalid, timeout=60)
        process.kill()
        await process.wait()

        async def gone() -> None:
            # The server would notice only when it next writes to the killed client.
            assert not await scalar(database_url, END_BUILDS)

        await eventually(gone, timeout=60)
        await holder.rollback()
    assert await migrate.current(database_url) == "0002"
    assert await scalar(database_url, INVALID) == 1
    with pytest.raises(ConfigurationError, match="flowkeep db upgrade"):
        await connect(settings=settings_for(database_url))
    assert await migrate.upgrade(database_url) == migrate.head()
    assert await scalar(database_url, INVALID) == 0
    assert await scalar(database_url, MISSING) == 0
    assert await migrate.differences(database_url) == []


async def test_limits_of_the_login_do_not_stop_an_upgrade(database_url: str) -> None:
    """Statements and sessions that the login limits to a moment do not end a migration."""
    await old_ledger(database_url, 30_000)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        name = connection.info.dbname
        for limit in ("statement_timeout = '200ms'", "idle_session_timeout = '1s'"):
            await connection.execute(f'ALTER DATABASE "{name}" SET {limit}')  # type: ignore[arg-type]
    assert await migrate.upgrade(database_url) == migrate.head()


async def test_a_lock_that_is_held_is_waited_for(database_url: str) -> None:
    """A transaction that holds a table does not fail the upgrade, nor do readers queue behind."""
    await old_ledger(database_url, 100)
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await holder.execute("SELECT * FROM flowkeep.run_event, flowkeep.secret")
        upgrading = asyncio.create_task(migrate.upgrade(database_url))

        async def waits() -> None:
            assert await scalar(
                database_url,
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND query LIKE 'ALTER TABLE%' AND datname = current_database()",
            )

        await eventually(waits, timeout=60)
        begin = monotonic()
        await scalar(database_url, "SELECT count(*) FROM flowkeep.run_event")
        assert monotonic() - begin < LONGEST_SECONDS
        assert not upgrading.done()
        await holder.rollback()
    assert await upgrading == migrate.head()
