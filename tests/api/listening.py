"""The service on a socket of this machine: over real HTTP, as callers reach it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import uvicorn

from flowkeep.api import build_app
from flowkeep.settings import Settings
from tests.api.keyed import Service
from tests.support import eventually


@asynccontextmanager
async def serving(app: Any, port: int = 0) -> AsyncIterator[uvicorn.Server]:
    """Serve an app on loopback."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        http="httptools",
        log_level="critical",  # of requests that are cut off at the end
        lifespan="on",
        forwarded_allow_ips="127.0.0.1",  # tests may say in X-Forwarded-For where they are
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())

    def started() -> None:
        assert server.started or task.done()

    await eventually(started)
    try:
        yield server
    finally:
        server.should_exit = True
        await task


def port_of(server: uvicorn.Server) -> int:
    """Return the port a server listens on."""
    return int(server.servers[0].sockets[0].getsockname()[1])


class Listening(Service):
    """A service that listens.

    Attributes:
        port: Where.
        app: What answers.
    """

    port: int
    app: Any

    @asynccontextmanager
    async def begun(self, *head: str) -> AsyncIterator["Begun"]:
        """Send the head of a request, and nothing more by itself."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            lines = (head[0], "Host: 127.0.0.1", *head[1:], "", "")
            writer.write("\r\n".join(lines).encode())
            await writer.drain()
            yield Begun(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


class Begun:
    """A request whose head is sent.

    Args:
        reader: Gives the answer.
        writer: Takes the body.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send a part of the body."""
        self._writer.write(data)
        await self._writer.drain()

    async def status(self) -> int:
        """Return the status of the answer."""
        return int((await self._reader.readline()).split()[1])


@asynccontextmanager
async def listening(settings: Settings, **api: Any) -> AsyncIterator[Listening]:
    """Run the service; nobody gets in without a key unless `open` says so.

    Args:
        settings: Its ledger.
        **api: Settings of the group `api`.
    """
    changed = settings.api.model_copy(update=api)
    app = build_app(settings.model_copy(update={"api": changed}))
    async with serving(app) as server:
        url = f"http://127.0.0.1:{port_of(server)}"
        async with httpx2.AsyncClient(base_url=url, timeout=60) as http:
            service = Listening(http, app.state.backend.store)
            service.port, service.app = port_of(server), app
            yield service
