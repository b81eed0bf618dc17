"""Finding objects that a kind names twice, in flat memory."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from flowkeep.errors import ConfigurationError, Incomplete
from flowkeep.extraction.metadata.hashes import HashSpool, contained, repeats
from flowkeep.extraction.metadata.kinds import Kind

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_EXAMPLES = 3
_HASH = "hash"


class DuplicateWatch:
    """Keeps a 64-bit hash of every object's name: 8 bytes each, on disk when they are many.

    Args:
        kind: What is read; its identity names an object.
    """

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._spool = HashSpool([_HASH])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.__exit__()

    def add(self, table: "pa.Table") -> None:
        """Take note of a table's objects.

        Raises:
            ConfigurationError: If a column of the identity is null somewhere.
        """
        for name in self._kind.identity:
            if table.column(name).null_count:
                raise ConfigurationError(
                    f"{self._kind.name}: column {name} is null in some rows",
                    hint="it names the object: let the statement return it for every row",
                    code="SOURCE_STATEMENT",
                )
        self._spool.add(_hashes(table, self._kind).to_frame(_HASH))

    def lacks(self, tables: Iterable["pa.Table"]) -> bool:
        """Return whether tables hold an object that was not added."""
        with HashSpool([_HASH]) as found:
            for table in tables:
                found.add(_hashes(table, self._kind).to_frame(_HASH))
            count = max(found.buckets(), self._spool.buckets())
            return not all(
                contained(
                    found.bucket(number, count)[_HASH], self._spool.bucket(number, count)[_HASH]
                ).all()
                for number in range(count)
            )

    def check(self, tables: Iterable["pa.Table"]) -> None:
        """Check that no object came twice.

        Args:
            tables: The same tables again; read only when two hashes are equal.

        Raises:
            Incomplete: If one did; names some.
        """
        import polars as pl

        repeated = repeats(self._spool)
        if repeated.is_empty():
            return
        suspects = pl.concat(
            _names(table, self._kind).filter(_hashes(table, self._kind).is_in(repeated.implode()))
            for table in tables
        )
        found = suspects.filter(suspects.is_duplicated()).unique(maintain_order=True)
        if found.is_empty():  # different names with one hash
            return
        examples = ["/".join(str(part) for part in row) for row in found.head(_EXAMPLES).rows()]
        raise Incomplete(
            f"{self._kind.name}: {len(found)} objects came more than once, for example "
            f"{', '.join(examples)}",
            hint="the statement of this kind joins more rows than objects",
            code="DUPLICATE_OBJECTS",
        )


def _names(table: "pa.Table", kind: Kind) -> "pl.DataFrame":
    import polars as pl

    frame = pl.from_arrow(table.select(list(kind.identity)))
    assert isinstance(frame, pl.DataFrame)
    return frame


def _hashes(table: "pa.Table", kind: Kind) -> "pl.Series":
    return _names(table, kind).hash_rows()
