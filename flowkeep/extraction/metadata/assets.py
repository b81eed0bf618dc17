"""Writing entities: for each raw part one file of JSON lines (zstd) and one of Parquet."""

import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Self

from flowkeep.contracts.extraction import KindAssets, KindResult, PartInfo
from flowkeep.errors import Incomplete
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.metadata.kinds import Kind
from flowkeep.extraction.metadata.parts import (
    Progress,
    delete_others,
    open_parquet,
    read_tables,
    store_part,
)
from flowkeep.extraction.metadata.transform import Transformer
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet as pq

_SLICE_ROWS = 8_192
"""Rows that are in memory as entities at a time."""


def write_assets(
    storage: Storage,
    location: RunLocation,
    kind: Kind,
    raw: KindResult,
    transformer: Transformer,
    progress: Progress | None = None,
    *,
    done: Sequence[Sequence[PartInfo]] = (),
    stored: Callable[[Sequence[PartInfo]], None] | None = None,
) -> KindAssets:
    """Transform the raw parts of one kind of one database.

    Args:
        storage: Where raw parts lie and assets go.
        location: Folder of the run.
        kind: The kind.
        raw: What fetching it returned.
        transformer: Makes the entities.
        progress: Called after each slice with entities and file bytes so far.
        done: Files of the first raw parts, as an earlier attempt stored them: not made again.
        stored: Called with the files of each raw part once they are stored.

    Raises:
        Incomplete: If the entities are not as many as the raw rows.
    """
    parts = [part for made in done for part in made]
    read = written = sum(source.rows for source in raw.parts[: len(done)])
    size = sum(part.bytes for part in parts)
    for number, source in enumerate(raw.parts[len(done) :], start=len(done)):
        with _AssetFiles() as files:
            for table in read_tables(storage, source.key):
                for start in range(0, table.num_rows, _SLICE_ROWS):
                    files.write(kind, table.slice(start, _SLICE_ROWS), transformer)
                    if progress is not None:
                        progress(written + files.lines, size + files.bytes)
            keys = {
                suffix: location.part("assets", kind.name, raw.database, number, suffix)
                for suffix in ("jsonl.zst", "parquet")
            }
            made = files.store(storage, keys)
        if not files.read == source.rows == files.lines == made[1].rows:
            raise Incomplete(
                f"{source.key}: {source.rows} rows were fetched, {files.read} read back, "
                f"{files.lines} lines and {made[1].rows} Parquet rows written",
                hint="the transformer must return one entity per row",
            )
        parts += made
        read += files.read
        written += files.lines
        size += sum(part.bytes for part in made)
        if stored is not None:
            stored(made)
    folder = location.scope("assets", kind.name, raw.database)
    delete_others(storage, folder, {part.key for part in parts})
    return KindAssets(
        kind=kind.name, database=raw.database, read=read, written=written, parts=parts
    )


class _AssetFiles:
    """The two local files that one raw part becomes.

    Attributes:
        read: Raw rows taken.
        lines: JSON lines written, counted in the text itself.
    """

    def __init__(self) -> None:
        self._open = ExitStack()
        self._digest = hashlib.sha256()
        self._parquet: pq.ParquetWriter | None = None
        self.read = 0
        self.lines = 0

    def __enter__(self) -> Self:
        import pyarrow as pa

        self._json_file = self._open.enter_context(tempfile.TemporaryFile(prefix="flowkeep-"))
        self._parquet_file = self._open.enter_context(tempfile.TemporaryFile(prefix="flowkeep-"))
        # The stream closes what it writes to; the file itself has to stay open to be stored.
        sink = os.fdopen(os.dup(self._json_file.fileno()), "wb")
        self._json = self._open.enter_context(pa.CompressedOutputStream(sink, "zstd"))
        return self

    def __exit__(self, *_: object) -> None:
        with self._open, suppress(Exception):  # after an error; else it has been closed
            if self._parquet is not None:
                self._parquet.close()

    @property
    def bytes(self) -> int:
        """Bytes in both files so far."""
        return self._json_file.tell() + self._parquet_file.tell()

    def write(self, kind: Kind, table: "pa.Table", transformer: Transformer) -> None:
        """Transform a slice of raw rows and add its entities to both files."""
        import polars as pl

        rows = pl.from_arrow(table)
        assert isinstance(rows, pl.DataFrame)
        entities = transformer.entities(kind, rows)
        buffer = io.BytesIO()
        entities.write_ndjson(buffer)
        text = buffer.getvalue()
        self._json.write(text)
        self._write_parquet(entities)
        pairs = zip(entities["guid"].to_list(), entities["contentHash"].to_list(), strict=True)
        self._digest.update("".join([guid + content for guid, content in pairs]).encode())
        self.read += table.num_rows
        self.lines += text.count(b"\n")

    def store(self, storage: Storage, keys: dict[str, str]) -> list[PartInfo]:
        """Close both files and put them into storage; returns JSON lines first."""
        assert self._parquet is not None, "a raw part is never empty"
        self._json.close()
        self._parquet.close()
        digest = self._digest.hexdigest()
        return [
            store_part(storage, keys["jsonl.zst"], self._json_file, self.lines, digest),
            store_part(storage, keys["parquet"], self._parquet_file, None, digest),
        ]

    def _write_parquet(self, entities: "pl.DataFrame") -> None:
        table = entities.to_arrow()
        if self._parquet is None:
            self._parquet = open_parquet(self._parquet_file, table.schema)
        self._parquet.write_table(table.cast(self._parquet.schema))
