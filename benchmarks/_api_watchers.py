"""Many watchers of runs: what they take of the service's memory, and whether they leave it."""

import asyncio
import resource
import socket
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from benchmarks._api_servers import SERVICE, UNLIMITED, Served, served
from benchmarks._definition_rounds import environment_of
from benchmarks._support import say
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.keys import NewApiKey
from flowkeep.local_engine import LocalEngine
from flowkeep.statestore import connect
from flowkeep.statestore.migrate import upgrade

CASES = {"of one run": (1, False), "of 100 runs": (100, False), "that do not read": (1, True)}
"""By name: how many runs are watched, and whether nobody reads."""
_EVENTS_PER_SECOND = 10
_LABELS = {f"label-{number}": "x" * 200 for number in range(16)}
"""Part of every snapshot: so what nobody reads fills the buffers between."""
_BURST = 100
"""Connections that are opened at a time."""
_PATIENCE_SECONDS = 60.0
_SMALL_BUFFER = 4096
"""Of a socket that nobody reads from, in bytes, so that it is full at once."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        watchers: Streams at a time.
        seconds: How long they watch events.
    """

    watchers: int
    seconds: float


@dataclass
class Watchers:
    """Streams of a service.

    Attributes:
        received: Bytes that all of them have read.
        opened: How many have read something.
    """

    url: str
    secret: str
    received: int = 0
    opened: int = 0
    _sockets: list[socket.socket] = field(default_factory=list)
    _reading: list[asyncio.Task[None]] = field(default_factory=list)

    async def open(self, run_id: str, *, reads: bool) -> None:
        """Open a stream; read it for ever, or only until it has begun."""
        loop, place = asyncio.get_running_loop(), urlsplit(self.url)
        one = socket.socket()
        one.settimeout(0)
        if not reads:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
        self._sockets.append(one)
        await loop.sock_connect(one, (place.hostname, place.port))
        head = (
            f"GET {place.path}/runs/{run_id}/watch?after=0 HTTP/1.1\r\nHost: {place.netloc}\r\n"
            f"Authorization: Bearer {self.secret}\r\nAccept: text/event-stream\r\n\r\n"
        )
        await loop.sock_sendall(one, head.encode())
        first = await loop.sock_recv(one, 256)
        if not first.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"the service answers {first!r}")
        self.opened += 1
        if reads:
            self._reading.append(asyncio.create_task(self._read(one)))

    async def _read(self, one: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(one, 65536):
            self.received += len(data)

    async def close(self) -> None:
        """Go away without a word."""
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)
        for one in self._sockets:
            one.close()


async def measure(sizes: Sizes) -> list[dict[str, Any]]:
    """Return a row per case: memory and descriptors before, meanwhile and after."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rows = []
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engine = await stack.enter_async_context(LocalEngine(folder, progress=say))
        await upgrade(engine.database_url)
        async with await connect(settings=engine.settings()) as store:
            new = NewApiKey(name="benchmark", role=Role.ADMIN)
            key = await store.api_keys.create("default", new, subject="benchmark")
        for name, (runs, idle) in CASES.items():
            environment = environment_of(engine) | UNLIMITED
            async with served(SERVICE, environment) as service:
                case = Case(service, key.secret, sizes, runs, reads=not idle)
                rows.append({"what": f"{sizes.watchers:,} watchers {name}", **await case.run()})
            say(f"watchers {name}: {rows[-1]}")
    return rows


class Case:
    """One way to watch, on a service that begins anew.

    Args:
        service: The service.
        secret: Its key.
        sizes: How much is measured.
        runs: How many runs share the watchers.
        reads: Whether watchers read.
    """

    def __init__(
        self, service: Served, secret: str, sizes: Sizes, runs: int, *, reads: bool
    ) -> None:
        self._service = service
        self._secret = secret
        self._sizes = sizes
        self._runs = runs
        self._reads = reads
        self._events = 0

    async def run(self) -> dict[str, Any]:
        """Open the streams, let events happen, close them."""
        headers = {"Authorization": f"Bearer {self._secret}"}
        async with httpx2.AsyncClient(
            base_url=self._service.url, headers=headers, timeout=60
        ) as http:
            new = {"workflow_type": "Elsewhere", "external": True, "labels": _LABELS}
            answers = [await http.post("/runs", json=new) for _ in range(self._runs)]
            runs = [answer.json()["run_id"] for answer in answers]
            before = (self._service.mib(), self._service.descriptors())
            watchers = Watchers(self._service.url, self._secret)
            await self._open(watchers, runs)
            opened = (self._service.mib(), self._service.descriptors())
            seen = await self._watch(http, runs)
            await watchers.close()
            after = await self._left(before[1])
        third = max(1, len(seen) // 3)
        early, late = seen[:third], seen[-third:]
        return {
            "mib": [round(one, 1) for one in (before[0], opened[0], max(seen), after[0])],
            "growth_mib": round(sum(late) / len(late) - sum(early) / len(early), 2),
            "descriptors": [before[1], opened[1], after[1]],
            "events": self._events,
            "received_mib": round(watchers.received / 2**20, 1),
        }

    async def _open(self, watchers: Watchers, runs: list[str]) -> None:
        for first in range(0, self._sizes.watchers, _BURST):
            numbers = range(first, min(first + _BURST, self._sizes.watchers))
            await asyncio.gather(
                *(watchers.open(runs[n % len(runs)], reads=self._reads) for n in numbers)
            )

    async def _watch(self, http: httpx2.AsyncClient, runs: list[str]) -> list[float]:
        """Let events happen one after the other; return the memory after each second."""
        seen: list[float] = []
        end = time.monotonic() + self._sizes.seconds
        while time.monotonic() < end:
            until = time.monotonic() + 1
            for _ in range(_EVENTS_PER_SECOND):
                patch = {"state": {"at": self._events, "text": "x" * 1000}}
                run_id = runs[self._events % len(runs)]
                (await http.patch(f"/runs/{run_id}", json=patch)).raise_for_status()
                self._events += 1
            seen.append(self._service.mib())
            await asyncio.sleep(max(0.0, until - time.monotonic()))
        return seen

    async def _left(self, descriptors: int) -> tuple[float, int]:
        """Return memory and descriptors when those of the streams are gone."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while self._service.descriptors() > descriptors + 5 and time.monotonic() < end:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.5)
        return self._service.mib(), self._service.descriptors()
