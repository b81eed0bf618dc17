"""Writing Arrow tables to Parquet parts: local temporary file, hash, single put.

The temporary file has no name, so a killed process leaves nothing behind.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from flowkeep.contracts.extraction import PartInfo
from flowkeep.errors import Incomplete
from flowkeep.extraction.log import get_logger
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_log = get_logger(__name__)

PART_ROWS = 250_000
"""Rows after which a part ends, when nothing else is asked for."""
PART_BYTES = 256 * 1024 * 1024
"""Bytes in memory, before compression, after which it does too."""
_LONGEST_REASON = 200


class Damaged(Incomplete):
    """A stored file is not whole.

    Args:
        key: Its key.
        why: What the library says.
    """

    code = "FILE_DAMAGED"
    hint = "check the run it belongs to with `flowkeep extract verify`"

    def __init__(self, key: str, why: object) -> None:
        super().__init__(f"{key} cannot be read: {str(why)[:_LONGEST_REASON]}")
        self.key = key


class Progress(Protocol):
    """Takes note of how far one kind of one database is."""

    def __call__(self, rows: int, size: int, part: int = 0) -> None:
        """Take note.

        Args:
            rows: Rows so far.
            size: File bytes so far.
            part: Number of the part that is being written, from 0.
        """


class PartWriter:
    """Writes tables, each as one row group, to a sequence of Parquet parts.

    A part ends with the table that reaches its size. So equal tables make equal parts, and tables
    that go on behind a part make the same parts as if nothing had come between.

    Args:
        storage: Where the parts go.
        key_of: Number of a part to its key.
        progress: Called after each table.
        part_rows: Rows after which a part ends.
        done: Parts that were stored before; the next ones follow them.
        stored: Called with the last table of each part that reached its size, once it is stored.

    Attributes:
        parts: The parts stored so far.
        rows: Rows taken so far.
    """

    def __init__(
        self,
        storage: Storage,
        key_of: Callable[[int], str],
        progress: Progress | None = None,
        *,
        part_rows: int = PART_ROWS,
        done: Sequence[PartInfo] = (),
        stored: "Callable[[pa.Table], None] | None" = None,
    ) -> None:
        self._storage = storage
        self._key_of = key_of
        self._progress = progress
        self._limit = part_rows
        self._stored = stored
        self._file: IO[bytes] | None = None
        self._writer: pq.ParquetWriter | None = None
        self._part_rows = 0
        self._part_bytes = 0
        self._stored_bytes = sum(part.bytes for part in done)
        self.parts: list[PartInfo] = list(done)
        self.rows = sum(part.rows for part in done)

    def write(self, table: "pa.Table") -> None:
        """Add a table; stores the part when it has become large enough."""
        if table.num_rows == 0:
            return
        if self._writer is None:
            self._file = tempfile.TemporaryFile(prefix="flowkeep-")  # noqa: SIM115 - closed below
            self._writer = open_parquet(self._file, table.schema)
        self._writer.write_table(table, row_group_size=table.num_rows)
        self.rows += table.num_rows
        self._part_rows += table.num_rows
        self._part_bytes += table.nbytes
        if self._progress is not None:
            assert self._file is not None
            size = self._stored_bytes + self._file.tell()
            self._progress(self.rows, size, len(self.parts))
        if self._part_rows >= self._limit or self._part_bytes >= PART_BYTES:
            self.finish()
            if self._stored is not None:
                self._stored(table)

    def finish(self) -> None:
        """Store the part that is being written, if any."""
        if self._writer is None or self._file is None:
            return
        self._writer.close()
        with self._file:
            part = store_part(self._storage, self._key_of(len(self.parts)), self._file, None)
        if part.rows != self._part_rows:
            raise Incomplete(f"{part.key} holds {part.rows} rows of {self._part_rows}")
        _log.info("part stored", key=part.key, rows=part.rows, bytes=part.bytes)
        self.parts.append(part)
        self._stored_bytes += part.bytes
        self._file = self._writer = None
        self._part_rows = self._part_bytes = 0

    def abandon(self) -> None:
        """Throw away the part that is being written."""
        if self._writer is not None and self._file is not None:
            with suppress(Exception):  # whatever kept it from being finished, or from being stored
                self._writer.close()
            with suppress(OSError):  # what is still buffered may not fit on a full disk
                self._file.close()


def open_parquet(file: IO[bytes], schema: "pa.Schema") -> "pq.ParquetWriter":
    """Open a Parquet file for writing: zstd, no statistics of values that may be huge."""
    import pyarrow.parquet as pq

    return pq.ParquetWriter(file, schema, compression="zstd", write_statistics=False)


def store_part(
    storage: Storage, key: str, file: IO[bytes], rows: int | None, digest: str | None = None
) -> PartInfo:
    """Put a finished local file and return what to remember of it.

    Args:
        storage: Where it goes.
        key: Under which key.
        file: The file, open for reading.
        rows: Rows in it; None reads them from the Parquet footer.
        digest: Hash of the content that does not depend on the run.
    """
    import pyarrow.parquet as pq

    file.flush()
    file.seek(0)
    sha256 = hashlib.file_digest(cast("Any", file), "sha256").hexdigest()
    if rows is None:
        file.seek(0)
        rows = int(pq.ParquetFile(file).metadata.num_rows)
    stored = storage.upload(key, file)
    return PartInfo(
        key=key, rows=rows, bytes=stored.size, sha256=sha256, digest=digest, etag=stored.etag
    )


@contextmanager
def open_part(storage: Storage, key: str) -> Iterator["pq.ParquetFile"]:
    """Open a stored Parquet part: in place where it is local, else through a temporary copy.

    Raises:
        NotFound: If there is no such part.
        Damaged: If it cannot be read, now or while it is open.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = storage.local_path(key)
    try:
        if path is not None and path.exists():
            with pq.ParquetFile(path) as part:
                yield part
            return
        with tempfile.TemporaryFile(prefix="flowkeep-") as copy:
            storage.download(key, copy)
            yield pq.ParquetFile(copy)
    except pa.ArrowInvalid as error:
        raise Damaged(key, error) from None
    except OSError as error:
        if error.errno is not None:  # the system's, not the content's
            raise
        raise Damaged(key, error) from None


def read_tables(
    storage: Storage, key: str, columns: list[str] | None = None
) -> Iterator["pa.Table"]:
    """Yield a part's row groups as tables, which are what was written.

    Args:
        storage: Where the part lies.
        key: Its key.
        columns: Columns to read; all when None.
    """
    with open_part(storage, key) as part:
        for number in range(part.num_row_groups):
            yield part.read_row_group(number, columns=columns)


def delete_others(storage: Storage, folder: str, keep: set[str]) -> None:
    """Delete what an earlier attempt left in a folder beside the parts that are to stay."""
    for stored in list(storage.list(folder)):
        if stored.key not in keep:
            storage.delete(stored.key)
