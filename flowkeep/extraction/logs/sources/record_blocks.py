"""Reading the records of a byte window in bounded memory."""

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import IO

from flowkeep.errors import Incomplete
from flowkeep.extraction.logs.sources.byte_windows import BLOCK

_QUOTE = b'"'
_NEWLINE = b"\n"


class LineSplitter:
    """Splits blocks that follow each other into records that end at newlines."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """Return the records that end in a block, without their newlines."""
        lines = data.split(_NEWLINE)
        last = lines.pop()
        if lines and self._rest:
            lines[0] = b"".join((*self._rest, lines[0]))
            self._rest.clear()
        self._rest.append(last)
        return lines

    def rest(self) -> bytes:
        """Return what came behind the last record's end."""
        return b"".join(self._rest)

    def forget(self) -> None:
        """Forget that: the next record lacks it."""
        self._rest.clear()


class QuotedSplitter(LineSplitter):
    """Splits blocks into records of CSV, which end at newlines outside quotes."""

    def __init__(self) -> None:
        super().__init__()
        self._inside = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the records that end in a block, without their newlines."""
        lines = data.split(_NEWLINE)
        last = lines.pop()
        records: list[bytes] = []
        inside, rest = self._inside, self._rest
        for line in lines:
            if line.count(_QUOTE) & 1:
                inside = not inside
            if inside:
                rest += (line, _NEWLINE)
            elif rest:
                records.append(b"".join((*rest, line)))
                rest.clear()
            else:
                records.append(line)
        self._inside = inside ^ bool(last.count(_QUOTE) & 1)
        rest.append(last)
        return records


@dataclass(slots=True)
class RecordBlock:
    """Records that follow each other without a gap.

    Attributes:
        start: Offset of the first one in the file.
        size: Bytes of all of them, with their newlines.
        records: The records without their newlines; empty for one that is too long.
        unfinished: Whether the only record has no end: the file ends within it.
        too_long: Whether it stands for one record that was skipped.
    """

    start: int
    size: int
    records: list[bytes] = field(default_factory=list)
    unfinished: bool = False
    too_long: bool = False


class RecordReader:
    """Reads one window of one file.

    Args:
        file: The file.
        name: Its name, for messages.
        splitter: Splits it into records; a new one.
        longest: Bytes of the longest record that is kept in memory.
        stop: Ends the reading when set.
    """

    def __init__(
        self,
        file: IO[bytes],
        name: str,
        splitter: LineSplitter,
        longest: int,
        stop: threading.Event | None = None,
    ) -> None:
        self._file = file
        self._name = name
        self._splitter = splitter
        self._longest = longest
        self._stop = stop

    def blocks(self, start: int, end: int) -> Iterator[RecordBlock]:
        """Yield all records from one offset to another.

        Args:
            start: Where a record begins.
            end: Where one ends.

        Raises:
            Incomplete: If the file ends before.
            concurrent.futures.CancelledError: If the reading is to stop.
        """
        begin = position = start
        skips = False
        for data in self._read(start, end):
            records = self._splitter.feed(data)
            if skips and records:  # of the first one, what came before is forgotten
                size = position - begin + len(records.pop(0)) + 1
                yield RecordBlock(begin, size, too_long=True)
                begin += size
                skips = False
            if records:
                size = sum(map(len, records)) + len(records)
                yield RecordBlock(begin, size, records)
                begin += size
            position += len(data)
            if position - begin > self._longest:
                self._splitter.forget()
                skips = True
        if skips:
            yield RecordBlock(begin, end - begin, too_long=True)
        elif begin < end:
            yield RecordBlock(begin, end - begin, [self._splitter.rest()], unfinished=True)

    def _read(self, start: int, end: int) -> Iterator[bytes]:
        self._file.seek(start)
        position = start
        while position < end:
            if self._stop is not None and self._stop.is_set():
                raise CancelledError("stopped while a log file was read")
            data = self._file.read(min(BLOCK, end - position))
            if not data:
                raise Incomplete(
                    f"{self._name} has become shorter while it was read:"
                    f" bytes {position} to {end} are lost",
                    hint="rotate logs by renaming the file, not by truncating it",
                    code="LOG_TRUNCATED",
                )
            yield data
            position += len(data)
