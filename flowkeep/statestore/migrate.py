"""Bring a ledger to the newest migration, and tell where it stands."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, column, select, table, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from flowkeep.errors import ConfigurationError
from flowkeep.settings import DatabaseSettings
from flowkeep.statestore.engine import build_engine, describe, parse_url
from flowkeep.statestore.migrations import HEAD
from flowkeep.statestore.translation import translated

_LOCK_POLL_SECONDS = 0.1


def head() -> str:
    """Return the newest migration this version knows."""
    return HEAD


async def upgrade(
    url: str,
    schema_name: str = "flowkeep",
    *,
    on_progress: Callable[[str], None] | None = None,
) -> str:
    """Run every migration that is missing; safe to call from many processes at once.

    Readers and writers go on meanwhile. An upgrade that was interrupted is finished by the next.
    Calling it once more after the last process of the version before has ended completes what
    that one wrote without knowing of newer tables.

    Args:
        url: postgresql:// URL of the ledger.
        schema_name: PostgreSQL schema of the tables; created when missing.
        on_progress: Called with a line before each step that may take long.

    Returns:
        The migration the ledger stands at now.

    Raises:
        ConfigurationError: If the login, the database or a right is wrong, or if the ledger was
            migrated by a newer version.
        LedgerUnavailable: If the server cannot be reached or a lock is not granted in time.
    """
    async with _engine(url, schema_name) as engine, engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        async with _exclusive(connection, schema_name):
            await connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema_name}"'))
            found = await _read(connection, schema_name)
            if found is not None:
                await asyncio.to_thread(_refuse_newer, found)
            if found != HEAD:
                async with engine.connect() as worker:
                    await worker.run_sync(_migrate, schema_name, on_progress)
                    await worker.commit()
            else:
                await _complete(connection)
    return HEAD


async def current(url: str, schema_name: str = "flowkeep") -> str | None:
    """Return the migration a ledger stands at, or None where it has no tables yet.

    Raises:
        ConfigurationError: If the login or the database is wrong.
        LedgerUnavailable: If the server cannot be reached.
    """
    async with _engine(url, schema_name) as engine, engine.connect() as connection:
        return await _read(connection, schema_name)


async def check(url: str, schema_name: str = "flowkeep") -> None:
    """Make sure that a ledger stands at the newest migration.

    Raises:
        ConfigurationError: If it does not; names both migrations and the command.
        LedgerUnavailable: If the server cannot be reached.
    """
    require_head(await current(url, schema_name), schema_name, describe(parse_url(url)))


async def differences(url: str, schema_name: str = "flowkeep") -> list[str]:
    """Return how the tables of a ledger at the newest migration differ from the definitions.

    Args:
        url: postgresql:// URL of the ledger, of a user who may create schemas.
        schema_name: PostgreSQL schema of the tables.

    Returns:
        A line for each thing that is missing, changed or there beside them; empty when all fits.

    Raises:
        ConfigurationError: If the ledger is at another migration, or a right is missing.
        LedgerUnavailable: If the server cannot be reached.
    """
    from flowkeep.statestore import drift

    await check(url, schema_name)
    async with _engine(url, schema_name) as engine, engine.connect() as connection:
        return await drift.differences(connection, schema_name)


async def check_connection(connection: AsyncConnection, schema_name: str, where: str) -> None:
    """Like `check`, on an open connection."""
    require_head(await _read(connection, schema_name), schema_name, where)


def require_head(found: str | None, schema_name: str, where: str) -> None:
    """Raise ConfigurationError unless `found` is the newest migration."""
    if found == HEAD:
        return
    place = f"the ledger at {where}, schema {schema_name!r},"
    if found is None:
        raise ConfigurationError(
            f"{place} has no tables; migration {HEAD} is wanted", hint="run `flowkeep db upgrade`"
        )
    raise ConfigurationError(
        f"{place} is at migration {found}; migration {HEAD} is wanted",
        hint="run `flowkeep db upgrade`; if the ledger is newer, upgrade this flowkeep",
    )


@asynccontextmanager
async def _engine(url: str, schema_name: str) -> AsyncIterator[AsyncEngine]:
    try:
        settings = DatabaseSettings(schema_name=schema_name)
    except ValidationError:
        raise ConfigurationError(
            f"schema name {schema_name[:80]!r} cannot be used",
            hint="use lower-case letters, digits and underscores, at most 63",
        ) from None
    engine = build_engine(url, settings, pooled=False, search_path=schema_name)
    try:
        with translated(describe(engine.url)):
            yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def _exclusive(connection: AsyncConnection, schema_name: str) -> AsyncIterator[None]:
    """Hold the migration lock of one schema; the server frees it when the session ends.

    Polled, because a session that waits inside `pg_advisory_lock` holds a snapshot, for which
    CREATE INDEX CONCURRENTLY of the lock's owner would wait in turn.
    """
    # The owner's session rests while another one builds indexes, for hours if need be.
    await connection.execute(text("SET idle_session_timeout = 0"))
    await connection.execute(text("SET statement_timeout = 0"))
    key = {"key": f"flowkeep.migrate.{schema_name}"}
    lock = text("SELECT pg_try_advisory_lock(hashtextextended(:key, 0))")
    while not (await connection.execute(lock, key)).scalar_one():  # noqa: ASYNC110 - see above
        await asyncio.sleep(_LOCK_POLL_SECONDS)
    try:
        yield
    finally:
        await connection.execute(text("SELECT pg_advisory_unlock(hashtextextended(:key, 0))"), key)


async def _read(connection: AsyncConnection, schema_name: str) -> str | None:
    found = await connection.execute(
        text("SELECT to_regclass(:table) IS NOT NULL"),
        {"table": f'"{schema_name}".alembic_version'},
    )
    if not found.scalar_one():
        return None
    version = table("alembic_version", column("version_num"), schema=schema_name)
    rows = await connection.execute(select(version.c.version_num))
    return rows.scalar_one_or_none()


def _config(attributes: dict[str, Any]) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes.update(attributes)
    return config


def _refuse_newer(found: str) -> None:
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    try:
        ScriptDirectory.from_config(_config({})).get_revision(found)
    except CommandError:
        raise ConfigurationError(
            f"the ledger is at migration {found}, which this version does not know",
            hint="a newer flowkeep migrated it: upgrade this installation",
        ) from None


async def _complete(connection: AsyncConnection) -> None:
    from flowkeep.statestore.migrations.labels import RECENT

    await connection.execute(text(RECENT))


def _migrate(
    connection: Connection,
    schema_name: str,
    on_progress: Callable[[str], None] | None = None,
    target: str = "head",
) -> None:
    from alembic import command

    # A migration that cannot get its lock soon gives up instead of queueing every reader behind
    # it; how long building an index takes is nobody's business.
    connection.exec_driver_sql("SET lock_timeout = '2s'")
    connection.exec_driver_sql("SET statement_timeout = 0")
    connection.exec_driver_sql("SET idle_session_timeout = 0")
    connection.commit()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    attributes = {
        "connection": connection,
        "schema_name": schema_name,
        "on_progress": on_progress,
    }
    command.upgrade(_config(attributes), target)
