"""Cutting a stretch of time into windows of about as many rows, by counting on the server."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from flowkeep.extraction.logs.sources.history_statements import HistoryStatements
from flowkeep.extraction.sources.base import Session

_MOST_BUCKETS = 100_000
"""Buckets of the first count; a longer stretch gets wider ones."""
_LEAST_PARTS, _MOST_PARTS = 64, 1_000
"""Parts into which a bucket with too many rows is cut."""


class Stretch(NamedTuple):
    """Rows of `[start, end)`, in microseconds, or a part of them.

    Attributes:
        start: First microsecond.
        end: First one behind.
        rows: How many rows were counted.
        part: Which part by hash of the id, and of how many; None for all rows.
    """

    start: int
    end: int
    rows: int
    part: tuple[int, int] | None = None


class RowCounter:
    """Counts rows in one snapshot.

    Args:
        session: Where.
        statements: Over which table.
        target: Rows of a window.
    """

    def __init__(self, session: Session, statements: HistoryStatements, target: int) -> None:
        self._session = session
        self._statements = statements
        self._target = target

    def buckets(self, start: int, end: int, width: int) -> Iterator[Stretch]:
        """Yield the buckets of `[start, end)` that are not empty, in order."""
        if start >= end:
            return
        for bucket, rows in self._session.rows(self._statements.buckets(start, end, width)):
            low = start + int(bucket) * width
            yield Stretch(low, min(low + width, end), int(rows))

    def windows(self, start: int, end: int, width: int) -> Iterator[Stretch]:
        """Yield windows of at most the target's rows that hold all rows of `[start, end)`.

        Neighbours are packed together. A bucket with too many rows is counted in ever smaller
        ones, down to a microsecond; that one is split by hash of the id where there is one. Only
        a microsecond that cannot be split makes a window with more rows.

        Args:
            start: First microsecond.
            end: First one behind.
            width: Microseconds of a bucket.
        """
        return self._packed(self._split(start, end, max(width, -(-(end - start) // _MOST_BUCKETS))))

    def _split(self, start: int, end: int, width: int) -> Iterator[Stretch]:
        for bucket in self.buckets(start, end, width):
            if bucket.rows <= self._target:
                yield bucket
            elif bucket.end - bucket.start > 1:
                parts = min(max(4 * bucket.rows // self._target, _LEAST_PARTS), _MOST_PARTS)
                smaller = -(-(bucket.end - bucket.start) // parts)
                yield from self._split(bucket.start, bucket.end, smaller)
            else:
                yield from self._hashed(bucket)

    def _hashed(self, moment: Stretch) -> Iterator[Stretch]:
        parts = -(-moment.rows // self._target)
        statement = self._statements.parts(moment.start, moment.end, parts)
        if statement is None:
            yield moment
            return
        for part, rows in self._session.rows(statement):
            yield moment._replace(rows=int(rows), part=(int(part), parts))

    def _packed(self, stretches: Iterable[Stretch]) -> Iterator[Stretch]:
        window: Stretch | None = None
        for stretch in stretches:
            if window is None:
                window = stretch
            elif window.part or stretch.part or window.rows + stretch.rows > self._target:
                yield window
                window = stretch
            else:
                window = Stretch(window.start, stretch.end, window.rows + stretch.rows)
        if window is not None:
            yield window
