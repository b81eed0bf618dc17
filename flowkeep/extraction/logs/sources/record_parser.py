"""What the parsers of all kinds of log files share: accounts of a window, block by block."""

from abc import ABC, abstractmethod
from itertools import accumulate

from flowkeep.extraction.logs.sources.log_time import LogTime, UnknownTimezone
from flowkeep.extraction.logs.sources.record_blocks import RecordBlock
from flowkeep.extraction.logs.statement import Chunk, Rejected

SWAPPED = 1_000_000
"""Microseconds by which records may lie in the wrong order without a word: processes take the
time of their records before they queue for the log."""
NUL = "\x00"
_NUL_SHOWN = "\ufffd"
_RECORDS = 2_000
_BYTES = 4 << 20
_INT64 = 1 << 63


class RecordParser(ABC):
    """Turns the records of one window into chunks. A new one for each window.

    Args:
        name: Name of the file, for places.
        time: Reads times.
        longest: Bytes of the longest record that is looked into.
    """

    def __init__(self, name: str, time: LogTime, longest: int) -> None:
        self.name = name
        self.time = time
        self.longest = longest
        self.latest = -(1 << 63)
        """Time of the record before, in microseconds since 1970 UTC."""
        self.chunk = Chunk()
        self.statements = self.chunk.statements

    @property
    def full(self) -> bool:
        """Whether the chunk is large enough to be handed on."""
        return self.chunk.read >= _RECORDS or self.chunk.bytes >= _BYTES

    def taken(self) -> Chunk:
        """Return the chunk, and begin a new one."""
        chunk = self.chunk
        self.chunk = Chunk()
        self.statements = self.chunk.statements
        return chunk

    def parse(self, block: RecordBlock) -> None:
        """Add what a block of records says to the chunk."""
        self.chunk.bytes += block.size
        if block.too_long:
            self.chunk.read += 1
            self.reject("too_long", block.start, length=block.size)
            return
        records = block.records
        sizes = [len(record) + 1 for record in records]
        offsets = list(accumulate(sizes[:-1], initial=block.start))
        if max(sizes) > self.longest or any(map(bytes.isspace, records)) or min(sizes) == 1:
            records, offsets = self._of_use(records, offsets)
        self.chunk.read += len(records)
        if records:
            self.add(records, offsets, unfinished=block.unfinished)

    @abstractmethod
    def add(self, records: list[bytes], offsets: list[int], *, unfinished: bool) -> None:
        """Add records to the chunk.

        Args:
            records: The records, none of them blank.
            offsets: Where each begins in the file.
            unfinished: Whether the only record lacks its end.
        """

    def _of_use(self, records: list[bytes], offsets: list[int]) -> tuple[list[bytes], list[int]]:
        """Return records and offsets without the blank ones and those that are too long."""
        some, places = [], []
        for record, offset in zip(records, offsets, strict=True):
            if len(record) > self.longest:
                self.chunk.read += 1
                self.reject("too_long", offset, length=len(record))
            elif record and not record.isspace():
                some.append(record)
                places.append(offset)
        return some, places

    def reject(
        self,
        reason: str,
        offset: int,
        *,
        at: int | None = None,
        user: str = "",
        database: str = "",
        length: int = 0,
    ) -> None:
        """Account for a record that cannot be read."""
        place = f"{self.name}:{offset}"
        self.chunk.rejected.append(Rejected(reason, at, place, user, database, length))

    def note(self, code: str) -> None:
        """Count something that the report is to say."""
        self.chunk.notes[code] = self.chunk.notes.get(code, 0) + 1

    def count_other(self, what: str) -> None:
        """Count a record that is no statement."""
        self.chunk.other[what] = self.chunk.other.get(what, 0) + 1

    def decoded(self, record: bytes) -> str:
        """Return a record as text; what is not UTF-8 is replaced, and noted."""
        try:
            return record.decode()
        except UnicodeDecodeError:
            self.note("not_utf8")
            return record.decode(errors="replace")

    def without_nul(self, text: str) -> str:
        """Return a text without NUL characters, which SQL cannot hold; they are noted."""
        if NUL not in text:
            return text
        self.note("nul_characters")
        return text.replace(NUL, _NUL_SHOWN)


def time_problem(error: Exception) -> str:
    """Return the reason for which a record is rejected whose time cannot be read."""
    return "unknown_timezone" if isinstance(error, UnknownTimezone) else "bad_timestamp"


def signed(number: int) -> int:
    """Return a 64-bit number as PostgreSQL's bigint shows it; 0 for one that does not fit."""
    if -_INT64 <= number < _INT64:
        return number
    return number - 2 * _INT64 if 0 < number < 2 * _INT64 else 0
