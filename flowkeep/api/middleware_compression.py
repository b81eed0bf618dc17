"""Answers that are compressed for who takes them so."""

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_LEAST = 1024
"""Bytes of the smallest answer that is compressed."""
_LEVEL = 1
"""Of 9: lists become a tenth of their size, in half the time that level 5 takes."""


class CompressionMiddleware(GZipMiddleware):
    """Compresses answers; what nobody wants compressed passes by.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, minimum_size=_LEAST, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and "gzip" in Headers(scope=scope).get("accept-encoding", ""):
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)
