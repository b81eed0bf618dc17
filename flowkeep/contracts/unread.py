"""Records that are made when somebody looks at them."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from types import SimpleNamespace
from typing import Any, Generic, TypeVar, overload

from pydantic import TypeAdapter

T = TypeVar("T")


class Unread(Sequence[T], Generic[T]):
    """Rows of the ledger, each a record once somebody looks at it.

    What a list shows has the ledger's own columns, so whoever only passes it on as JSON takes the
    rows: they say the same, and making records of them takes longer than reading them.

    Args:
        rows: By field, the values of each record.
        kind: Makes a record of a row.
        nested: Fields that are records themselves: their JSON is theirs to say.
    """

    def __init__(
        self, rows: list[dict[str, Any]], kind: TypeAdapter[T], nested: tuple[str, ...] = ()
    ) -> None:
        self._rows = rows
        self._kind = kind
        self._nested = nested

    @property
    def rows(self) -> list[dict[str, Any]] | None:
        """The rows, as they can go into JSON; None if some of them cannot."""
        whole = all(row[name] is None for name in self._nested for row in self._rows)
        return self._rows if whole else None

    def glance(self, place: int) -> Any:
        """Return the values of a row as attributes: less than a record, and made sooner."""
        return SimpleNamespace(**self._rows[place])

    @cached_property
    def _records(self) -> list[T]:
        return [self._kind.validate_python(row) for row in self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> "Unread[T]": ...

    def __getitem__(self, place: int | slice) -> "T | Unread[T]":
        if isinstance(place, slice):
            return Unread(self._rows[place], self._kind, self._nested)
        if "_records" in self.__dict__:
            return self._records[place]
        return self._kind.validate_python(self._rows[place])

    def __iter__(self) -> Iterator[T]:
        return iter(self._records)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._records)
