"""Bodies of requests: read once, within limits, before anything else is done for them."""

import asyncio

from pydantic_core import from_json
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowkeep.api.problems import answer

MOST_NESTED = 201
"""Deepest JSON that is read: what pydantic's parser reads."""


class BodyMiddleware:
    """Reads a request's body, and refuses one that is too big, too slow or too deep.

    What is behind it gets a whole body at once: slow clients hold nothing but memory.

    Args:
        app: What answers.
        most_bytes: Most bytes of a body.
        seconds: Longest that a body may take to arrive.
    """

    def __init__(self, app: ASGIApp, *, most_bytes: int, seconds: float) -> None:
        self._app = app
        self._most = most_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope) if scope["type"] == "http" else None
        if headers is None or not _has_body(headers, scope["method"]):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._read(headers, receive)
        except _TooBig:
            await self._refuse(scope, send, 413, "TOO_LARGE", f"use at most {self._most} bytes")
            return
        except TimeoutError:
            words = f"the body did not arrive within {self._seconds:g} s"
            await self._refuse(scope, send, 408, "REQUEST_TIMEOUT", words)
            return
        except ClientDisconnect:
            return
        if _is_deep(body):
            words = f"JSON is nested deeper than {MOST_NESTED} levels"
            await self._refuse(scope, send, 400, "INVALID_JSON", words)
            return
        await self._app(scope, _Whole(body, receive), send)

    async def _read(self, headers: Headers, receive: Receive) -> bytes:
        told = headers.get("content-length", "")
        if told.isdigit() and (len(told) > 18 or int(told) > self._most):
            raise _TooBig
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            part = message.get("body", b"")
            size += len(part)
            if size > self._most:
                raise _TooBig
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    async def _refuse(self, scope: Scope, send: Send, status: int, code: str, words: str) -> None:
        # What still arrives is of no use: the connection ends with the answer.
        response = answer(Request(scope), status, code, words, headers={"Connection": "close"})
        await response(scope, _nothing, send)


class _TooBig(Exception):
    """There is more than anybody reads."""


class _Whole:
    """Gives a body that was read, then whatever comes behind it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def _has_body(headers: Headers, method: str) -> bool:
    if "transfer-encoding" in headers or method in ("POST", "PUT", "PATCH"):
        return True
    return headers.get("content-length", "0") != "0"


def _is_deep(body: bytes) -> bool:
    """Return whether a text is JSON that is nested too deep, by a parser that stops there."""
    if body.count(b"[") + body.count(b"{") <= MOST_NESTED:
        return False
    try:
        from_json(body)
    except ValueError as error:
        return "recursion limit" in str(error)
    return False
