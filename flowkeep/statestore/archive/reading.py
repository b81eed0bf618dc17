"""Reading single runs out of bundles: only the row groups that can hold them."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB

from flowkeep.contracts import Event, Pause, Run, Segment, Task
from flowkeep.errors import NotFound
from flowkeep.statestore.archive.manifest import damaged
from flowkeep.statestore.archive.parts import (
    ARGUMENTS,
    EVENTS,
    PAUSES,
    PAYLOADS,
    RUNS,
    SEGMENTS,
    TASKS,
    Part,
)
from flowkeep.statestore.repositories import payloads
from flowkeep.statestore.repositories.rows import EVENT, PAUSE, SEGMENT, task_record
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]


class RunReader:
    """The rows of one archived run; blocking, so it belongs into a thread.

    Args:
        storage: Where bundles lie.
        prefix: Folder of the run's bundle.
        run_id: The run.
    """

    def __init__(self, storage: Storage, prefix: str, run_id: UUID) -> None:
        self._storage = storage
        self._prefix = prefix
        self._run_id = run_id

    def run(self) -> Run:
        """Return the run with its inputs and outputs.

        Raises:
            Incomplete: If the bundle does not hold it.
        """
        found = self._rows(RUNS)
        if not found:
            raise damaged(f"{self._prefix} in {self._storage.url} does not hold run {self._run_id}")
        newest = self.segments()
        (row,) = self._unpacked(found, "inputs", "outputs")
        values = {name: row[name] for name in Run.model_fields if name in row}
        return Run.model_validate(
            values
            | {
                "archived": True,
                "temporal_run_id": newest[-1].temporal_run_id if newest else None,
            }
        )

    def events(self) -> list[Event]:
        """Return all events, oldest first."""
        found = (Event.model_validate(_only(row, EVENT)) for row in self._rows(EVENTS))
        return sorted(found, key=lambda event: event.seq)

    def segments(self) -> list[Segment]:
        """Return all segments, oldest first."""
        found = (Segment.model_validate(_only(row, SEGMENT)) for row in self._rows(SEGMENTS))
        return sorted(found, key=lambda segment: segment.seq)

    def pauses(self) -> list[Pause]:
        """Return all pauses, oldest first."""
        found = (Pause.model_validate(_only(row, PAUSE)) for row in self._rows(PAUSES))
        return sorted(found, key=lambda pause: (pause.paused_at, pause.id))

    def attempts(self) -> list[Task]:
        """Return all attempts, by (temporal_run_id, activity_id, attempt)."""
        rows = self._unpacked(self._rows(TASKS), "input", "output")
        found = (task_record({name: row[name] for name in Task.model_fields}) for row in rows)
        return sorted(
            found, key=lambda task: (task.temporal_run_id, task.activity_id, task.attempt)
        )

    def arguments(self) -> dict[str, Any] | None:
        """Return what it was started with, or None."""
        found = self._rows(ARGUMENTS)
        return found[0]["value"] if found else None

    def _unpacked(self, rows: list[Row], *names: str) -> list[Row]:
        hashes = {row[f"{name}_hash"] for row in rows for name in names} - {None}
        values: dict[bytes, Any] = {}
        if hashes:
            with opened(self._storage, self._prefix, PAYLOADS) as file:
                for row in _found(file, PAYLOADS, sorted(hashes)):
                    values[row["hash"]] = payloads.unpacked(row["data"])
        missing = hashes - set(values)
        if missing:
            raise damaged(
                f"{self._prefix} in {self._storage.url} lacks a value of run {self._run_id}"
            )
        return [
            row | {n: values[row[f"{n}_hash"]] for n in names if row[f"{n}_hash"]} for row in rows
        ]

    def _rows(self, part: Part) -> list[Row]:
        with opened(self._storage, self._prefix, part) as file:
            return _found(file, part, [str(self._run_id)])


@contextmanager
def opened(storage: Storage, prefix: str, part: Part) -> Iterator[Any]:
    """Open a part of a bundle for reading pieces of it.

    Raises:
        Incomplete: If it is missing or is no Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    key = f"{prefix}/{part.file}"
    try:
        with storage.reading(key) as file:
            yield pq.ParquetFile(file, page_checksum_verification=True)
    except NotFound:
        raise damaged(f"{storage.url_of(key)} is missing") from None
    except (pa.ArrowException, OSError) as error:
        raise damaged(f"{storage.url_of(key)} cannot be read: {str(error)[:200]}") from None


def rows_of(file: Any, part: Part, wanted: Iterable[Any], columns: list[str]) -> "pa.Table":
    """Return the rows with some keys; row groups that cannot hold them are not read.

    Args:
        file: The open Parquet file.
        part: Which part it is.
        wanted: Keys.
        columns: Columns to read.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = pa.array(sorted(wanted), part.arrow()[part.key])
    if not len(keys):
        return file.schema_arrow.empty_table().select(columns)
    low, high = keys[0].as_py(), keys[-1].as_py()
    at = file.schema_arrow.get_field_index(part.key)
    groups = []
    for group in range(file.num_row_groups):
        statistics = file.metadata.row_group(group).column(at).statistics
        if statistics is None or not (statistics.max < low or statistics.min > high):
            groups.append(group)
    table = file.read_row_groups(groups, columns=columns)
    return table.filter(pc.is_in(table.column(part.key), value_set=keys))


def _found(file: Any, part: Part, wanted: list[Any]) -> list[Row]:
    """Return rows as plain values, JSON read."""
    known = [name for name in part.arrow() if name in file.schema_arrow.names]
    rows: list[Row] = rows_of(file, part, wanted, known).to_pylist()
    for name in (one for one in part.columns if isinstance(part.table.c[one].type, JSONB)):
        for row in rows:
            if row.get(name) is not None:
                row[name] = json.loads(row[name])
    return rows


def _only(row: Row, columns: Iterable[Any]) -> Row:
    return {column.name: row[column.name] for column in columns}
