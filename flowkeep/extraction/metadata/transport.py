"""COPY to Arrow: one thread reads rows from the server, another parses them, nothing piles up.

The server sends `COPY … TO STDOUT (FORMAT csv)`; libpq hands over one whole row at a time (manual
of PostgreSQL, "Functions Associated with the COPY Command"). Rows are joined to blocks of some
megabytes, so a block always ends at a row's end, whatever newlines the values hold and however
large one row is, and the same rows always make the same blocks. A bounded queue joins the two
threads: both sides' work overlaps, memory stays flat, and neither can wait for ever on the other.
"""

import os
import queue
import socket
import threading
from collections.abc import Generator, Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import TYPE_CHECKING

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.metadata.kinds import ColumnType

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

BLOCK_BYTES = 1024 * 1024
"""CSV bytes after which a block ends with the row that reached it."""
_QUEUE_BLOCKS = 4
_POLL_SECONDS = 0.2
_CANCEL_SECONDS = 5.0


class _CopyReader(threading.Thread):
    """Reads one COPY and puts its blocks into a queue; None ends it, `error` says how."""

    def __init__(self, connection: "psycopg.Connection[tuple[object, ...]]", copy: bytes) -> None:
        super().__init__(name="flowkeep-copy", daemon=True)
        self._connection = connection
        self._copy = copy
        self._abandoned = threading.Event()
        self.blocks: queue.Queue[bytearray | None] = queue.Queue(_QUEUE_BLOCKS)
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._read()
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that parses
            self.error = error
        self._hand_over(None)

    def abandon(self) -> None:
        """End the COPY on the server and the thread with it."""
        self._abandoned.set()
        if self.is_alive() and not self._connection.closed:
            with suppress(Exception):  # the server may be what has gone
                self._connection.cancel_safe(timeout=_CANCEL_SECONDS)
        self.join(_CANCEL_SECONDS)
        if self.is_alive():  # nothing comes and the cancel did not arrive: hang up
            with suppress(Exception):
                _hang_up(self._connection.pgconn.socket)
        self.join()

    def _read(self) -> None:
        block = bytearray()
        with self._connection.cursor() as cursor, cursor.copy(self._copy) as rows:
            for row in rows:
                block += row
                if len(block) >= BLOCK_BYTES:
                    self._hand_over(block)
                    block = bytearray()
        if block:
            self._hand_over(block)

    def _hand_over(self, block: bytearray | None) -> None:
        while not self._abandoned.is_set():
            try:
                self.blocks.put(block, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return
        if block is not None:
            raise CancelledError("the reader of this COPY has gone")


def copy_tables(
    connection: "psycopg.Connection[tuple[object, ...]]",
    copy: bytes,
    columns: Mapping[str, ColumnType],
    stop: threading.Event | None = None,
) -> Generator["pa.Table"]:
    """Yield what a COPY sends as Arrow tables, one per block.

    Args:
        connection: Open connection; nobody else may use it meanwhile.
        copy: The whole statement, ending in `(FORMAT csv)`.
        columns: Columns of the statement and their types, in order.
        stop: When set, the statement is cancelled on the server.

    Raises:
        ConfigurationError: If a value does not fit its column's type or is not UTF-8.
        psycopg.Error: If the server ended the COPY.
        concurrent.futures.CancelledError: If `stop` was set.
    """
    reader = _CopyReader(connection, copy)
    reader.start()
    parse = _Parser(columns)
    try:
        while (block := _next_block(reader, stop)) is not None:
            yield parse(block)
    except BaseException:
        reader.abandon()
        raise
    reader.join()  # it has said its last word; cancelling now could hit the next statement
    if reader.error is not None:
        raise reader.error


def _hang_up(descriptor: int) -> None:
    """Shut a connection's socket down, which wakes up whoever waits for it."""
    with socket.socket(fileno=os.dup(descriptor)) as line:
        line.shutdown(socket.SHUT_RDWR)


def _next_block(reader: _CopyReader, stop: threading.Event | None) -> bytearray | None:
    while True:
        if stop is not None and stop.is_set():
            raise CancelledError("stopped while reading from the source")
        try:
            return reader.blocks.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            continue


class _Parser:
    """Parses CSV blocks as PostgreSQL writes them.

    NULL is an unquoted empty field, the empty string a quoted one; booleans are `t` and `f`
    (`YES` and `NO` are accepted from statements over `information_schema`).
    """

    def __init__(self, columns: Mapping[str, ColumnType]) -> None:
        import pyarrow as pa
        import pyarrow.csv as csv

        types = {
            "text": pa.large_string(),
            "integer": pa.int64(),
            "boolean": pa.bool_(),
            "list": pa.large_string(),  # as JSON; the transform makes an array of it
        }
        self._names = list(columns)
        self._parse = csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)
        self._convert = csv.ConvertOptions(
            column_types={name: types[kind] for name, kind in columns.items()},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t", "YES"],
            false_values=["f", "NO"],
        )

    def __call__(self, block: bytearray) -> "pa.Table":
        import pyarrow as pa
        import pyarrow.csv as csv

        try:
            return csv.read_csv(
                pa.BufferReader(block),
                read_options=csv.ReadOptions(
                    column_names=self._names, block_size=len(block) + 1, use_threads=True
                ),
                parse_options=self._parse,
                convert_options=self._convert,
            )
        except pa.ArrowInvalid as error:
            raise ConfigurationError(
                f"a value does not fit its column: {self._explain(str(error))}",
                hint="let the statement return the column's type, and text as UTF-8",
                code="SOURCE_VALUE",
            ) from None

    def _explain(self, text: str) -> str:
        """Replace Arrow's column number by the column's name."""
        head, found, tail = text.partition("In CSV column #")
        number, _, rest = tail.partition(":")
        if found and number.isdigit() and int(number) < len(self._names):
            return f"{head}column {self._names[int(number)]}:{rest}"[:500]
        return text[:500]
