"""Migrations: complete, safe to run together, and honest about where a ledger stands."""

import asyncio
import re

import psycopg
import pytest

from flowkeep.errors import ConfigurationError
from flowkeep.statestore import connect, migrate
from tests.statestore.conftest import settings_for

DRIFTS = [
    ("DROP INDEX flowkeep.run_by_owner_ix", "index run_by_owner_ix is missing"),
    ("CREATE INDEX mine ON flowkeep.run (origin)", "index mine is not among the definitions"),
    ("ALTER TABLE flowkeep.run DROP COLUMN goal", "column run.goal is missing: text"),
    ("ALTER TABLE flowkeep.run ADD COLUMN mine int", "column run.mine is not among"),
    (
        "ALTER TABLE flowkeep.run ALTER COLUMN start_attempts TYPE bigint",
        "column run.start_attempts is bigint .*; it should be integer",
    ),
    ("ALTER TABLE flowkeep.run DROP CONSTRAINT run_status_ck", "constraint run_status_ck is miss"),
    ("ALTER TABLE flowkeep.run RESET (fillfactor)", "storage run is default; it should be fill"),
    (
        "UPDATE pg_index SET indisvalid = false"
        " WHERE indexrelid = 'flowkeep.run_by_type_ix'::regclass",
        "index run_by_type_ix is .* INVALID",
    ),
]


async def test_migrations_equal_the_table_definitions(ledger_url: str) -> None:
    """The migrated schema has the columns, constraints and indexes of the definitions."""
    assert await migrate.differences(ledger_url) == []


async def test_every_difference_is_named(ledger_url: str) -> None:
    """What is missing, changed, invalid or extra is told by name; reading it changes nothing."""
    async with await psycopg.AsyncConnection.connect(ledger_url, autocommit=True) as connection:
        for statement, _ in DRIFTS:
            await connection.execute(statement)  # type: ignore[arg-type]
    found = await migrate.differences(ledger_url)
    for _, line in DRIFTS:
        assert any(re.match(line, told) for told in found), (line, found)
    assert await migrate.differences(ledger_url) == found


async def test_the_noted_head_is_the_newest_migration() -> None:
    """The constant that connections are checked against is Alembic's own head."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(migrate._config({}))
    assert scripts.get_heads() == [migrate.head()]


async def test_upgrade_runs_concurrently_and_repeatedly(database_url: str) -> None:
    """Many processes may upgrade one empty database at once, and again later."""
    assert await migrate.current(database_url) is None
    found = await asyncio.gather(*(migrate.upgrade(database_url) for _ in range(5)))
    assert set(found) == {migrate.head()}
    assert await migrate.upgrade(database_url) == migrate.head()
    assert await migrate.current(database_url) == migrate.head()
    await migrate.check(database_url)


async def test_two_ledgers_share_a_database(database_url: str) -> None:
    """Each schema is a ledger of its own."""
    await migrate.upgrade(database_url, "ledger_a")
    assert await migrate.current(database_url, "ledger_b") is None
    await migrate.upgrade(database_url, "ledger_b")
    for schema in ("ledger_a", "ledger_b"):
        assert await migrate.differences(database_url, schema) == []


async def test_missing_tables_are_named(database_url: str) -> None:
    """A database without tables says which migration is wanted and which command makes it."""
    with pytest.raises(ConfigurationError, match=r"no tables; migration 0014.*flowkeep db upgrade"):
        await migrate.check(database_url)
    with pytest.raises(ConfigurationError, match="flowkeep db upgrade"):
        await connect(settings=settings_for(database_url))


async def test_another_migration_is_named(ledger_url: str) -> None:
    """A ledger at another migration says what was found and what is wanted."""
    async with await psycopg.AsyncConnection.connect(ledger_url, autocommit=True) as connection:
        await connection.execute("UPDATE flowkeep.alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigurationError, match="at migration 9999; migration 0014 is wanted"):
        await connect(settings=settings_for(ledger_url))
    with pytest.raises(ConfigurationError, match="9999, which this version does not know"):
        await migrate.upgrade(ledger_url)


async def test_a_missing_table_is_a_matter_of_configuration(ledger_url: str) -> None:
    """Without the check, a statement on a missing table still tells the way out."""
    async with await psycopg.AsyncConnection.connect(ledger_url, autocommit=True) as connection:
        await connection.execute("DROP TABLE flowkeep.state_entry")
    async with await connect(settings=settings_for(ledger_url)) as store:
        with pytest.raises(ConfigurationError, match="flowkeep db upgrade"):
            await store.state.get_state("acme", "x")


@pytest.mark.parametrize("name", ['a"b', "Up", "", "x" * 64])
async def test_schema_names_are_checked(database_url: str, name: str) -> None:
    """A schema name that would need quoting is refused before anything is sent."""
    with pytest.raises(ConfigurationError, match="schema"):
        await migrate.upgrade(database_url, name)
