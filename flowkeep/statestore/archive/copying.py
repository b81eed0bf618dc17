"""COPY to Parquet: rows of one query become one file, in memory that does not grow.

The driver's rows are read through libpq in a thread of their own: one call per row instead of
one turn of the event loop per row. Rows are joined to blocks, and another thread parses and
writes those, so that server, reading and writing overlap.
"""

import hashlib
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self

from psycopg import errors
from psycopg.pq import ExecStatus

from flowkeep.statestore.archive.manifest import PartFacts
from flowkeep.statestore.archive.parts import Part

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg.pq.abc import PGconn

BLOCK_BYTES = 1024 * 1024
"""CSV bytes after which a block ends with the row that reached it."""
GROUP_BYTES = 8 * 1024 * 1024
"""CSV bytes after which a row group ends: what reading one run has to decode at most."""
_MOST_WAITING = 4


class Stopped(Exception):
    """The caller gave up; nothing more is read."""


def write_part(
    pgconn: "PGconn", part: Part, schema: str, path: Path, stop: threading.Event
) -> PartFacts:
    """Write the rows of one part into a file.

    Args:
        pgconn: A connection inside the transaction that holds the chosen runs; nobody else uses
            it meanwhile.
        part: Which one.
        schema: The ledger's schema, quoted.
        path: The file.
        stop: When set, the statement is cancelled and `Stopped` raised.

    Raises:
        psycopg.Error: If the server ended the statement.
    """
    copy = f"COPY ({part.statement(schema)}) TO STDOUT (FORMAT csv)"
    waiting: deque[Future[None]] = deque()
    with PartFile(part, path) as file, ThreadPoolExecutor(1, "flowkeep-archive") as writer:
        try:
            for block in _blocks(pgconn, copy.encode(), stop):
                waiting.append(writer.submit(file.add, block))
                if len(waiting) > _MOST_WAITING:
                    waiting.popleft().result()
        finally:
            while waiting:
                waiting.popleft().result()
    return file.facts()


def _blocks(pgconn: "PGconn", copy: bytes, stop: threading.Event) -> Iterator[bytes]:
    result = pgconn.exec_(copy)
    if result.status != ExecStatus.COPY_OUT:
        raise errors.error_from_result(result)
    done = False
    try:
        block, size = [], 0
        while True:
            # Blocks until a row is there; other threads go on meanwhile.
            length, row = pgconn.get_copy_data(0)
            if length < 0:
                break
            block.append(bytes(row))
            size += length
            if size >= BLOCK_BYTES:
                yield b"".join(block)
                block, size = [], 0
                if stop.is_set():
                    raise Stopped
        done = True
    finally:
        if not done:
            pgconn.get_cancel().cancel()
            while pgconn.get_copy_data(0)[0] >= 0:
                pass
        ended = pgconn.get_result()
        while pgconn.get_result() is not None:
            pass
    if ended is not None and ended.status != ExecStatus.COMMAND_OK:
        raise errors.error_from_result(ended)
    if block:
        yield b"".join(block)


class PartFile:
    """A Parquet file that is written row group by row group.

    Args:
        part: Which one.
        path: Where.
    """

    def __init__(self, part: Part, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.csv as csv
        import pyarrow.parquet as pq

        types = part.arrow()
        self._path = path
        self._schema = pa.schema(list(types.items()))
        self._binary = [name for name, kind in types.items() if pa.types.is_binary(kind)]
        # As PostgreSQL writes CSV: NULL is an unquoted empty field, the empty text a quoted one.
        text = types | dict.fromkeys(self._binary, pa.string())
        self._read = csv.ReadOptions(
            column_names=list(types), use_threads=False, block_size=2**31 - 1
        )
        self._parse = csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)
        self._convert = csv.ConvertOptions(
            column_types=text,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        )
        self._group: list[pa.Table] = []
        self._group_bytes = 0
        self._rows = 0
        # Most columns hold a different value per row, and zstd finds what repeats by itself: with
        # dictionaries the files are a third bigger.
        self._writer = pq.ParquetWriter(
            path,
            self._schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=False,
            write_page_checksum=True,
        )

    def add(self, block: bytes) -> None:
        """Add rows, in CSV."""
        import pyarrow as pa
        import pyarrow.csv as csv

        table = csv.read_csv(pa.py_buffer(block), self._read, self._parse, self._convert)
        for name in self._binary:
            at = table.schema.get_field_index(name)
            table = table.set_column(at, self._schema.field(name), _unhex(table.column(name)))
        self._group.append(table)
        self._group_bytes += len(block)
        if self._group_bytes >= GROUP_BYTES:
            self._flush()

    def facts(self) -> PartFacts:
        """Return what the manifest says of the finished file."""
        with self._path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return PartFacts(rows=self._rows, bytes=self._path.stat().st_size, sha256=digest)

    def _flush(self) -> None:
        import pyarrow as pa

        if self._group:
            table = pa.concat_tables(self._group)
            self._rows += table.num_rows
            self._writer.write_table(table, row_group_size=table.num_rows)
        self._group, self._group_bytes = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._flush()
        self._writer.close()


def _unhex(column: "pa.ChunkedArray") -> "pa.Array":
    r"""Return the bytes of a column in PostgreSQL's hexadecimal form, `\x00ff`."""
    import pyarrow as pa

    if column.null_count == len(column):
        return pa.nulls(len(column), pa.binary())
    values = (None if text is None else bytes.fromhex(text[2:]) for text in column.to_pylist())
    return pa.array(values, pa.binary())
