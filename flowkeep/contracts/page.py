"""One page of a list."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, in the list's order.

    Attributes:
        data: The rows of this page.
        limit: The page size that was asked for.
        has_more: Whether rows follow after the last one.
    """

    data: Sequence[T]
    limit: int
    has_more: bool

    def __iter__(self) -> Iterator[T]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)
