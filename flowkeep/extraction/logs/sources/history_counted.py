"""Which rows were counted: so that rows that arrive late are counted too, and only once."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from flowkeep.extraction.logs.sources.base import Memory

if TYPE_CHECKING:
    import pyarrow as pa

_IDENTITY_BYTES = 16
_TABLE_ROWS = 1_000_000


def identities(rows: Iterable[tuple[Any, ...]], ids: Iterable[str | None]) -> Iterator[bytes]:
    """Yield what tells rows apart: the id of the execution, or all columns where it has none.

    Args:
        rows: The mapped columns of each row.
        ids: The id of each row.
    """
    import orjson

    for row, own in zip(rows, ids, strict=False):
        named = orjson.dumps(row if own is None else own)
        yield blake2b(named, digest_size=_IDENTITY_BYTES).digest()


class NewlyCounted:
    """Remembers rows for the next run.

    Args:
        memory: Where.
        since: Earlier rows need not be remembered; microseconds since 1970.
    """

    def __init__(self, memory: Memory, since: int) -> None:
        self._memory = memory
        self.since = since
        self._identities = bytearray()
        self._moments = array("q")

    def add(self, rows: Iterable[tuple[bytes, int]]) -> None:
        """Remember the identities of rows whose time is recent enough.

        Args:
            rows: Identity and time of each.
        """
        recent = [row for row in rows if row[1] >= self.since]
        self._identities += b"".join([identity for identity, _ in recent])
        self._moments.extend([at for _, at in recent])
        if len(self._moments) >= _TABLE_ROWS:
            self.keep()

    def keep(self) -> None:
        """Hand over what was remembered."""
        import pyarrow as pa

        if not self._moments:
            return
        count = len(self._moments)
        arrays = [
            pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(_IDENTITY_BYTES), count, [None, pa.py_buffer(bytes(self._identities))]
            ),
            pa.array(self._moments, pa.int64()),
        ]
        self._memory.keep(pa.table(arrays, names=["identity", "at"]))
        self._identities, self._moments = bytearray(), array("q")


class CountedBefore:
    """What earlier runs counted in the stretch in which rows may still arrive.

    Args:
        memory: What they kept.
        start: Where the stretch begins, in microseconds.
        end: Where it ends.
        width: Of a bucket, in microseconds; bucket 0 begins at `start`.

    Attributes:
        rows: Bucket to the number of rows.

    Raises:
        NotFound: If a file has gone.
    """

    def __init__(self, memory: Memory, start: int, end: int, width: int) -> None:
        import pyarrow.compute as pc

        self.rows: Counter[int] = Counter()
        self._spans: dict[str, tuple[int, int]] = {}
        for key in memory.kept:
            for table in memory.recall([key]):
                if not table.num_rows:
                    continue
                self._widen(key, *pc.min_max(table["at"]).as_py().values())
                moments = _between(table, start, end)["at"]
                for one in pc.value_counts(pc.divide(pc.subtract(moments, start), width)):
                    self.rows[one["values"].as_py()] += one["counts"].as_py()

    def files(self, start: int, end: int | None = None) -> list[str]:
        """Return the keys of the files that hold rows of a stretch of time."""
        return [
            key
            for key, (low, high) in self._spans.items()
            if high >= start and (end is None or low < end)
        ]

    def _widen(self, key: str, low: int, high: int) -> None:
        known = self._spans.get(key, (low, high))
        self._spans[key] = (min(low, known[0]), max(high, known[1]))


def recall(memory: Memory, keys: list[str], start: int, end: int) -> Counter[bytes]:
    """Return how often each row of a stretch of time was counted.

    Args:
        memory: What earlier runs kept.
        keys: Files that may hold such rows.
        start: First microsecond.
        end: First one behind.

    Raises:
        NotFound: If a file has gone.
    """
    found: Counter[bytes] = Counter()
    for table in memory.recall(keys):
        found.update(_between(table, start, end)["identity"].to_pylist())
    return found


def _between(table: "pa.Table", start: int, end: int) -> "pa.Table":
    import pyarrow.compute as pc

    at = table["at"]
    return table.filter(pc.and_(pc.greater_equal(at, start), pc.less(at, end)))
