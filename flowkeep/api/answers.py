"""Answers made without a second validation: pydantic's own JSON, links and tags."""

from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from pydantic import TypeAdapter
from pydantic_core import to_json

from flowkeep.contracts import Page
from flowkeep.contracts.api.listing import Listing, listed
from flowkeep.contracts.unread import Unread

T = TypeVar("T")


def as_json(
    kind: TypeAdapter[T], value: T, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return a value that needs no more checking as a response.

    Args:
        kind: What it is.
        value: The value.
        status: The HTTP status.
        headers: More headers.
    """
    return Response(kind.dump_json(value), status, headers=headers, media_type="application/json")


def as_page(request: Request, kind: TypeAdapter[Listing[T]], page: Listing[T]) -> Response:
    """Return a page of a list, with a link to the one that follows (RFC 8288)."""
    return as_json(kind, page, headers=next_link(request, page.next))


def as_found(
    request: Request,
    kind: TypeAdapter[Listing[T]],
    page: Page[T],
    cursor: Callable[[T], object],
) -> Response:
    """Return a page of the ledger; its rows become JSON at once where they say it all.

    Args:
        request: What was asked.
        kind: What the page is as it travels.
        page: The page.
        cursor: Gives the place behind a record.
    """
    rows = page.data.rows if isinstance(page.data, Unread) else None
    if rows is None:
        return as_page(request, kind, listed(page, cursor))
    assert isinstance(page.data, Unread)
    following = str(cursor(page.data.glance(-1))) if page.has_more and rows else None
    content = {
        "data": rows,
        "limit": page.limit,
        "has_more": following is not None,
        "next": following,
    }
    return Response(
        to_json(content), headers=next_link(request, following), media_type="application/json"
    )


def next_link(request: Request, cursor: str | None) -> dict[str, str]:
    """Return the header that links to the page behind a cursor; none on the last page."""
    if cursor is None:
        return {}
    asked = [pair for pair in request.query_params.multi_items() if pair[0] != "cursor"]
    query = urlencode([*asked, ("cursor", cursor)])
    return {"Link": f'<{quote(request.scope["path"])}?{query}>; rel="next"'}


def is_known(request: Request, tag: str) -> bool:
    """Return whether whoever asks has what a tag stands for (If-None-Match, RFC 9110)."""
    known = request.headers.get("if-none-match", "")
    return any(one.strip().removeprefix("W/") in (tag, "*") for one in known.split(","))
