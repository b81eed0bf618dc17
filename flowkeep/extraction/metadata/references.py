"""Which objects the rows of one kind name that the rows of other kinds lack.

Both sides are compared by 64-bit hashes, so memory holds 8 bytes for each object that may be
pointed to, and names only of what is missing. A missing object goes unnoticed when its hash is that
of another one: with a probability of missing times present objects / 2⁶⁴.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowkeep.contracts.extraction import KindResult
from flowkeep.extraction.metadata.hashes import contained, name_hashes
from flowkeep.extraction.metadata.parts import open_part
from flowkeep.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

Target = tuple[KindResult, Sequence[str]]
"""A scope, and its raw columns that hold the names of its objects."""


def missing_targets(
    storage: Storage, pointing: KindResult, columns: Sequence[str], targets: Sequence[Target]
) -> "pl.DataFrame":
    """Return the objects that rows name and that are nowhere among the targets.

    Rows without a single name point to nothing and do not count; neither do files without the
    columns, which an own statement may leave out.

    Args:
        storage: Where the raw parts lie.
        pointing: The scope whose rows name other objects.
        columns: Its raw columns that do.
        targets: Where these objects should be.

    Returns:
        The distinct names, sorted, in as many columns; a null where a row says only half a name.
    """
    import polars as pl

    present = _present(storage, targets)
    found = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    for rows in _rows(storage, pointing, columns):
        names = rows.filter(~pl.all_horizontal(pl.all().is_null()))
        lacking = names.filter(~contained(name_hashes(names, columns), present)).unique()
        if lacking.height:
            found = pl.concat([found, lacking]).unique()
    return found.sort(columns)


def _present(storage: Storage, targets: Sequence[Target]) -> "pl.Series":
    """Return the hashes of all names, sorted."""
    import polars as pl

    found = [pl.Series("name", dtype=pl.UInt64)]
    for scope, columns in targets:
        found += [
            name_hashes(rows, columns).alias("name").unique()
            for rows in _rows(storage, scope, columns)
        ]
    return pl.concat(found).unique().sort()


def _rows(storage: Storage, scope: KindResult, columns: Sequence[str]) -> "Iterator[pl.DataFrame]":
    import polars as pl

    for listed in scope.parts:
        with open_part(storage, listed.key) as part:
            if not set(columns) <= set(part.schema_arrow.names):
                continue
            for number in range(part.num_row_groups):
                rows = pl.from_arrow(part.read_row_group(number, columns=list(columns)))
                assert isinstance(rows, pl.DataFrame)
                yield rows.select(pl.col(list(columns)).cast(pl.String))
