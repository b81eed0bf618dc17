"""A server of the standard library, and `core.http` called as the worker does."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from flowkeep.definitions.actions import ActionContext, ActionError, ActionRegistry


class _Handler(BaseHTTPRequestHandler):
    server: "Server"

    def _answer(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length).decode()
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        path, _, query = self.path.partition("?")
        if path.startswith("/status/"):
            self._send(
                int(path[8:]),
                b"told\x00 why",
                {"Retry-After": query.replace("_", " ")} if query else {},
            )
        elif path == "/to":
            self._send(302, b"", {"Location": query})
        elif path == "/round":
            self._send(302, b"", {"Location": "/round"})
        elif path == "/text":
            self._send(200, "grüß\x00".encode(), {"Content-Type": "text/plain; charset=utf-8"})
        elif path == "/binary":
            self._send(200, b"\xff\xfe\xfd", {"Content-Type": "image/png"})
        elif path == "/broken":
            self._send(200, b"{", {"Content-Type": "application/json"})
        elif path == "/packed":
            self._send(200, gzip.compress(bytes(20_000_000)), {"Content-Encoding": "gzip"})
        elif path == "/endless":
            self._stream()
        elif path == "/slow":
            self.server.stop.wait(20)
        elif path == "/cut":
            self._send(200, b"", {"Content-Length": "100"})
        else:
            content = json.dumps({"path": self.path, "body": body}).encode()
            kind = {"Content-Type": "application/json; charset=utf-8", "Set-Cookie": "a=b"}
            self._send(200, content, kind)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _stream(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while not self.server.stop.is_set():
                self.wfile.write(b"x" * 65_536)
                self.server.written += 65_536
        except OSError:
            return

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


class Server(ThreadingHTTPServer):
    """Keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, str, dict[str, str], str]] = []
        self.stop = threading.Event()
        self.written = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving() -> Iterator[Server]:
    """Serve until the block ends."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.stop.set()
        server.shutdown()
        thread.join()


async def ask(
    url: str, context: ActionContext | None = None, hosts: Any = None, **values: Any
) -> dict[str, Any]:
    """Call the action as the worker does: by its schema."""
    http = ActionRegistry(ActionRegistry.built_in(http_allow=hosts))["core.http"]
    bound = http.validate_input({"url": url, **values})
    result = await http.function(**bound, context=context or ActionContext(key="run/task"))
    return dict(http.dump_result(result))


async def refused(url: str, **values: Any) -> ActionError:
    """The error of a call that has to fail."""
    with pytest.raises(ActionError) as error:
        await ask(url, **values)
    return error.value
