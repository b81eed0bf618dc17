"""Exporting tables and views as OpenLineage events: one dataset event each, as JSON lines (zstd).

Tables meet their columns by name, bucket by bucket: whatever the order of the rows, as many
columns are in memory at a time as a bucket has. The files of a bucket are read again for the next.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flowkeep.contracts.extraction import FetchResult, KindResult, PartInfo
from flowkeep.extraction.metadata.envelope import rfc3339
from flowkeep.extraction.metadata.keys import RunLocation, database_hash
from flowkeep.extraction.metadata.kinds import KINDS
from flowkeep.extraction.metadata.names import Naming, split_name
from flowkeep.extraction.metadata.openlineage_events import TABLE, Events, fields
from flowkeep.extraction.metadata.parts import Progress, delete_others, read_tables, store_part
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import polars as pl

BUCKET_COLUMNS = 100_000
"""Columns of tables that are in memory at a time."""
_READ: Mapping[str, tuple[str, ...]] = {
    "tables": ("database_name", *TABLE, "table_type", "owner", "comment"),
    "columns": (*TABLE, "column_name", "data_type", "ordinal_position", "comment"),
    "view_dependencies": (
        "database_name",
        *TABLE,
        "referenced_schema",
        "referenced_table",
        "referenced_type",
    ),
}
_STATES = {"added": "CREATE", "changed": "ALTER", "removed": "DROP"}

Changes = Mapping[tuple[str, str], Sequence[str]]
"""Kind and database to the keys of the files that name what differs from the run before."""


def export_openlineage(
    storage: Storage,
    location: RunLocation,
    fetched: Sequence[FetchResult],
    naming: Naming,
    changes: Changes | None = None,
    progress: Progress | None = None,
) -> list[PartInfo]:
    """Write one event per table and view of every database.

    Args:
        storage: Where raw parts lie and events go.
        location: Folder of the run.
        fetched: What was fetched. A facet is left out where its kind was not, or not completely.
        naming: Namespace of the datasets, and whether names begin with the database.
        changes: What differs from the run before; tables then have their lifecycle.
        progress: Called after each part with events and file bytes so far.

    Returns:
        The files, `exports/openlineage/{database}/part-{nnnnn}.jsonl.zst`; none where a database
        has no tables. What an earlier export of the run left beside them is deleted.
    """
    scopes = {(one.kind, scope.database): scope for one in fetched for scope in one.scopes}
    parts: list[PartInfo] = []
    for tables in (scope for (kind, _), scope in scopes.items() if kind == "tables"):
        export = _Export(storage, tables, scopes, naming, changes or {})
        folder = f"{location.prefix}/exports/openlineage/{database_hash(tables.database)}"
        made: list[PartInfo] = []
        for events in export.parts():
            key = f"{folder}/part-{len(made):05d}.jsonl.zst"
            made.append(_store(storage, key, events))
            if progress is not None:
                all_parts = [*parts, *made]
                progress(sum(p.rows for p in all_parts), sum(p.bytes for p in all_parts))
        delete_others(storage, folder, {part.key for part in made})
        parts += made
    return parts


@dataclass(slots=True)
class _Export:
    """The events of one database."""

    storage: Storage
    tables: KindResult
    scopes: Mapping[tuple[str, str], KindResult]
    naming: Naming
    changes: Changes
    _events: Events = field(init=False)

    def __post_init__(self) -> None:
        source = self.tables.source
        self._events = Events(
            self.naming,
            source.namespace if source is not None else self.naming.namespace,
            rfc3339(self.tables.taken_at),
        )

    def parts(self) -> Iterator["pl.Series"]:
        """Yield the events of one part after another."""
        columns = self._complete("columns")
        rows = max(columns.written if columns else 0, self.tables.written)
        buckets = max(1, -(-rows // BUCKET_COLUMNS))
        states = self._states()
        for number in range(buckets):
            events = self._bucket(number, buckets, states)
            if len(events):
                yield events
        dropped = self._dropped()
        if not dropped.is_empty():
            yield self._events.of_dropped(dropped)

    def _bucket(self, number: int, buckets: int, states: "pl.DataFrame") -> "pl.Series":
        import polars as pl

        tables = self._rows(self.tables, number, buckets)
        for name, scope in (("fields", "columns"), ("inputs", "view_dependencies")):
            complete = self._complete(scope)
            if complete is None:
                tables = tables.with_columns(pl.lit(None, pl.String).alias(name))
                continue
            rows = self._rows(complete, number, buckets)
            if scope == "columns":
                found = fields(rows)
            else:  # a sequence that a view reads is no dataset
                kind = pl.col("referenced_type").str.to_lowercase()
                found = self._events.inputs(rows.filter(kind.ne_missing("sequence")))
            tables = tables.join(found, on=TABLE, how="left", maintain_order="left")
        if self._complete("columns") is not None:
            tables = tables.with_columns(pl.col("fields").fill_null("[]"))
        named = tables.with_columns(self.naming.of(KINDS["tables"]).alias("qualifiedName"))
        return self._events.of_tables(
            named.join(states, on="qualifiedName", how="left", maintain_order="left")
        )

    def _rows(self, scope: KindResult, number: int, buckets: int) -> "pl.DataFrame":
        """Return the rows whose table is in a bucket; columns that are missing are null."""
        import polars as pl

        kind = KINDS[scope.kind]
        wanted = _READ[scope.kind]
        types = {
            name: pl.Int64 if kind.columns[name] == "integer" else pl.String for name in wanted
        }
        found = [pl.DataFrame(schema=types)]
        for part in scope.parts:
            for table in read_tables(self.storage, part.key, list(wanted)):
                rows = pl.from_arrow(table)
                assert isinstance(rows, pl.DataFrame)
                if buckets > 1:
                    rows = rows.filter(pl.struct(TABLE).hash() % buckets == number)
                found.append(rows.cast({name: types[name] for name in rows.columns}))
        return pl.concat(found, how="diagonal").select(wanted)

    def _complete(self, kind: str) -> KindResult | None:
        scope = self.scopes.get((kind, self.tables.database))
        return scope if scope is not None and scope.status == "complete" else None

    def _states(self) -> "pl.DataFrame":
        """Return the state of every table that is new, or that differs in itself or a column."""
        import polars as pl

        states = [pl.DataFrame(schema={"qualifiedName": pl.String, "state": pl.String})]
        for kind in ("columns", "tables"):  # what is said of the table itself comes last
            for rows in self._changed(kind):
                name = pl.col("qualifiedName")
                state = pl.col("change").replace_strict(_STATES)
                if kind == "columns":
                    name, state = name.str.replace(r"\.[^.]*$", ""), pl.lit("ALTER")
                states.append(rows.select(name, state.alias("state")).unique())
        return pl.concat(states).unique("qualifiedName", keep="last")

    def _dropped(self) -> "pl.DataFrame":
        import polars as pl

        removed = [
            split_name(name)[-2:]
            for rows in self._changed("tables")
            for name in rows.filter(pl.col("change") == "removed")["qualifiedName"]
        ]
        frame = pl.DataFrame(removed, schema=dict.fromkeys(TABLE, pl.String), orient="row")
        return frame.with_columns(pl.lit(self.tables.database).alias("database_name"))

    def _changed(self, kind: str) -> Iterator["pl.DataFrame"]:
        import polars as pl

        for key in self.changes.get((kind, self.tables.database), ()):
            for table in read_tables(self.storage, key, ["change", "qualifiedName"]):
                rows = pl.from_arrow(table)
                assert isinstance(rows, pl.DataFrame)
                yield rows.filter(pl.col("change").is_in(list(_STATES)))


def _store(storage: Storage, key: str, events: "pl.Series") -> PartInfo:
    import polars as pl
    import pyarrow as pa

    text = b"".join(events.cast(pl.Binary).to_list())
    with tempfile.TemporaryFile(prefix="flowkeep-") as file:
        sink = os.fdopen(os.dup(file.fileno()), "wb")
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(text)
        return store_part(storage, key, file, text.count(b"\n"))
