"""Helpers shared by tests."""

import asyncio
import inspect
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from flowkeep.clients.workflow import WorkflowClient
    from flowkeep.local_engine.postgres import PostgresServer
    from flowkeep.local_engine.temporal import TemporalServer

T = TypeVar("T")


async def eventually(
    assertion: Callable[[], T | Awaitable[T]],
    timeout: float = 60,  # noqa: ASYNC109 (raises the assertion's own error at the end)
    interval: float = 0.02,
) -> T:
    """Call until no AssertionError is raised any more; return what the call returned.

    Args:
        assertion: Plain or async callable without arguments.
        timeout: Seconds until the last AssertionError is raised.
        interval: Seconds between two calls.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            outcome = assertion()
            return await outcome if inspect.isawaitable(outcome) else outcome
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(interval)


async def flushed(client: "WorkflowClient") -> None:
    """Wait until everything that workers of this process have reported is in the ledger."""
    recorder = client.plugin.recorder
    if recorder is not None:
        await recorder.flush()


async def crash(server: "PostgresServer | TemporalServer") -> None:
    """Kill a server and wait until all its processes have gone.

    A connection's own process outlives the killed PostgreSQL for a moment, and may still commit.
    """
    server.kill()
    await server.wait()


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be reaped does not.

    Args:
        pid: Its process id.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z" if stat.exists() else True
    except (FileNotFoundError, ProcessLookupError):
        return False
