"""Around every request: a time limit, its figures, and the end of streams when a process stops."""

import asyncio
import time

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowkeep.api.operations import Operations
from flowkeep.api.problems import RETRY_SECONDS, answer

_UNKNOWN_ROUTE = "unknown"
"""In place of paths that lead nowhere: callers must not choose the names of series."""


class OperationsMiddleware:
    """Counts requests, bounds how long one waits for its answer to begin, and ends streams.

    Args:
        app: What answers.
        operations: What the process is doing.
        seconds: Longest until an answer begins; the rest of it may take as long as it takes.
    """

    def __init__(self, app: ASGIApp, *, operations: Operations, seconds: float) -> None:
        self._app = app
        self._operations = operations
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope.get("state", {}).get("request_id")
        exchange = _Exchange(scope, send, self._operations)
        with structlog.contextvars.bound_contextvars(request_id=request_id), exchange:
            try:
                async with asyncio.timeout(self._seconds) as limit:
                    exchange.limit = limit
                    await self._app(scope, receive, exchange.send)
            except TimeoutError:
                if not limit.expired():
                    raise
                await _too_late(scope)(scope, receive, exchange.send)
            except asyncio.CancelledError:
                if not exchange.was_ended:
                    raise
                exchange.task.uncancel()
                await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, send: Send, operations: Operations) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.task: asyncio.Task[object] = task
        self.limit: asyncio.Timeout | None = None
        self._scope, self._send, self._operations = scope, send, operations
        self._began = time.perf_counter()
        self._status = 500
        self._streams = False

    @property
    def was_ended(self) -> bool:
        """Whether this is a stream and the process stops."""
        return self._streams and self._operations.ending

    def __enter__(self) -> None:
        self._operations.open += 1

    def __exit__(self, *_: object) -> None:
        self._operations.open -= 1
        self._operations.stream_ended(self.task)
        route = getattr(self._scope.get("route"), "path", _UNKNOWN_ROUTE)
        seconds = time.perf_counter() - self._began
        self._operations.answered(route, self._scope["method"], self._status, seconds)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            if self.limit is not None and not self.limit.expired():
                self.limit.reschedule(None)
            if dict(message["headers"]).get(b"content-type", b"").startswith(b"text/event-stream"):
                await self._send(message)
                self._streams = True
                self._operations.stream_began(self.task)
                return
        await self._send(message)


def _too_late(scope: Scope) -> ASGIApp:
    return answer(
        Request(scope),
        503,
        "TIMED_OUT",
        "the answer took too long; what was asked for may have happened all the same",
        hint="look, then repeat it as late as Retry-After says; with an Idempotency-Key at once",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )
