"""What surrounds every request: its name, its line in the log, headers, and sane proportions."""

import re
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.routing import Match, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowkeep.api.context import REQUEST_ID
from flowkeep.api.problems import answer
from flowkeep.telemetry.lines import Lines

_lines = Lines("flowkeep.api.requests")

MOST_PATH = 4096
"""Most characters of a path."""
MOST_QUERY = 8192
"""Most bytes of a query."""
MOST_HEADERS = 32 * 1024
"""Most bytes of all headers."""

_SANE_ID = re.compile(r"[A-Za-z0-9._:=+/@-]{1,128}")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
_USUAL = ((b"cache-control", b"no-store"),)
"""Unless an answer says something else."""
_VARY = (b"vary", b"Accept-Encoding")


class RequestMiddleware:
    """Outermost: names the request, refuses what no client means, and logs how it went.

    HEAD is answered as GET without a body, OPTIONS by what is allowed at the path.

    Args:
        app: What answers.
        router: Knows the methods of a path.
    """

    def __init__(self, app: ASGIApp, router: Router) -> None:
        self._app = app
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})
        method = scope["method"]
        scope = {**scope, "method": "GET" if method == "HEAD" else method}
        exchange = _Exchange(scope, method, send, self._router)
        try:
            refused = _oddity(scope)
            if refused is None:
                await self._app(scope, receive, exchange.send)
            else:
                response = answer(Request(scope), *refused)
                await response(scope, receive, exchange.send)
        finally:
            exchange.log()


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, method: str, send: Send, router: Router) -> None:
        self._scope = scope
        self._send = send
        self._router = router
        self._method = method
        self._began = time.perf_counter()
        self._status = 0
        self._over = False
        self._state: dict[str, Any] = scope["state"]
        given = Headers(scope=scope).get(REQUEST_ID, "")
        sane = _SANE_ID.fullmatch(given) is not None
        self._state["request_id"] = given if sane else str(uuid4())

    async def send(self, message: Message) -> None:
        if self._over:  # the rest of a body that nobody asked for
            return
        if message["type"] == "http.response.start":
            self._status = message["status"]
            message = self._completed(message)
        elif self._method == "HEAD" or self._status == 204:
            message = {"type": "http.response.body", "body": b"", "more_body": False}
            self._over = True
        await self._send(message)

    def _completed(self, message: Message) -> Message:
        """Add the headers that every answer has."""
        raw = [*message["headers"], *self._own_headers()]
        known = {name for name, _ in message["headers"]}
        raw += [one for one in _USUAL if one[0] not in known]
        if b"vary" not in known or not any(b"accept-encoding" in v.lower() for _, v in raw):
            raw.append(_VARY)
        if self._status == 405:
            headers = MutableHeaders(raw=raw)
            headers["Allow"] = ", ".join(self._allowed())
            if self._method == "OPTIONS":
                self._status = 204
                for name in ("Content-Length", "Content-Type"):
                    del headers[name]
        return {**message, "status": self._status, "headers": raw}

    def _own_headers(self) -> Iterator[tuple[bytes, bytes]]:
        yield b"x-request-id", self._state["request_id"].encode()
        yield from _HEADERS
        for name, value in self._state.get("answer_headers", {}).items():
            yield name.lower().encode(), value.encode("latin-1")

    def _allowed(self) -> list[str]:
        scope = {"type": "http", "path": self._scope["path"], "root_path": "", "headers": []}
        found = [
            method
            for method in _METHODS
            if any(
                route.matches({**scope, "method": method})[0] is Match.FULL
                for route in self._router.routes
            )
        ]
        return [*(["HEAD"] if "GET" in found else []), *found, "OPTIONS"]

    def log(self) -> None:
        if not _lines.wanted:
            return
        route = self._scope.get("route")
        caller = self._state.get("caller")
        run_id = self._scope.get("path_params", {}).get("run_id")
        fields = {
            "method": self._method,
            "route": getattr(route, "path", None),
            "status": self._status or 500,
            "ms": round((time.perf_counter() - self._began) * 1000, 1),
            "request_id": self._state["request_id"],
            "tenant_id": None if caller is None else caller.principal.tenant_id,
            "key_id": None if caller is None else caller.principal.key_id,
            "run_id": run_id,
        }
        told = {name: str(value) for name, value in fields.items() if value is not None}
        _lines.write("request", told | {"status": fields["status"], "ms": fields["ms"]})


def _oddity(scope: Scope) -> tuple[int, str, str] | None:
    """Return status, code and words for a request that no client of ours makes."""
    path, query = scope["path"], scope.get("query_string", b"")
    if "\x00" in path or b"%00" in query or b"\x00" in query:
        return 400, "BAD_REQUEST", "path or query holds a NUL character"
    if len(path) > MOST_PATH or len(query) > MOST_QUERY:
        return 414, "URI_TOO_LONG", f"use at most {MOST_PATH} bytes of path, {MOST_QUERY} of query"
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEADERS:
        return 431, "HEADERS_TOO_LARGE", f"use at most {MOST_HEADERS} bytes of headers"
    return None
