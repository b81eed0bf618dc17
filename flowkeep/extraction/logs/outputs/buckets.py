"""The buckets of a run, and sums over all of them in flat memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from flowkeep.extraction.logs.frames import empty_frame, read_frame
from flowkeep.extraction.logs.location import LogLocation
from flowkeep.extraction.logs.schemas import ACCESS, EDGES, PARSED
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import polars as pl

Partial: TypeAlias = "Callable[[int], pl.DataFrame]"
"""The sums of one bucket."""
Whole: TypeAlias = "Callable[[pl.DataFrame], pl.DataFrame]"
"""The sums of sums."""

_OF_PARSING = {"parsed": PARSED, "access": ACCESS, "edges": EDGES}
_SLICE_ROWS = 500_000
"""Rows of partial sums that are added up at a time."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """What the activities before left of a run's shapes.

    Attributes:
        storage: Where their files lie.
        location: Folder of the run.
        count: How many buckets there are.
        parsed: Whether the shapes were parsed; else nobody knows what they read and write.
    """

    storage: Storage
    location: LogLocation
    count: int
    parsed: bool = True

    def read(self, name: str, bucket: int) -> "pl.DataFrame":
        """Return one file of a bucket: `usage`, `shapes`, `windows`, `parsed`, `access`, `edges`.

        Raises:
            NotFound: If the activity that makes it did not run.
        """
        if not self.parsed and name in _OF_PARSING:
            return self._unparsed(bucket) if name == "parsed" else empty_frame(_OF_PARSING[name])
        return read_frame(self.storage, self.location.bucket(f"work/{name}", bucket))

    def _unparsed(self, bucket: int) -> "pl.DataFrame":
        """Say of each shape that it was not parsed, or why it could not have been."""
        import polars as pl

        failed = pl.col("failure").is_not_null()
        status = pl.when(failed).then(pl.lit("failed")).otherwise(pl.lit("unparsed"))
        return self.read("shapes", bucket).select(
            "key",
            status.alias("status"),
            pl.col("failure").alias("reason"),
            "kind",
            pl.lit("[]").alias("problems"),
            pl.lit(value=False).alias("cached"),
        )

    def merged(self, partial: Partial, whole: Whole) -> Iterator["pl.DataFrame"]:
        """Yield the sums over all buckets, table by table: no row of one frame is in another.

        Args:
            partial: Sums up a bucket; its rows name a table.
            whole: Adds up such sums.
        """
        import polars as pl

        rows = sum(partial(bucket).height for bucket in range(self.count)) if self.count > 1 else 0
        slices = max(1, -(-rows // _SLICE_ROWS))
        table = pl.struct("database_name", "schema_name", "table_name")
        for number in range(slices):
            mine = table.hash() % slices == number
            merged = whole(pl.concat([partial(n).filter(mine) for n in range(self.count)]))
            if merged.height:
                yield merged

    def statements_by_window(self) -> dict[int, dict[str, int]]:
        """Return for each window how many of its statements are `parsed`, `utility`, `failed`."""
        import polars as pl

        found: dict[int, dict[str, int]] = {}
        for bucket in range(self.count):
            status = self.read("parsed", bucket).select("key", "status")
            counts = (
                self.read("windows", bucket)
                .join(status, on="key", how="left")
                .group_by("window", "status")
                .agg(pl.sum("statements"))
            )
            for window, name, statements in counts.iter_rows():
                of_window = found.setdefault(window, {})
                of_window[name] = of_window.get(name, 0) + statements
        return found
