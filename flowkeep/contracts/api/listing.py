"""A page of a list, as it travels."""

from collections.abc import Callable
from typing import Generic, TypeVar

from flowkeep.contracts.page import Page
from flowkeep.contracts.record import Record

T = TypeVar("T")


class Listing(Record, Generic[T]):
    """One page of a list, in the list's order.

    Attributes:
        data: The rows of this page.
        limit: The page size that was asked for.
        has_more: Whether rows follow.
        next: Pass it as `cursor` for the page that follows; null on the last page.
    """

    data: tuple[T, ...]
    limit: int
    has_more: bool = False
    next: str | None = None


def listed(page: Page[T], cursor: Callable[[T], object]) -> Listing[T]:
    """Return a page of a repository as it travels.

    Args:
        page: The page.
        cursor: Gives the place behind a row.
    """
    following = str(cursor(page.data[-1])) if page.has_more and page.data else None
    return Listing(
        data=tuple(page.data), limit=page.limit, has_more=following is not None, next=following
    )
