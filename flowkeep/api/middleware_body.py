"""Bodies of requests: read once, within limits, and only of callers who are known."""

import asyncio
from collections import Counter
from typing import Self

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowkeep.api.authentication import Shown, recognise, shows
from flowkeep.api.problems import RETRY_SECONDS, answer
from flowkeep.api.rates import name_of

_TAKE_BODIES = ("POST", "PUT", "PATCH")
_SHARE = 4
"""Into how many parts the room is divided: one caller has at most one of them."""


class BodyMiddleware:
    """Reads a request's body, and refuses one that is too big or too slow.

    What is behind it gets a whole body at once: slow clients hold nothing but memory, and of that
    all together no more than there is room for, and of one caller a quarter of that. A body is not
    read where no operation takes one, nor of a request that shows no valid key: what is behind it
    answers as if there were none.

    Who calls is found out here for all of them, so that nobody waits for that among the requests
    that a process works on.

    Args:
        app: What answers.
        most_bytes: Most bytes of a body.
        room_bytes: Most bytes of all bodies that are held at a time.
        seconds: Longest that a body may take to arrive.
        free: Paths at which nobody asks who calls.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        most_bytes: int,
        room_bytes: int,
        seconds: float,
        free: frozenset[str] = frozenset(),
    ) -> None:
        self._app = app
        self._most = most_bytes
        self._room = _Room(max(most_bytes, room_bytes), max(most_bytes, room_bytes // _SHARE))
        self._seconds = seconds
        self._free = free

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        brings = _has_body(request.headers, scope["method"])
        takes = brings and scope["method"] in _TAKE_BODIES
        known = False
        if takes or (scope["path"] not in self._free and shows(request)):
            known = await recognise(request)
        if takes and known:
            await self._answer(scope, receive, send, _who(request))
        else:
            await self._app(scope, Unread(receive) if brings else receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, who: str | None) -> None:
        with _Held(self._room, who) as held:
            try:
                body = await self._read_in_time(Headers(scope=scope), receive, held)
            except _Refused as refused:
                await refused.response(Request(scope))(scope, _nothing, send)
            except ClientDisconnect:
                pass
            else:
                await self._app(scope, Whole(body, receive), send)

    async def _read_in_time(self, headers: Headers, receive: Receive, held: "_Held") -> bytes:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._read(headers, receive, held)
        except TimeoutError:
            words = f"the body did not arrive within {self._seconds:g} s"
            raise _Refused(408, "REQUEST_TIMEOUT", words) from None

    async def _read(self, headers: Headers, receive: Receive, held: "_Held") -> bytes:
        too_big = _Refused(413, "TOO_LARGE", f"use at most {self._most} bytes")
        told = headers.get("content-length", "")
        if told.isdigit() and (len(told) > 18 or int(told) > self._most):
            raise too_big
        parts = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            part = message.get("body", b"")
            if held.size + len(part) > self._most:
                raise too_big
            held.more(len(part))
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)


class _Refused(Exception):
    """A body that nobody reads to its end."""

    def __init__(self, status: int, code: str, words: str) -> None:
        super().__init__(words)
        self._status, self._code, self._words = status, code, words

    def response(self, request: Request) -> ASGIApp:
        # What still arrives is of no use: the connection ends with the answer.
        headers = {"Connection": "close"}
        if self._status in (429, 503):
            headers["Retry-After"] = str(RETRY_SECONDS)
        return answer(request, self._status, self._code, self._words, headers=headers)


class _Room:
    """How many more bytes a process takes in.

    Attributes:
        left: Of all.
        of: What each caller has.
        most_of_one: Most that one caller may have.
    """

    def __init__(self, left: int, most_of_one: int) -> None:
        self.left = left
        self.of: Counter[str] = Counter()
        self.most_of_one = most_of_one


class _Held:
    """What one request has of the room; it is given back at the end of the block."""

    def __init__(self, room: _Room, who: str | None) -> None:
        self._room, self._who = room, who
        self.size = 0

    def more(self, size: int) -> None:
        if self._who is not None and self._room.of[self._who] + size > self._room.most_of_one:
            words = "this caller has as many bodies of requests under way as one may have"
            raise _Refused(429, "TOO_MANY_REQUESTS", words)
        if size > self._room.left:
            words = "this process has as many bodies of requests as it can hold"
            raise _Refused(503, "OVERLOADED", words)
        self._take(size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._take(-self.size)

    def _take(self, size: int) -> None:
        self._room.left -= size
        self.size += size
        if self._who is not None:
            self._room.of[self._who] += size
            if not self._room.of[self._who]:
                del self._room.of[self._who]


class Whole:
    """Gives a body that was read, then whatever comes behind it.

    Args:
        body: The body.
        receive: What it was read from.

    Attributes:
        body: The body until it is given; null behind that.
    """

    def __init__(self, body: bytes, receive: Receive) -> None:
        self.body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        """Return the next message."""
        if self.body is None:
            return await self._receive()
        body, self.body = self.body, None
        return {"type": "http.request", "body": body, "more_body": False}


class Unread:
    """Gives no body in place of one that is not read, then waits for the caller to go.

    Args:
        receive: What it would be read from.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._given = False

    async def __call__(self) -> Message:
        """Return the next message."""
        if not self._given:
            self._given = True
            return {"type": "http.request", "body": b"", "more_body": False}
        message = await self._receive()
        while message["type"] == "http.request":
            message = await self._receive()
        return message


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def _has_body(headers: Headers, method: str) -> bool:
    if "transfer-encoding" in headers:
        return True
    told = headers.get("content-length")
    return method in _TAKE_BODIES if told is None else told != "0"


def _who(request: Request) -> str | None:
    """Return whose body it is; null where everybody is the same caller."""
    shown: Shown = request.state.shown
    return None if shown.principal.via == "local" else name_of(shown.principal)
