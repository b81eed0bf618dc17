"""Counting the statements of a window by shape, user, database and day.

What was counted is written out whenever it has grown large, and counting goes on from nothing: the
rows of one window may name the same shape several times, and whoever reads them adds them up.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import orjson

from flowkeep.extraction.logs.shape import Shape, Shaper, Unreadable
from flowkeep.extraction.logs.statement import Chunk, LoggedStatement, Rejected

DAY = 86_400_000_000
"""Microseconds of a day."""
_MOST_COUNTS = 100_000
_MOST_TEXT = 32 * 1024 * 1024
_BUCKETS = 256
"""Most buckets: the first byte of a key says which one it is."""


def bucket_of(key: str, buckets: int) -> int:
    """Return the bucket of a shape.

    Args:
        key: The shape's key, hexadecimal.
        buckets: How many there are, at most 256.
    """
    return int(key[:2], 16) * buckets // _BUCKETS


class Tally:
    """Counts statements.

    Args:
        shaper: Tells which statements differ in their literals only.
        keep_sample: Whether the first statement of each shape is kept as it was logged.
        database: Database of statements that name none.

    Attributes:
        statements: Executions counted so far, failed ones included.
        rejected: Rows so far that were no statements, although they should be.
    """

    def __init__(self, shaper: Shaper, *, keep_sample: bool = False, database: str = "") -> None:
        self._shaper = shaper
        self._keep_sample = keep_sample
        self._database = database
        self._counts: dict[tuple[str, str, str, int | None], list[Any]] = {}
        self._shapes: dict[str, list[Any]] = {}
        self._by_shape: dict[tuple[str, str], str] = {}
        self._text = 0
        self.statements = 0
        self.rejected = 0

    @property
    def full(self) -> bool:
        """Whether it is time to take the rows out."""
        return len(self._counts) >= _MOST_COUNTS or self._text >= _MOST_TEXT

    def add(self, chunk: Chunk) -> None:
        """Count a chunk."""
        for statement in chunk.statements:
            database = statement.database or self._database
            key = self._key(statement, database)
            self._count(statement, key, database)
        for row in chunk.rejected:
            self._reject(row)

    def take(self, buckets: int) -> Iterator[tuple[int, list[Any], list[Any]]]:
        """Yield bucket, rows of `USAGE` and rows of `SHAPES`, and forget them."""
        counts: dict[int, list[Any]] = {}
        for (key, user, database, day), numbers in self._counts.items():
            row = (key, user, database, day, *numbers)
            counts.setdefault(bucket_of(key, buckets), []).append(row)
        shapes: dict[int, list[Any]] = {}
        for key, fields in self._shapes.items():
            shapes.setdefault(bucket_of(key, buckets), []).append(fields)
        self._counts, self._shapes, self._text = {}, {}, 0
        self._by_shape = {}
        for bucket in sorted(counts):
            yield bucket, counts[bucket], shapes.get(bucket, [])

    def _key(self, statement: LoggedStatement, database: str) -> str:
        shape = self._shaper.shape(statement.text)
        if isinstance(shape, Shape):
            name = shape.key
        else:  # the server's identifier tells apart what cannot be read
            name = f"unreadable {shape.reason} {statement.query_id}"
        key = self._by_shape.get((database, name), "")
        if not key:
            key = _digest("shape", database, name)
            self._by_shape[database, name] = key
            self._describe(key, shape, statement, database)
        return key

    def _count(self, statement: LoggedStatement, key: str, database: str) -> None:
        calls, errors, at, duration = (
            statement.calls,
            statement.errors,
            statement.at,
            statement.duration,
        )
        self.statements += calls + errors
        place = (key, statement.user, database, at // DAY)
        counted = self._counts.get(place)
        if counted is None:
            counted = self._counts[place] = [0, 0, 0, 0, 0, None, None, 0, at, at]
        counted[0] += calls
        counted[1] += errors
        if duration is not None:
            counted[3] += calls or errors
            counted[4] += duration
            if calls == 1:
                counted[5] = duration if counted[5] is None else min(counted[5], duration)
                counted[6] = duration if counted[6] is None else max(counted[6], duration)
        if statement.rows:
            counted[7] += statement.rows
        if at < counted[8]:
            counted[8] = at
        elif at > counted[9]:
            counted[9] = at

    def _describe(
        self, key: str, shape: Shape | Unreadable, statement: LoggedStatement, database: str
    ) -> None:
        query_id = statement.query_id
        sample = statement.text if self._keep_sample else None
        length = len(statement.text)
        end = (length, sample, statement.place, statement.at)
        if isinstance(shape, Shape):
            tables = orjson.dumps(shape.tables).decode()
            what = (shape.kind, shape.fingerprint, shape.parser, shape.text, shape.dropped, tables)
            row = [key, shape.key, database, query_id, *what, None, None, *end]
            self._text += len(shape.text or "")
        else:
            nothing = ("", None, None, None, None, "[]")
            row = [key, None, database, query_id, *nothing, shape.reason, shape.position, *end]
        self._text += len(sample or "")
        self._shapes[key] = row

    def _reject(self, row: Rejected) -> None:
        self.rejected += 1
        database = row.database or self._database
        key = _digest("rejected", database, row.reason)
        if key not in self._shapes:
            nothing = ("", None, None, None, None, "[]")
            end = (row.length, None, row.place, row.at)
            self._shapes[key] = [key, None, database, 0, *nothing, row.reason, None, *end]
        day = None if row.at is None else row.at // DAY
        place = (key, row.user, database, day)
        counted = self._counts.get(place)
        if counted is None:
            counted = self._counts[place] = [0, 0, 0, 0, 0, None, None, 0, row.at, row.at]
        counted[2] += 1
        if row.at is not None:
            counted[8] = min(counted[8], row.at)
            counted[9] = max(counted[9], row.at)


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
