"""Fill a migrated ledger by COPY: indexes and keys first away, then built over the rows."""

import io
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl
import psycopg
from psycopg import sql

from benchmarks._ledger_rows import Population
from benchmarks._support import say
from flowkeep.statestore.tables import run

SCHEMA = "flowkeep"
STREAMS = [["run"], ["task"], ["run_label", "run_event", "run_segment", "state_entry"]]
"""Tables, as they are copied side by side."""
TABLES = [table for stream in STREAMS for table in stream]
BUILDERS = 2
"""Indexes that are built side by side: one per core of a small machine."""
_BUILD = {"maintenance_work_mem": "1GB", "max_parallel_maintenance_workers": "0"}

# Keys that other tables hold on these are put off, too.
_CONSTRAINTS = """
SELECT c.conrelid::regclass::text, c.conname, pg_get_constraintdef(c.oid)
FROM pg_constraint AS c
WHERE c.contype IN ('f', 'p', 'u')
  AND (c.conrelid = ANY(%(tables)s::regclass[]) OR c.confrelid = ANY(%(tables)s::regclass[]))
ORDER BY c.contype = 'f', c.conname
"""
_INDEXES = """
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
FROM pg_index AS i
WHERE i.indrelid = ANY(%(tables)s::regclass[])
  AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = i.indexrelid)
ORDER BY 1
"""


@dataclass(frozen=True)
class Filled:
    """How a fill went.

    Attributes:
        copy_seconds: Until all rows were in.
        index_seconds: Until keys, indexes and statistics of the planner were there.
    """

    copy_seconds: float
    index_seconds: float


def fill(url: str, population: Population) -> Filled:
    """Fill an empty ledger at the newest migration.

    Args:
        url: Of the database.
        population: The rows.

    Raises:
        psycopg.Error: If the server refuses; the ledger is of no use then.
    """
    began = time.monotonic()
    with _connection(url) as connection, connection.transaction():
        later = _put_off(connection)
    with ThreadPoolExecutor(len(STREAMS)) as pool:
        _all(pool, _copy, [(url, population, stream) for stream in STREAMS])
    copied = time.monotonic()
    with ThreadPoolExecutor(BUILDERS) as pool:
        for statements in later:
            _all(pool, _run, [(url, statement) for statement in statements])
    with _connection(url) as connection:
        connection.execute("ANALYZE")
        connection.execute("CHECKPOINT")
    return Filled(copied - began, time.monotonic() - copied)


def _connection(url: str) -> psycopg.Connection:
    connection = psycopg.connect(url, autocommit=True)
    connection.execute(f"SET search_path = {SCHEMA}")
    for name, value in _BUILD.items():
        connection.execute(f"SET {name} = '{value}'")
    return connection


def _all(pool: ThreadPoolExecutor, what: Callable[..., None], calls: list[tuple[Any, ...]]) -> None:
    for done in [pool.submit(what, *arguments) for arguments in calls]:
        done.result()


def _run(url: str, statement: str) -> None:
    began = time.monotonic()
    with _connection(url) as connection:
        connection.execute(statement)
    if (took := time.monotonic() - began) > 5:
        say(f"  {took:.0f} s: {statement[:80]}")


def _put_off(connection: psycopg.Connection) -> list[list[str]]:
    """Drop keys and indexes; return the statements that bring them back, in groups by order."""
    tables = {"tables": TABLES}
    constraints = connection.execute(_CONSTRAINTS, tables).fetchall()
    indexes = connection.execute(_INDEXES, tables).fetchall()
    for table, name, _ in reversed(constraints):
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    keys: list[str] = []
    foreign: list[str] = []
    for table, name, definition in constraints:
        group = foreign if definition.startswith("FOREIGN") else keys
        group.append(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    return [keys, [definition for _, definition in indexes], foreign]


def _copy(url: str, population: Population, tables: list[str]) -> None:
    """Copy the rows of some tables in one transaction.

    What is copied into a table truncated in the same transaction is not logged (`wal_level` is
    minimal), and is frozen at once.
    """
    done = 0
    with _connection(url) as connection, connection.transaction():
        connection.execute(f"TRUNCATE {', '.join(tables)}")
        for number, chunk in enumerate(population.chunks(), 1):
            for table, frame in chunk.tables(tables):
                done += len(frame)
                statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, FREEZE)").format(
                    sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, frame.columns))
                )
                with connection.cursor().copy(statement) as copy:
                    copy.write(_csv(frame))
            if number % 10 == 0:
                say(f"  {done:,} rows of {', '.join(tables)}")


def _csv(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_csv(buffer, include_header=False)
    return buffer.getvalue()


_FRESH = timedelta(hours=4)
_LATELY = """
WITH fresh AS (
    INSERT INTO run (id, workflow_id, created_at, started_at, finished_at, updated_at, {others})
    SELECT id, id::text, created_at, started_at + by, finished_at + by, updated_at + by, {others}
    FROM (
        SELECT uuidv7(created_at + by - now()) AS id, created_at + by AS created_at, started_at,
            finished_at, updated_at, by, {others}
        FROM run, (SELECT now() - %(until)s::timestamptz AS by)
        WHERE created_at >= %(until)s::timestamptz - %(fresh)s::interval AND created_at < %(until)s
    )
    RETURNING id, tenant_id, labels, created_at
)
INSERT INTO run_label (tenant_id, key, value, created_at, run_id)
SELECT tenant_id, key, value, created_at, id FROM fresh, jsonb_each_text(labels)
"""


def repeat_lately(url: str, population: Population) -> None:
    """Let the last four hours of the rows be the last four hours of the clock, too.

    Counts of the last minutes read by the clock, and a filled ledger is older than that.

    Args:
        url: Of the database.
        population: Its rows.
    """
    moved = {"id", "workflow_id", "created_at", "started_at", "finished_at", "updated_at"}
    others = sql.SQL(", ").join(
        sql.Identifier(column.name) for column in run.c if column.name not in moved
    )
    with _connection(url) as connection:
        connection.execute(
            sql.SQL(_LATELY).format(others=others), {"until": population.until, "fresh": _FRESH}
        )
