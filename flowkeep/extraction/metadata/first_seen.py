"""When each entity was seen first: taken over from the run that a scope is compared with."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from flowkeep.extraction.metadata.parts import read_tables
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import polars as pl


class FirstSeen:
    """Looks up `firstSeen` by guid; twelve bytes for each entity of the earlier run.

    Args:
        hashes: 64-bit hashes of the guids, sorted.
        times: The time that belongs to each, RFC 3339; few different ones.
    """

    def __init__(self, hashes: "pl.Series", times: "pl.Series") -> None:
        self._hashes = hashes
        self._times = times

    @classmethod
    def read(cls, storage: Storage, keys: Sequence[str]) -> Self:
        """Read what an earlier run wrote about one kind of one database.

        Args:
            storage: Where its files lie.
            keys: Keys of its asset files in Parquet.

        Raises:
            NotFound: If a file has gone.
        """
        import polars as pl

        frames = [pl.DataFrame(schema={"guid": pl.UInt64, "firstSeen": pl.Categorical})]
        for key in keys:
            for table in read_tables(storage, key, ["guid", "firstSeen"]):
                part = pl.from_arrow(table)
                assert isinstance(part, pl.DataFrame)
                frames.append(
                    part.select(pl.col("guid").hash(), pl.col("firstSeen").cast(pl.Categorical))
                )
        found = _sorted(pl.concat(frames))
        return cls(found["guid"], found["firstSeen"])

    def of(self, guids: "pl.Series", otherwise: str) -> "pl.Series":
        """Return the time for each guid.

        Args:
            guids: Guids as text.
            otherwise: The time for those that are new.
        """
        import polars as pl

        if self._hashes.is_empty():
            return pl.Series("firstSeen", [otherwise], dtype=pl.String).new_from_index(
                0, len(guids)
            )
        wanted = guids.hash()
        places = self._hashes.search_sorted(wanted).clip(upper_bound=len(self._hashes) - 1)
        known = self._hashes.gather(places) == wanted
        times = self._times.gather(places).cast(pl.String)
        return pl.select(
            pl.when(known).then(times).otherwise(pl.lit(otherwise)).alias("firstSeen")
        ).to_series()


def _sorted(found: "pl.DataFrame") -> "pl.DataFrame":
    """Sort by guid, a sixteenth of the values at a time: sorting needs several times its input."""
    import polars as pl

    sixteenths = (pl.col("guid") // 2**60 == number for number in range(16))
    return pl.concat((found.filter(one).sort("guid") for one in sixteenths), rechunk=True)
