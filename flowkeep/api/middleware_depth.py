"""JSON that is nested too deep, or read by parsers in different ways, is refused before routes."""

import re
from email.message import Message

from pydantic_core import from_json
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from flowkeep.api.middleware_body import Whole
from flowkeep.api.problems import answer

MOST_NESTED = 201
"""Deepest JSON that is read: what pydantic's parser reads."""
_READ_DIFFERENTLY = re.compile(rb"\\u[dD][89a-fA-F]|\x00")


class DepthMiddleware:
    """Looks at bodies that were read.

    What pydantic's parser refuses the standard library's may read, which recurses without a limit
    of ours: a byte order mark, UTF-16, half of a surrogate pair. So such JSON reaches no route.

    Looking takes the processor: it stands among what a process does for a few requests at a time.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = receive.body if isinstance(receive, Whole) else None
        words = _fault(body, Headers(scope=scope)) if body else None
        if words is not None:
            response = answer(Request(scope), 400, "INVALID_JSON", words)
            await response(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _fault(body: bytes, headers: Headers) -> str | None:
    """Return what is wrong with a body, by a parser that stops where it is nested too deep."""
    if _is_plain(body):
        return None
    try:
        from_json(body)
    except ValueError as error:
        if "recursion limit" in str(error):
            return f"JSON is nested deeper than {MOST_NESTED} levels"
        if _is_json(headers.get("content-type", "")):
            return f"the body is no JSON: {error}"
    return None


def _is_json(content_type: str) -> bool:
    """Return whether FastAPI reads a body of a type as JSON."""
    message = Message()
    message["content-type"] = content_type
    subtype = message.get_content_subtype()
    known = subtype == "json" or subtype.endswith("+json")
    return known and message.get_content_maintype() == "application"


def _is_plain(body: bytes) -> bool:
    """Return whether every parser reads the same in a body, and cannot go deep."""
    flat = body.count(b"[") + body.count(b"{") <= MOST_NESTED
    return flat and body.isascii() and not _READ_DIFFERENTLY.search(body)
