"""Cutting a file into windows that begin and end at the borders of records.

A record ends at a newline; in CSV only at one that is not inside quotes. Quotes inside a quoted
value are doubled there (RFC 4180), so a newline is outside if and only if the number of quotes
before it, from the beginning of any record, is even.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from flowkeep.errors import Incomplete

BLOCK = 1 << 18
"""Bytes that are looked at at a time: few enough for the processor's cache."""
_QUOTE = b'"'
_NEWLINE = b"\n"


class QuotedBorders:
    """Ends of CSV records in blocks that follow each other: newlines outside quotes."""

    def __init__(self) -> None:
        self._inside = False

    def first(self, data: bytes, start: int = 0) -> int:
        """Return the index behind the first border at or after `start`, or 0.

        Args:
            data: The next block; it is not taken.
            start: Index into it.
        """
        inside = self._inside ^ bool(data.count(_QUOTE, 0, start) & 1)
        while (newline := data.find(_NEWLINE, start)) >= 0:
            inside ^= bool(data.count(_QUOTE, start, newline) & 1)
            start = newline + 1
            if not inside:
                return start
        return 0

    def take(self, data: bytes) -> int:
        """Go on behind a block and return the index behind its last border, or 0."""
        self._inside ^= bool(data.count(_QUOTE) & 1)
        inside, end = self._inside, len(data)
        while (newline := data.rfind(_NEWLINE, 0, end)) >= 0:
            inside ^= bool(data.count(_QUOTE, newline, end) & 1)
            if not inside:
                return newline + 1
            end = newline
        return 0


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where the windows of a file end.

    Attributes:
        ends: Offsets behind the windows' last records, ascending; each window begins where the
            one before it ends.
        rest: Offset of what follows the last border: an unfinished record, if anything.
    """

    ends: list[int]
    rest: int


def cut_quoted(file: IO[bytes], start: int, size: int, window: int) -> Cuts:
    """Cut a CSV file; every byte of it is looked at once.

    Args:
        file: The file.
        start: Offset of a record, from which on it is cut.
        size: Offset at which it ended when it was listed.
        window: Bytes of a window; it goes on to the end of the record there.

    Raises:
        Incomplete: If the file has become shorter.
    """
    borders = QuotedBorders()
    ends: list[int] = []
    begin = rest = position = start
    for data in _blocks(file, start, size):
        while begin + window <= position + len(data):
            cut = borders.first(data, max(0, begin + window - position - 1))
            if not cut:
                break
            begin = position + cut
            ends.append(begin)
        last = borders.take(data)
        if last:
            rest = position + last
        position += len(data)
    if rest > begin:
        ends.append(rest)
    return Cuts(ends, rest)


def cut_lines(file: IO[bytes], start: int, size: int, window: int) -> Cuts:
    """Cut a file of lines; only the surroundings of the cuts are read. See `cut_quoted`."""
    ends: list[int] = []
    begin = start
    while begin + window <= size:
        behind = _behind_newline(file, begin + window - 1, size)
        if behind is None:
            break
        begin = behind
        ends.append(begin)
    rest = _behind_last_newline(file, begin, size)
    if rest > begin:
        ends.append(rest)
    return Cuts(ends, rest)


def _behind_newline(file: IO[bytes], start: int, size: int) -> int | None:
    position = start
    for data in _blocks(file, start, size, first=1 << 16):
        found = data.find(_NEWLINE)
        if found >= 0:
            return position + found + 1
        position += len(data)
    return None


def _behind_last_newline(file: IO[bytes], start: int, size: int) -> int:
    end = size
    while end > start:
        begin = max(start, end - BLOCK)
        data = b"".join(_blocks(file, begin, end))
        found = data.rfind(_NEWLINE)
        if found >= 0:
            return begin + found + 1
        end = begin
    return start


def _blocks(file: IO[bytes], start: int, end: int, first: int = BLOCK) -> Iterator[bytes]:
    file.seek(start)
    length = first
    while start < end:
        data = file.read(min(length, end - start))
        if not data:
            raise Incomplete(f"the file ends at byte {start}, not {end} as it was listed")
        yield data
        start += len(data)
        length = BLOCK
