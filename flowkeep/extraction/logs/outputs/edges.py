"""From which columns to which data goes, and which queries prove it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flowkeep.extraction.logs.outputs.buckets import Buckets
from flowkeep.extraction.logs.outputs.expressions import json_list, time_text

if TYPE_CHECKING:
    import polars as pl

_MOST_EVIDENCE = 20
"""Queries that an edge names: the first by their keys."""
_NAMES = {
    "from_database": "source_database_name",
    "from_schema": "source_schema_name",
    "from_table": "source_table_name",
    "from_column": "source_column_name",
    "to_database": "database_name",
    "to_schema": "schema_name",
    "to_table": "table_name",
    "to_column": "column_name",
}
_KEY = (*_NAMES.values(), "transformation")


def edge_rows(buckets: Buckets) -> Iterator["pl.DataFrame"]:
    """Yield the rows of the kind `lineage_edges`.

    Args:
        buckets: The buckets.
    """
    return buckets.merged(lambda bucket: _of_bucket(buckets, bucket), _added_up)


def _of_bucket(buckets: Buckets, bucket: int) -> "pl.DataFrame":
    import polars as pl

    usage = (
        buckets.read("usage", bucket)
        .group_by("key")
        .agg(pl.sum("calls"), pl.min("first"), pl.max("last"))
    )
    edges = buckets.read("edges", bucket).rename(_NAMES)
    return (
        edges.join(usage, on="key", how="inner")
        .group_by(_KEY)
        .agg(
            pl.col("key").unique().sort().alias("evidence"),
            pl.sum("calls"),
            *_of_all(),
        )
        .with_columns(pl.col("evidence").list.len().cast(pl.Int64).alias("queries"))
        .with_columns(pl.col("evidence").list.head(_MOST_EVIDENCE))
    )


def _added_up(parts: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    return (
        parts.group_by(_KEY)
        .agg(
            pl.col("evidence").explode().sort().head(_MOST_EVIDENCE),
            pl.sum("queries"),
            pl.sum("calls"),
            *_of_all(),
        )
        .sort(_KEY)
        .with_columns(
            json_list("evidence"),
            time_text("first").alias("first_run_at"),
            time_text("last").alias("last_run_at"),
        )
    )


def _of_all() -> tuple["pl.Expr", ...]:
    import polars as pl

    return (
        pl.min("first"),
        pl.max("last"),
        pl.col("exact").any(),
        pl.col("direct").any(),
    )
