"""Servers that webhooks call: one that writes down what it gets, one that answers nobody."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[str]:
    """Serve each connection on the loopback interface; gives the address."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@dataclass
class Receiver:
    """An HTTP server that writes down what it gets.

    Attributes:
        url: Where it listens.
        answers: Status codes of the next answers; 204 once there are none.
        got: Headers by lower-case name, and body, of each request.
    """

    url: str = ""
    answers: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.got.append((headers, body))
        code = self.answers.pop(0) if self.answers else 204
        told = b"password=hunter2" if code >= 300 else b""
        there = "Location: http://127.0.0.1:1/\r\n" if 300 <= code < 400 else ""
        head = f"HTTP/1.1 {code} X\r\n{there}Content-Length: {len(told)}\r\nConnection: close\r\n"
        writer.write(head.encode() + b"\r\n" + told)
        await writer.drain()
        writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on the loopback interface."""
    one = Receiver()
    async with listening(one.serve) as address:
        one.url = f"{address}/hook?a=b"
        yield one


@dataclass
class Silent:
    """An HTTP server that answers nobody until it is told to.

    Attributes:
        url: Where it listens.
        asked: How many wait for its answer.
        speaks: Set when it answers.
    """

    url: str = ""
    asked: int = 0
    speaks: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        await self.speaks.wait()
        self.asked -= 1
        writer.write(b"HTTP/1.1 204 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@pytest.fixture
async def silent() -> AsyncIterator[Silent]:
    """A server that does not answer; at the end it does."""
    one = Silent()
    async with listening(one.serve) as address:
        one.url = f"{address}/"
        yield one
        one.speaks.set()
