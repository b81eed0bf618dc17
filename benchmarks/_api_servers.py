"""Servers of HTTP in processes of their own, and what they use."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks._support import cpu_seconds

SERVICE = ("-m", "flowkeep", "api", "--port", "0")
BARE = ("-c", "from benchmarks._api_bare import main; main()")
UNLIMITED = {
    "FLOWKEEP_API_RATE_PER_SECOND": "1000000",
    "FLOWKEEP_API_BURST": "1000000",
    "FLOWKEEP_API_STREAMS": "1000000",
}
"""A single key makes all requests."""
_PLACE = "REST API"
_START_SECONDS = 120.0


class Served:
    """A server that runs.

    Attributes:
        url: Where it answers.
        pid: Its process.
    """

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.pid = pid

    def cpu(self) -> float:
        """Return the processor time it has taken, in seconds."""
        return cpu_seconds(self.pid)

    def mib(self) -> float:
        """Return the memory that it holds, in MiB: VmRSS of proc_pid_status(5)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("the server has ended")

    def descriptors(self) -> int:
        """Return how many files and sockets it has open."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())


@asynccontextmanager
async def served(arguments: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[Served]:
    """Run a server of one process until the end of the block.

    Args:
        arguments: What Python runs: `SERVICE` or `BARE`.
        environment: Variables added to ours.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_SECONDS):
            url = await _place(process.stdout)
        drained = asyncio.create_task(process.stdout.read())
        yield Served(url, process.pid)
        process.terminate()
        await drained
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _place(output: asyncio.StreamReader) -> str:
    while line := (await output.readline()).decode():
        if line.startswith(_PLACE):
            return line.split()[-1]
    raise RuntimeError("the server ended before it answered")
