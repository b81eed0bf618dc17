"""64-bit hashes of names and contents: sets of millions of objects in flat memory.

Two different names share a hash with a probability of about n² / 2⁶⁵ for n names (birthday bound):
4·10⁻⁷ for the four million of two runs with two million objects each. Sets that are to be free of
repeats are checked for that, so a collision is noticed and met with another seed.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Self

from flowkeep.extraction.metadata.parts import open_part
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import polars as pl

_IN_MEMORY_BYTES = 4 * 1024 * 1024
_BUCKET_ROWS = 200_000
_MOST_BUCKETS = 64


class HashSpool:
    """Rows of 64-bit hashes on a local disk, given back in buckets that fit into memory.

    Few rows stay in memory. All rows with one value in the first column come in one bucket.

    Args:
        columns: Names of the columns.

    Attributes:
        rows: Rows so far.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, prefix="flowkeep-")  # noqa: SIM115 - `with` of the spool closes it
        self._blocks: list[int] = []
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, hashes: "pl.DataFrame") -> None:
        """Add rows.

        Args:
            hashes: Its columns are those of the spool, unsigned 64-bit integers without nulls.
        """
        for name in self._columns:
            values = hashes[name].rechunk().to_arrow()
            start = 8 * values.offset
            self._file.write(memoryview(values.buffers()[1])[start : start + 8 * len(values)])
        self._blocks.append(hashes.height)
        self.rows += hashes.height

    def buckets(self, rows: int | None = None) -> int:
        """Return into how many buckets so many rows are to be divided."""
        wanted = -(-(self.rows if rows is None else rows) // _BUCKET_ROWS)
        return max(1, min(wanted, _MOST_BUCKETS))

    def bucket(self, number: int, count: int) -> "pl.DataFrame":
        """Return one of `count` buckets, sorted by the first column."""
        import polars as pl

        first = pl.col(self._columns[0])
        found = [block.filter(first % count == number) for block in self._read()]
        schema = dict.fromkeys(self._columns, pl.UInt64)
        return pl.concat([pl.DataFrame(schema=schema), *found]).sort(first)

    def _read(self) -> Iterator["pl.DataFrame"]:
        import polars as pl
        import pyarrow as pa

        self._file.seek(0)
        for rows in self._blocks:
            columns = {}
            for name in self._columns:
                buffer = pa.py_buffer(self._file.read(8 * rows))
                columns[name] = pa.Array.from_buffers(pa.uint64(), rows, [None, buffer])
            block = pl.from_arrow(pa.table(columns))
            assert isinstance(block, pl.DataFrame)
            yield block


def repeats(spool: HashSpool) -> "pl.Series":
    """Return what comes more than once in a spool's first column, sorted, each once."""
    import polars as pl

    count = spool.buckets()
    found = [pl.Series(dtype=pl.UInt64)]
    for number in range(count):
        values = spool.bucket(number, count).to_series(0)
        found.append(values.filter(values == values.shift(1)).unique())
    return pl.concat(found).sort()


def name_hashes(rows: "pl.DataFrame", columns: Sequence[str]) -> "pl.Series":
    """Return the hash of each row's values in some columns; their names do not matter."""
    return rows.select(columns).hash_rows()


def contained(values: "pl.Series", among: "pl.Series") -> "pl.Series":
    """Return which of some hashes are in a sorted series, by binary search."""
    if among.is_empty():
        return values.is_null()  # hashes never are
    return among.gather(positions(values, among)) == values


def positions(values: "pl.Series", among: "pl.Series") -> "pl.Series":
    """Return where in a sorted series, which is not empty, each hash is or would be."""
    return among.search_sorted(values).clip(0, len(among) - 1)


def spool_entities(
    storage: Storage, keys: Iterable[str], *, content: bool = True, seed: int = 0
) -> HashSpool:
    """Return the hashes of the entities in some files.

    Args:
        storage: Where the files lie.
        keys: Keys of Parquet files with entities.
        content: Whether the content's hash is wanted too.
        seed: Another one gives other hashes.

    Returns:
        A spool with the columns `name`, of the guid, and if wanted `content`.

    Raises:
        NotFound: If a file is gone.
    """
    import polars as pl

    columns = {"guid": "name", "contentHash": "content"} if content else {"guid": "name"}
    spool = HashSpool(list(columns.values()))
    hashed = [pl.col(column).hash(seed).alias(name) for column, name in columns.items()]
    try:
        for key in keys:
            for read in row_groups(storage, key):
                spool.add(read(list(columns)).select(hashed))
    except BaseException:
        spool.__exit__()
        raise
    return spool


def row_groups(storage: Storage, key: str) -> Iterator[Callable[[list[str]], "pl.DataFrame"]]:
    """Yield for each row group of a file what reads some of its columns.

    Args:
        storage: Where the file lies.
        key: Key of a Parquet file.
    """
    import polars as pl

    with open_part(storage, key) as part:
        for number in range(part.num_row_groups):

            def read(columns: list[str], number: int = number) -> "pl.DataFrame":
                rows = pl.from_arrow(part.read_row_group(number, columns=columns))
                assert isinstance(rows, pl.DataFrame)
                return rows

            yield read
