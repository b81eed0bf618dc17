"""Putting together what all windows say of the shapes of one bucket."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from flowkeep.extraction.logs.fetch import Receipt
from flowkeep.extraction.logs.frames import empty_frame, read_frame, store_frame
from flowkeep.extraction.logs.location import LogLocation
from flowkeep.extraction.logs.schemas import SHAPES, USAGE
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import polars as pl

WINDOWS = {"window": "int64", "key": "string", "statements": "int64"}
"""How many executions of a shape each window holds."""

_Merge: TypeAlias = "Callable[[pl.DataFrame], pl.DataFrame]"

_FOLD_ROWS = 250_000
"""Rows that are gathered before they are added up."""


def reduce_bucket(
    storage: Storage, location: LogLocation, receipts: Sequence[Receipt], bucket: int
) -> tuple[int, int]:
    """Add up the counts of a bucket and keep one description per shape.

    Args:
        storage: Where the windows' files lie.
        location: Folder of the run.
        receipts: Those of all windows.
        bucket: Number of the bucket.

    Returns:
        Executions and shapes of the bucket.
    """
    import polars as pl

    usage = _fold(_usage(storage, receipts, bucket), _add_up)
    shapes = _fold(_shapes(storage, receipts, bucket), _first_of_each)
    windows = [
        frame.group_by("key")
        .agg(pl.sum("calls").add(pl.sum("errors")).alias("statements"))
        .with_columns(pl.lit(number, pl.Int64).alias("window"))
        for number, frame in _by_window(storage, receipts, bucket)
    ]
    by_window = pl.concat(windows) if windows else empty_frame(WINDOWS)
    for name, columns, frame in (
        ("usage", USAGE, usage if usage is not None else empty_frame(USAGE)),
        ("shapes", SHAPES, shapes if shapes is not None else empty_frame(SHAPES)),
        ("windows", WINDOWS, by_window),
    ):
        store_frame(storage, location.bucket(f"work/{name}", bucket), columns, frame)
    statements = int(by_window["statements"].sum())
    return statements, 0 if shapes is None else shapes.height


def _usage(storage: Storage, receipts: Iterable[Receipt], bucket: int) -> Iterator["pl.DataFrame"]:
    for receipt in receipts:
        groups = [n for n, one in enumerate(receipt.usage_buckets) if one == bucket]
        if receipt.usage is not None and groups:
            yield read_frame(storage, receipt.usage.key, groups=groups)


def _by_window(
    storage: Storage, receipts: Iterable[Receipt], bucket: int
) -> Iterator[tuple[int, "pl.DataFrame"]]:
    columns = ["key", "calls", "errors"]
    for receipt in receipts:
        groups = [n for n, one in enumerate(receipt.usage_buckets) if one == bucket]
        if receipt.usage is not None and groups:
            yield receipt.number, read_frame(storage, receipt.usage.key, columns, groups)


def _shapes(storage: Storage, receipts: Iterable[Receipt], bucket: int) -> Iterator["pl.DataFrame"]:
    for receipt in receipts:
        groups = [n for n, one in enumerate(receipt.shapes_buckets) if one == bucket]
        if receipt.shapes is not None and groups:
            yield read_frame(storage, receipt.shapes.key, groups=groups)


def _fold(frames: Iterable["pl.DataFrame"], merge: _Merge) -> "pl.DataFrame | None":
    """Merge frames in steps, so that no more than some are in memory at a time."""
    import polars as pl

    waiting: list[pl.DataFrame] = []
    rows = 0
    for frame in frames:
        waiting.append(frame)
        rows += frame.height
        if rows > _FOLD_ROWS:
            waiting = [merge(pl.concat(waiting))]
            rows = 0
    return merge(pl.concat(waiting)) if waiting else None


def _add_up(usage: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    sums = ("calls", "errors", "rejected", "timed", "duration", "rows")
    return usage.group_by("key", "user", "database", "day").agg(
        *(pl.sum(name) for name in sums),
        *(pl.min(name) for name in ("fastest", "first")),
        *(pl.max(name) for name in ("slowest", "last")),
    )


def _first_of_each(shapes: "pl.DataFrame") -> "pl.DataFrame":
    """Keep what was seen first; of several at the same time the one whose text sorts first."""
    order = ["key", "first", "text", "place"]
    return shapes.sort(order, nulls_last=True).unique("key", keep="first", maintain_order=True)
