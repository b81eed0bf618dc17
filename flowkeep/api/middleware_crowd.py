"""How many requests a process works on at a time."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowkeep.api.problems import RETRY_SECONDS, answer


class CrowdMiddleware:
    """Lets a number of requests work, a number wait for a moment, and refuses the others.

    An answer that is a stream of events gives its place free when it begins: it may go on for
    hours, and costs nothing while nothing happens. Questions about health need no place.

    Args:
        app: What answers.
        most: Requests that work at a time.
        waiting: Requests that may wait.
        seconds: Longest that one waits.
        free: Paths that need no place.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        most: int,
        waiting: int,
        seconds: float,
        free: frozenset[str] = frozenset(),
    ) -> None:
        self._app = app
        self._places = asyncio.Semaphore(most)
        self._most_waiting = waiting
        self._waiting = 0
        self._seconds = seconds
        self._free = free

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] in self._free:
            await self._app(scope, receive, send)
            return
        if not await self._enter():
            response = answer(
                Request(scope),
                503,
                "OVERLOADED",
                "this process has more requests than it can work on",
                hint="repeat it as late as Retry-After says, or run more processes",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
            await response(scope, receive, send)
            return
        place = _Place(self._places.release)
        try:
            await self._app(scope, receive, place.watching(send))
        finally:
            place.leave()

    async def _enter(self) -> bool:
        if not self._places.locked():
            await self._places.acquire()  # at once
            return True
        if self._waiting >= self._most_waiting:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(self._seconds):
                await self._places.acquire()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
        return True


class _Place:
    """One place, given free once."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release: Callable[[], None] | None = release

    def leave(self) -> None:
        if self._release is not None:
            self._release()
            self._release = None

    def watching(self, send: Send) -> Callable[[Message], Awaitable[None]]:
        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = dict(message["headers"])
                if headers.get(b"content-type", b"").startswith(b"text/event-stream"):
                    self.leave()
            await send(message)

        return watched
