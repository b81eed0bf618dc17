"""Parquet files whose row groups are asked for one by one."""

import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Self

from flowkeep.contracts.extraction import PartInfo
from flowkeep.extraction.logs.schemas import arrow_schema
from flowkeep.extraction.metadata.parts import open_parquet, open_part, store_part
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


class GroupedFile:
    """A Parquet file that is being written, one row group at a time.

    Args:
        columns: Name to type of its columns; see `schemas`.

    Attributes:
        groups: For each row group the number of the bucket its rows belong to.
        rows: Rows written so far.
    """

    def __init__(self, columns: dict[str, str]) -> None:
        self._schema = arrow_schema(columns)
        self._open = ExitStack()
        self.groups: list[int] = []
        self.rows = 0

    def __enter__(self) -> Self:
        self._file = self._open.enter_context(tempfile.TemporaryFile(prefix="flowkeep-"))
        self._writer = open_parquet(self._file, self._schema)
        return self

    def __exit__(self, *_: object) -> None:
        with self._open, suppress(Exception):  # after an error; else it has been closed
            self._writer.close()

    def write(self, bucket: int, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows as a row group.

        Args:
            bucket: Which one they belong to.
            rows: One tuple per row, in the order of the columns.
        """
        import pyarrow as pa

        arrays = [
            pa.array(values, type=field.type)
            for values, field in zip(zip(*rows, strict=True), self._schema, strict=True)
        ]
        self.write_table(bucket, pa.Table.from_arrays(arrays, schema=self._schema))

    def write_table(self, bucket: int, table: "pa.Table") -> None:
        """Add a table as a row group; an empty one is left out."""
        if table.num_rows == 0:
            return
        self._writer.write_table(table.cast(self._schema), row_group_size=table.num_rows)
        self.groups.append(bucket)
        self.rows += table.num_rows

    def store(self, storage: Storage, key: str) -> PartInfo:
        """Put the file into storage."""
        self._writer.close()
        return store_part(storage, key, self._file, self.rows)


def store_frame(
    storage: Storage, key: str, columns: dict[str, str], frame: "pl.DataFrame"
) -> PartInfo:
    """Put a frame into storage as one Parquet file.

    Args:
        storage: Where it goes.
        key: Under which key.
        columns: Its columns.
        frame: The rows.
    """
    with GroupedFile(columns) as file:
        file.write_table(0, frame.select(list(columns)).to_arrow())
        return file.store(storage, key)


def store_rows(
    storage: Storage, key: str, columns: dict[str, str], rows: Sequence[Sequence[Any]]
) -> PartInfo:
    """Put rows into storage as one Parquet file.

    Args:
        storage: Where they go.
        key: Under which key.
        columns: Their columns.
        rows: One tuple per row, in the order of the columns.
    """
    with GroupedFile(columns) as file:
        if rows:
            file.write(0, rows)
        return file.store(storage, key)


def read_frame(
    storage: Storage,
    key: str,
    columns: Sequence[str] | None = None,
    groups: Iterable[int] | None = None,
) -> "pl.DataFrame":
    """Return rows of a stored Parquet file.

    Args:
        storage: Where it lies.
        key: Its key.
        columns: Columns to read; all when None.
        groups: Numbers of the row groups to read; all when None.

    Raises:
        NotFound: If there is no such file.
    """
    import polars as pl

    with open_part(storage, key) as part:
        wanted = list(range(part.num_row_groups) if groups is None else groups)
        table = part.read_row_groups(wanted, columns=list(columns) if columns else None)
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def empty_frame(columns: dict[str, str]) -> "pl.DataFrame":
    """Return a frame without rows.

    Args:
        columns: Its columns.
    """
    import polars as pl

    frame = pl.from_arrow(arrow_schema(columns).empty_table())
    assert isinstance(frame, pl.DataFrame)
    return frame
