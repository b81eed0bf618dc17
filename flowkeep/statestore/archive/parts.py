"""The files of a bundle: which rows lie in each, in which columns, and how they are selected."""

# ruff: noqa: S608 - only names of our own tables and columns are put into statements

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Boolean, Column, DateTime, Double, Integer, Table
from sqlalchemy.dialects.postgresql import BYTEA

from flowkeep.statestore.archive.seals import SEAL
from flowkeep.statestore.repositories import arguments
from flowkeep.statestore.tables import (
    payload,
    run,
    run_event,
    run_pause,
    run_segment,
    state_entry,
    task,
)

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST = "manifest.json"
"""The object whose presence makes a bundle whole."""
CHOSEN = "flowkeep_chosen"
"""Temporary table of the runs of the bundle that is being written: (id, family, tenant_id)."""


@dataclass(frozen=True)
class Part:
    """One Parquet file of a bundle.

    Attributes:
        name: File name without its ending.
        table: Table whose rows it holds.
        columns: The table's columns that it holds.
        extra: Further columns: name and SQL type word (`text`, `bigint`, `boolean`).
        select: The rows, as a query on `CHOSEN`; `{schema}` and `{columns}` are put in.
        key: Column by which rows of one run are found.
    """

    name: str
    table: Table
    columns: tuple[str, ...]
    select: str
    extra: tuple[tuple[str, str], ...] = ()
    key: str = "run_id"

    @property
    def file(self) -> str:
        """Name of the object."""
        return f"{self.name}.parquet"

    def statement(self, schema: str) -> str:
        """Return the query of all rows.

        Args:
            schema: The ledger's schema, quoted.
        """
        columns = ", ".join(f'x."{name}"' for name in self.columns)
        return self.select.replace("{columns}", columns).replace("{schema}", schema)

    def arrow(self) -> "dict[str, pa.DataType]":
        """Return the columns and their types, in the order of the query."""
        found = {name: _type(self.table.c[name]) for name in self.columns}
        return found | {name: _extra(kind) for name, kind in self.extra}


def _of_run(table: str) -> str:
    """Return the query of a table's rows by run, in the order of the chosen runs."""
    return (
        f"SELECT {{columns}} FROM {CHOSEN} AS c CROSS JOIN LATERAL"
        f" (SELECT * FROM {{schema}}.{table} AS t WHERE t.run_id = c.id OFFSET 0) AS x"
    )


def _all(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.c)


RUNS = Part(
    "runs",
    run,
    _all(run),
    f"SELECT {{columns}}, c.family, {SEAL.replace('$run', 'x')}"
    f" FROM {CHOSEN} AS c CROSS JOIN LATERAL"
    f" (SELECT * FROM {{schema}}.run AS r WHERE r.id = c.id OFFSET 0) AS x",
    extra=(("family", "text"), ("seal", "bigint")),
    key="id",
)
TASKS = Part("tasks", task, _all(task), _of_run("task"))
EVENTS = Part("events", run_event, _all(run_event), _of_run("run_event"))
SEGMENTS = Part("segments", run_segment, _all(run_segment), _of_run("run_segment"))
PAUSES = Part("pauses", run_pause, _all(run_pause), _of_run("run_pause"))
ARGUMENTS = Part(
    "arguments",
    state_entry,
    ("key", "value", "revision", "created_at", "updated_at"),
    f"""SELECT {{columns}}, EXISTS (
            SELECT FROM {{schema}}.state_entry AS a WHERE a.tenant_id = c.tenant_id
                AND a.kind = 'workflows' AND a.key = r.workflow_id AND a.arguments_of = c.id
        ) FROM {CHOSEN} AS c CROSS JOIN LATERAL (
            SELECT workflow_id FROM {{schema}}.run WHERE id = c.id OFFSET 0
        ) AS r CROSS JOIN LATERAL (
            SELECT * FROM {{schema}}.state_entry AS s WHERE s.tenant_id = c.tenant_id
                AND s.kind = '{arguments.KIND}' AND s.key = c.id::text OFFSET 0
        ) AS x""",
    extra=(("alias", "boolean"),),
    key="key",
)
PAYLOADS = Part(
    "payloads",
    payload,
    ("hash", "size", "encoding", "data", "created_at"),
    f"""SELECT {{columns}} FROM (
            SELECT DISTINCT p.tenant_id, p.hash FROM {CHOSEN} AS c
            JOIN {{schema}}.payload_ref AS p ON p.run_id = c.id ORDER BY p.hash
        ) AS n CROSS JOIN LATERAL (
            SELECT * FROM {{schema}}.payload AS p
            WHERE p.tenant_id = n.tenant_id AND p.hash = n.hash OFFSET 0
        ) AS x""",
    key="hash",
)
PARTS = (RUNS, TASKS, EVENTS, SEGMENTS, PAUSES, ARGUMENTS, PAYLOADS)
"""All parts of a bundle; labels are part of the runs, references to payloads follow from hashes."""


def keys(prefix: str) -> Iterator[str]:
    """Yield the keys of a bundle's objects, the manifest first: it goes first and comes last.

    Args:
        prefix: The bundle's folder.
    """
    yield f"{prefix}/{MANIFEST}"
    for part in PARTS:
        yield f"{prefix}/{part.file}"


def _type(column: "Column[object]") -> "pa.DataType":
    import pyarrow as pa

    kind = column.type
    if isinstance(kind, DateTime):
        return pa.timestamp("us", tz="UTC")
    if isinstance(kind, Boolean):
        return pa.bool_()
    if isinstance(kind, Integer):
        return pa.int64()
    if isinstance(kind, Double):
        return pa.float64()
    if isinstance(kind, BYTEA):
        return pa.binary()
    return pa.string()  # text, ids, and JSON as text


def _extra(kind: str) -> "pa.DataType":
    import pyarrow as pa

    return {"text": pa.string(), "bigint": pa.int64(), "boolean": pa.bool_()}[kind]
