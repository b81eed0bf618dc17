"""The shapes of a bucket with their counts and what they read and write."""

from typing import TYPE_CHECKING

from flowkeep.extraction.logs.outputs.buckets import Buckets
from flowkeep.extraction.logs.outputs.expressions import json_list, time_text
from flowkeep.extraction.metadata.kinds import KINDS
from flowkeep.extraction.metadata.names import Naming

if TYPE_CHECKING:
    import polars as pl

_MOST_USERS = 20
"""Users that a query names: those who ran it most."""
_RENAMED = {
    "database": "database_name",
    "key": "query_key",
    "kind": "statement_kind",
    "dropped": "text_dropped",
    "timed": "timed_calls",
    "duration": "duration_us",
    "fastest": "fastest_us",
    "slowest": "slowest_us",
    "sample": "sample_text",
}
TABLE_NAMES = {
    "table_database": "database_name",
    "table_schema": "schema_name",
}


def query_rows(buckets: Buckets, bucket: int, naming: Naming) -> "pl.DataFrame":
    """Return the rows of the kind `queries` that a bucket holds.

    Args:
        buckets: The buckets.
        bucket: Number of the bucket.
        naming: How tables are named.
    """
    import polars as pl

    usage = buckets.read("usage", bucket)
    shapes = buckets.read("shapes", bucket).drop("first")
    others = (
        _counts(usage),
        _users(usage),
        buckets.read("parsed", bucket).select("key", "status", "reason", "problems"),
        _tables(buckets, bucket, naming, "read", "tables_read"),
        _tables(buckets, bucket, naming, "write", "tables_written"),
    )
    for other in others:
        shapes = shapes.join(other, on="key", how="left")
    query_id = pl.col("query_id")
    return (
        shapes.sort("key")
        .with_columns(
            pl.when(query_id != 0).then(query_id.cast(pl.String)).alias("query_id"),
            pl.col("tables_read", "tables_written", "users", "problems").fill_null("[]"),
            time_text("first").alias("first_run_at"),
            time_text("last").alias("last_run_at"),
        )
        .rename(_RENAMED)
    )


def _counts(usage: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    sums = ("calls", "errors", "rejected", "timed", "duration", "rows")
    return usage.group_by("key").agg(
        *(pl.sum(name) for name in sums),
        *(pl.min(name) for name in ("fastest", "first")),
        *(pl.max(name) for name in ("slowest", "last")),
    )


def _users(usage: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    runs = pl.sum("calls") + pl.sum("errors")
    return (
        usage.filter(pl.col("user") != "")
        .group_by("key", "user")
        .agg(runs.alias("runs"))
        .sort("key", "runs", "user", descending=[False, True, False])
        .group_by("key", maintain_order=True)
        .agg(pl.col("user").head(_MOST_USERS).alias("users"))
        .with_columns(json_list("users"))
    )


def _tables(
    buckets: Buckets, bucket: int, naming: Naming, access: str, name: str
) -> "pl.DataFrame":
    """Return the qualified names of the tables that each shape reads, or writes."""
    import polars as pl

    of_tables = (pl.col("column") == "") & (pl.col("access") == access)
    return (
        buckets.read("access", bucket)
        .filter(of_tables)
        .rename(TABLE_NAMES)
        .select("key", naming.of(KINDS["tables"]).alias(name))
        .group_by("key")
        .agg(pl.col(name).unique().sort())
        .with_columns(json_list(name))
    )
