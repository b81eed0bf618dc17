"""How often tables and their columns were used: by user, day and access."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flowkeep.extraction.logs.outputs.buckets import Buckets
from flowkeep.extraction.logs.outputs.expressions import day_text, time_text
from flowkeep.extraction.logs.outputs.queries import TABLE_NAMES

if TYPE_CHECKING:
    import polars as pl

_KEY = (
    *("database_name", "schema_name", "table_name", "column_name"),
    *("user_name", "day", "access"),
)
_SUMS = ("queries", "calls", "errors", "timed_calls", "duration_us")


def usage_rows(buckets: Buckets) -> Iterator["pl.DataFrame"]:
    """Yield the rows of the kind `query_usage`.

    Args:
        buckets: The buckets.
    """
    return buckets.merged(lambda bucket: _of_bucket(buckets, bucket), _added_up)


def _of_bucket(buckets: Buckets, bucket: int) -> "pl.DataFrame":
    import polars as pl

    usage = buckets.read("usage", bucket).rename({"user": "user_name"})
    access = buckets.read("access", bucket).rename({**TABLE_NAMES, "column": "column_name"})
    return (
        access.join(usage, on="key", how="inner")
        .with_columns(day_text("day"))
        .group_by(_KEY)
        .agg(
            pl.n_unique("key").cast(pl.Int64).alias("queries"),
            pl.sum("calls"),
            pl.sum("errors"),
            pl.sum("timed").alias("timed_calls"),
            pl.sum("duration").alias("duration_us"),
            pl.min("first"),
            pl.max("last"),
            pl.col("exact").all(),
        )
    )


def _added_up(parts: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    return (
        parts.group_by(_KEY)
        .agg(
            *(pl.sum(name) for name in _SUMS),
            pl.min("first"),
            pl.max("last"),
            pl.col("exact").all(),
        )
        .sort(_KEY)
        .with_columns(
            time_text("first").alias("first_run_at"), time_text("last").alias("last_run_at")
        )
    )
