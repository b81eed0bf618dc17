# Made from the file of this name in `_async` by tools/sync_client; do not edit.
"""All rows of a list, page by page."""

from collections.abc import Iterator
from typing import Any, ParamSpec, Protocol, TypeVar

from flowkeep.contracts.api.listing import Listing

P = ParamSpec("P")
T = TypeVar("T")


class ListMethod(Protocol[P, T]):
    """A method that returns a page, and takes `cursor` for a further one."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Listing[T]:
        """Return a page."""
        ...


def rows(method: ListMethod[P, T], *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
    """Yield the rows of all pages.

    Args:
        method: Returns a page.
        *args: What the method takes.
        **kwargs: What the method takes, by name; with `cursor` it begins there.
    """
    given: dict[str, Any] = dict(kwargs)
    again: Any = method
    while True:
        page: Listing[T] = again(*args, **given)
        for row in page.data:
            yield row
        if page.next is None:
            return
        given["cursor"] = page.next
