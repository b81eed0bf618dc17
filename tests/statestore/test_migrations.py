"""Migrations: complete, safe to run together, and honest about where a ledger stands."""

import asyncio
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.schema import CreateSchema

from flowkeep.errors import ConfigurationError
from flowkeep.settings import DatabaseSettings
from flowkeep.statestore import connect, migrate
from flowkeep.statestore.engine import build_engine
from flowkeep.statestore.tables import metadata
from tests.statestore.conftest import settings_for

CATALOGUE = """
SELECT 'column', c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod)
       || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END || ' ' || a.attidentity::text
       || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = to_regnamespace(:schema) AND c.relkind = 'r' AND a.attnum > 0
UNION ALL
SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = to_regnamespace(:schema) AND contype <> 'n'
UNION ALL
SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = :schema
UNION ALL
SELECT 'storage', relname, coalesce(array_to_string(reloptions, ','), '') FROM pg_class
WHERE relnamespace = to_regnamespace(:schema) AND relkind = 'r'
ORDER BY 1, 2, 3
"""


async def catalogue(url: str, schema: str) -> list[tuple[Any, ...]]:
    """Return everything PostgreSQL knows of a schema, without the schema's name."""
    engine = build_engine(url, DatabaseSettings(), pooled=False)
    async with engine.connect() as connection:
        rows = (await connection.execute(text(CATALOGUE), {"schema": schema})).all()
    await engine.dispose()
    return [
        tuple(str(value).replace(f"{schema}.", "") for value in row)
        for row in rows
        if "alembic_version" not in str(row)
    ]


async def test_migrations_equal_the_table_definitions(ledger_url: str) -> None:
    """The migrated schema has the columns, constraints and indexes of the definitions."""
    engine = build_engine(ledger_url, DatabaseSettings(), pooled=False, search_path="defined")
    async with engine.begin() as connection:
        await connection.execute(CreateSchema("defined"))
        await connection.run_sync(metadata.create_all)
    await engine.dispose()
    migrated = await catalogue(ledger_url, "flowkeep")
    assert len(migrated) > 100
    assert migrated == await catalogue(ledger_url, "defined")


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
    assert await catalogue(database_url, "ledger_a") == await catalogue(database_url, "ledger_b")


async def test_missing_tables_are_named(database_url: str) -> None:
    """A database without tables says which migration is wanted and which command makes it."""
    with pytest.raises(ConfigurationError, match=r"no tables; migration 0003.*flowkeep db upgrade"):
        await migrate.check(database_url)
    with pytest.raises(ConfigurationError, match="flowkeep db upgrade"):
        await connect(settings=settings_for(database_url))


async def test_another_migration_is_named(ledger_url: str) -> None:
    """A ledger at another migration says what was found and what is wanted."""
    async with await psycopg.AsyncConnection.connect(ledger_url, autocommit=True) as connection:
        await connection.execute("UPDATE flowkeep.alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigurationError, match="at migration 9999; migration 0003 is wanted"):
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
