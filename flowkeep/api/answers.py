"""Answers made without a second validation: pydantic's own JSON, links and tags."""

from typing import TypeVar

from fastapi import Request, Response
from pydantic import TypeAdapter
from starlette.datastructures import URL

from flowkeep.contracts.api.listing import Listing

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


def next_link(request: Request, cursor: str | None) -> dict[str, str]:
    """Return the header that links to the page behind a cursor; none on the last page."""
    if cursor is None:
        return {}
    following = URL(scope=request.scope).include_query_params(cursor=cursor)
    return {"Link": f'<{following.path}?{following.query}>; rel="next"'}


def is_known(request: Request, tag: str) -> bool:
    """Return whether whoever asks has what a tag stands for (If-None-Match, RFC 9110)."""
    known = request.headers.get("if-none-match", "")
    return any(one.strip().removeprefix("W/") in (tag, "*") for one in known.split(","))
