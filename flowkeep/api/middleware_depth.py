"""JSON that is nested too deep is refused before anything recurses into it."""

from pydantic_core import from_json
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from flowkeep.api.middleware_body import Whole
from flowkeep.api.problems import answer

MOST_NESTED = 201
"""Deepest JSON that is read: what pydantic's parser reads."""


class DepthMiddleware:
    """Looks at bodies that were read.

    Looking takes the processor: it stands among what a process does for a few requests at a time.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if isinstance(receive, Whole) and _is_deep(receive.body or b""):
            words = f"JSON is nested deeper than {MOST_NESTED} levels"
            response = answer(Request(scope), 400, "INVALID_JSON", words)
            await response(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_deep(body: bytes) -> bool:
    """Return whether a text is JSON that is nested too deep, by a parser that stops there."""
    if body.count(b"[") + body.count(b"{") <= MOST_NESTED:
        return False
    try:
        from_json(body)
    except ValueError as error:
        return "recursion limit" in str(error)
    return False
