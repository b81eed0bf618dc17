"""Fill a migrated ledger by COPY: indexes and keys first away, then built over the rows."""

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import polars as pl
import psycopg
from psycopg import sql

from benchmarks._ledger_rows import APPS, DEFINITIONS, TENANTS, Population, definition_id
from benchmarks._support import say

SCHEMA = "flowkeep"
TABLES = ["run", "run_label", "task", "run_event", "run_segment", "state_entry"]
BUILD = {"maintenance_work_mem": "1GB", "max_parallel_maintenance_workers": "2"}

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
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"SET search_path = {SCHEMA}")
        for name, value in BUILD.items():
            connection.execute(f"SET {name} = '{value}'")
        with connection.transaction():
            later = list(_put_off(connection))
            # Rows that are copied into a table truncated in the same transaction are not logged
            # (wal_level = minimal), and can be frozen at once.
            connection.execute(f"TRUNCATE {', '.join(TABLES)}")
            _copy(connection, population)
            _write_definitions(connection, population)
        copied = time.monotonic()
        for number, statement in enumerate(later, 1):
            say(f"  {number} of {len(later)}: {statement[:100]}")
            connection.execute(statement)
        connection.execute("ANALYZE")
        connection.execute("CHECKPOINT")
    return Filled(copied - began, time.monotonic() - copied)


def _put_off(connection: psycopg.Connection) -> Iterator[str]:
    """Drop keys and indexes; yield the statements that bring them back, in their order."""
    tables = {"tables": TABLES}
    constraints = connection.execute(_CONSTRAINTS, tables).fetchall()
    indexes = connection.execute(_INDEXES, tables).fetchall()
    for table, name, _ in reversed(constraints):
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    yield from (
        f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"
        for table, name, definition in constraints
        if not definition.startswith("FOREIGN")
    )
    yield from (definition for _, definition in indexes)
    yield from (
        f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"
        for table, name, definition in constraints
        if definition.startswith("FOREIGN")
    )


def _copy(connection: psycopg.Connection, population: Population) -> None:
    """Copy chunk by chunk; the next chunk is made while one is sent."""

    def prepared() -> Iterator[tuple[int, list[tuple[str, list[str], bytes]]]]:
        for number, chunk in enumerate(population.chunks(), 1):
            yield number, [(t, frame.columns, _csv(frame)) for t, frame in chunk.tables()]

    chunks = prepared()
    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(next, chunks, None)
        while (ready := coming.result()) is not None:
            coming = ahead.submit(next, chunks, None)
            number, tables = ready
            for table, columns, data in tables:
                statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, FREEZE)").format(
                    sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
                )
                with connection.cursor().copy(statement) as copy:
                    copy.write(data)
            if number % 10 == 0:
                say(f"  {min(number * 100_000, population.runs):,} runs copied")


def _csv(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_csv(buffer, include_header=False)
    return buffer.getvalue()


_DEFINITION = """
INSERT INTO definition (id, tenant_id, app_id, ref, slug, name, version_revision, param_schema,
    out_schema, tags, visibility, created_at, updated_at)
VALUES (%(id)s, %(tenant)s, %(app)s, %(name)s, %(name)s, %(name)s, 0, '{}', '{}', '{nightly}',
    'tenant', %(at)s, %(at)s)
"""
_DEFINITION_VERSION = """
INSERT INTO definition_version (definition_id, revision, tenant_id, spec, param_schema, out_schema,
    created_at)
VALUES (%(id)s, 0, %(tenant)s, '{}', '{}', '{}', %(at)s)
"""
_COMPONENTS = """
INSERT INTO definition_component (definition_id, position, tenant_id, module, step)
SELECT %(id)s, n, %(tenant)s, 'module-' || (%(number)s + n / 2) %% 10, 'step-' || n %% 4
FROM generate_series(0, 5) AS n
"""
_COUNTS = """
UPDATE definition SET execution_count = c.runs, last_executed_at = c.last
FROM (
    SELECT definition_id, count(*) AS runs, max(created_at) AS last FROM run GROUP BY 1
) AS c
WHERE id = c.definition_id
"""


def _write_definitions(connection: psycopg.Connection, population: Population) -> None:
    """Write apps and the definitions that runs name, each with a version and six components."""
    apps, definitions, at = list(APPS), [], population.since
    for number, tenant in enumerate(TENANTS):
        definitions += [
            {
                "id": definition_id(number, n),
                "number": n,
                "tenant": tenant,
                "app": apps[n % len(apps)],
                "name": f"definition-{n:02}",
                "at": at,
            }
            for n in range(DEFINITIONS)
        ]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO app VALUES (%s, %s, %s, %s, null, %s, %s)",
            [(tenant, app, app, app, at, at) for tenant in TENANTS for app in apps],
        )
        for statement in (_DEFINITION, _DEFINITION_VERSION, _COMPONENTS):
            cursor.executemany(statement, definitions)
        cursor.execute(_COUNTS)
