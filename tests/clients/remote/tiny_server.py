"""A tiny HTTP server on the loopback address whose answers a test writes down, byte for byte."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Reply = bytes | None | Callable[["Asked"], Awaitable[bytes]]
"""What to send; None cuts the connection."""


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Tiny:
    """The server: gives its replies in order, one per connection, the last again and again."""

    replies: list[Reply]
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            method, path, _ = head[0].split(" ")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            one = Asked(method, path, headers, body)
            self.asked.append(one)
            reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
            if callable(reply):
                reply = await reply(one)
            if reply is not None:
                writer.write(reply)
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass  # a connection on which nothing was asked
        finally:
            writer.close()


@asynccontextmanager
async def tiny(*replies: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[Tiny]:
    """Serve replies until the end of the block."""
    made = Tiny(list(replies))
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    made.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()


def reply(status: int, body: Any = None, *, media: str = "application/json", **more: str) -> bytes:
    """A whole answer; names of headers are written with underscores."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": media, "Content-Length": str(len(content)), "Connection": "close"}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode() + content


def problem(status: int, code: str, detail: str = "said", **headers: str) -> bytes:
    """A problem document of the service."""
    body = {
        "type": f"urn:flowkeep:problem:{code}",
        "title": "Title",
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": "r-1",
    }
    return reply(status, body, media="application/problem+json", **headers)
