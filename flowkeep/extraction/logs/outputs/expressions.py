"""Expressions that the tables of an extraction share."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


def time_text(name: str) -> "pl.Expr":
    """Return microseconds since 1970 as RFC 3339 text in UTC, which sorts as times do."""
    import polars as pl

    return pl.col(name).cast(pl.Datetime("us")).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")


def day_text(name: str) -> "pl.Expr":
    """Return days since 1970 as ISO 8601 text; empty where there is none."""
    import polars as pl

    return pl.col(name).cast(pl.Date).dt.strftime("%Y-%m-%d").fill_null("")


def json_list(name: str) -> "pl.Expr":
    """Return a list of texts as a JSON array."""
    import polars as pl

    text = pl.struct(pl.col(name).alias("list")).struct.json_encode()
    return text.str.strip_prefix('{"list":').str.strip_suffix("}").alias(name)
