"""Writing entities: for each raw part one file of JSON lines (zstd) and one of Parquet."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Self

from flowkeep.contracts.extraction import KindAssets, KindResult, PartInfo
from flowkeep.errors import Incomplete
from flowkeep.extraction.metadata.envelope import Entities, Envelope
from flowkeep.extraction.metadata.first_seen import FirstSeen
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.metadata.kinds import Kind
from flowkeep.extraction.metadata.parts import (
    Progress,
    delete_others,
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
_SUFFIXES = ("jsonl.zst", "parquet")


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
    first_seen: FirstSeen | None = None,
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
        first_seen: When an earlier run saw the entities first.

    Raises:
        Incomplete: If the entities are not as many as the raw rows.
        ConfigurationError: If the transformer returned what cannot be written.
    """
    parts = [part for made in done for part in made]
    written = sum(source.rows for source in raw.parts[: len(done)])
    size = sum(part.bytes for part in parts)
    envelope = Envelope(transformer.context.run_id, raw.taken_at, first_seen)
    for number, source in enumerate(raw.parts[len(done) :], start=len(done)):
        with _AssetFiles(kind, transformer, envelope) as files:
            for table in read_tables(storage, source.key):
                for start in range(0, table.num_rows, _SLICE_ROWS):
                    files.write(table.slice(start, _SLICE_ROWS))
                    if progress is not None:
                        progress(written + files.read, size + files.bytes)
            keys = [
                location.part("assets", kind.name, raw.database, number, suffix)
                for suffix in _SUFFIXES
            ]
            made = files.store(storage, keys)
        if not files.read == source.rows == files.lines == made[1].rows:
            raise Incomplete(
                f"{source.key}: {source.rows} rows were fetched, {files.read} read back, "
                f"{files.lines} lines and {made[1].rows} Parquet rows written",
                hint="the transformer must return one entity per row",
            )
        parts += made
        written += files.lines
        size += sum(part.bytes for part in made)
        if stored is not None:
            stored(made)
    folder = location.scope("assets", kind.name, raw.database)
    delete_others(storage, folder, {part.key for part in parts})
    return KindAssets(
        kind=kind.name, database=raw.database, read=written, written=written, parts=parts
    )


class _AssetFiles:
    """The two local files that one raw part becomes.

    A second thread compresses and writes one slice while the next is transformed.

    Attributes:
        read: Raw rows taken.
        lines: JSON lines written, counted in the text itself.
    """

    def __init__(self, kind: Kind, transformer: Transformer, envelope: Envelope) -> None:
        self._kind = kind
        self._transformer = transformer
        self._envelope = envelope
        self._open = ExitStack()
        self._digest = hashlib.sha256()
        self._parquet: pq.ParquetWriter | None = None
        self._writing: Future[None] | None = None
        self.read = 0
        self.lines = 0
        self.bytes = 0

    def __enter__(self) -> Self:
        import pyarrow as pa

        self._json_file = self._open.enter_context(tempfile.TemporaryFile(prefix="flowkeep-"))
        self._parquet_file = self._open.enter_context(tempfile.TemporaryFile(prefix="flowkeep-"))
        # The stream closes what it writes to; the file itself has to stay open to be stored.
        sink = os.fdopen(os.dup(self._json_file.fileno()), "wb")
        self._json = self._open.enter_context(pa.CompressedOutputStream(sink, "zstd"))
        # Entered last, so that its thread has ended before the files are closed.
        self._thread = self._open.enter_context(ThreadPoolExecutor(1, "flowkeep-assets"))
        return self

    def __exit__(self, *_: object) -> None:
        with self._open, suppress(Exception):  # after an error; else it has been closed
            if self._writing is not None:
                self._writing.result()
            if self._parquet is not None:
                self._parquet.close()

    def write(self, table: "pa.Table") -> None:
        """Transform a slice of raw rows and let its entities be added to both files."""
        import polars as pl

        rows = pl.from_arrow(table)
        assert isinstance(rows, pl.DataFrame)
        drafts = self._transformer.entities(self._kind, rows)
        volatile = self._transformer.volatile(self._kind, rows.columns)
        entities = self._envelope.seal(drafts, volatile)
        self.read += table.num_rows
        self._wait()
        self._writing = self._thread.submit(self._write, entities)

    def store(self, storage: Storage, keys: Sequence[str]) -> list[PartInfo]:
        """Close both files and put them into storage; returns JSON lines first."""
        self._wait()
        assert self._parquet is not None, "a raw part is never empty"
        self._json.close()
        self._parquet.close()
        digest = self._digest.hexdigest()
        return [
            store_part(storage, keys[0], self._json_file, self.lines, digest),
            store_part(storage, keys[1], self._parquet_file, None, digest),
        ]

    def _wait(self) -> None:
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def _write(self, entities: Entities) -> None:
        import polars as pl

        lines = entities.lines()
        text = lines.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()[2]
        self._json.write(text)
        self._write_parquet(entities.frame)
        self._digest.update(entities.identities)
        self.lines += int(lines.str.count_matches("\n", literal=True).sum())
        self.bytes = self._json_file.tell() + self._parquet_file.tell()

    def _write_parquet(self, entities: "pl.DataFrame") -> None:
        import pyarrow.parquet as pq

        table = entities.to_arrow()
        if self._parquet is None:
            self._parquet = pq.ParquetWriter(
                self._parquet_file,
                table.schema,
                compression="zstd",
                use_dictionary=False,  # zstd finds the repetitions too: smaller and a third faster
                write_statistics=False,
            )
        self._parquet.write_table(table.cast(self._parquet.schema))
