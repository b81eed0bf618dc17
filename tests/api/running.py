"""`flowkeep api` as a process of its own."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from flowkeep.settings import Settings
from tests.support import eventually


class Running:
    """A service that was started from the command line.

    Attributes:
        process: The process that was started.
        said: What it has printed.
        logged: What it has logged, a line each.
    """

    def __init__(self, process: Process) -> None:
        self.process = process
        self.said: list[str] = []
        self.logged: list[str] = []
        assert process.stdout is not None
        assert process.stderr is not None
        self._readers = [
            asyncio.create_task(_read(process.stdout, self.said)),
            asyncio.create_task(_read(process.stderr, self.logged)),
        ]

    @property
    def url(self) -> str:
        """Where it listens."""
        return next(line.split()[-1] for line in self.said if line.startswith("REST API"))

    @property
    def records(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [json.loads(line) for line in self.logged if line.startswith("{")]

    async def ready(self) -> None:
        """Wait until it has told what to do next, and answers."""

        def told() -> None:
            assert self.process.returncode is None, self.logged
            assert any(line.startswith("next") for line in self.said), self.logged

        await eventually(told, timeout=60)
        async with httpx2.AsyncClient(base_url=self.url, timeout=60) as http:
            assert (await http.get("/health")).status_code == 200

    async def end(self) -> int:
        """Wait for its end and return its exit code."""
        code = await self.process.wait()
        await asyncio.gather(*self._readers)
        return code


async def _read(stream: asyncio.StreamReader, lines: list[str]) -> None:
    async for line in stream:
        lines.append(line.decode().rstrip())


@asynccontextmanager
async def running(settings: Settings, *words: str, **variables: str) -> AsyncIterator[Running]:
    """Run `flowkeep api` on a free port; whatever is left at the end is killed.

    Args:
        settings: Its servers.
        *words: More of its command line.
        **variables: More of its environment.
    """
    assert settings.database.secret_key is not None
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flowkeep", "api", "--port", "0", *words),
        stdout=PIPE,
        stderr=PIPE,
        limit=2**20,
        env={
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "FLOWKEEP_LOG_FORMAT": "json",
            "FLOWKEEP_DATABASE_URL": settings.database_url(),
            "FLOWKEEP_SECRET_KEY": settings.database.secret_key.get_secret_value(),
            "FLOWKEEP_STORAGE_URL": settings.storage.url,
            "TEMPORAL_ADDRESS": str(settings.temporal.address),
            "TEMPORAL_NAMESPACE": str(settings.temporal.namespace),
            **variables,
        },
    )
    service = Running(process)
    try:
        yield service
    finally:
        if process.returncode is None:
            process.kill()
        await service.end()
