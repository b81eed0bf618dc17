"""hey, which makes requests at a fixed concurrency: built on first use, with the Go on PATH."""

import asyncio
import csv
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks._peer import PeerError, end_of
from benchmarks._support import say
from flowkeep.settings import user_cache

VERSION = "0.1.5"
MODULE = f"github.com/rakyll/hey@v{VERSION}"


@dataclass(frozen=True)
class Load:
    """What one load came to.

    Attributes:
        requests: How many were answered as expected.
        seconds: From the first request to the last answer.
        times: How long each took, in ms, ascending.
    """

    requests: int
    seconds: float
    times: Sequence[float]

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    def percentile(self, share: float) -> float:
        """Return the time below which a share of the requests stayed, in ms."""
        return self.times[min(len(self.times) - 1, int(len(self.times) * share))]


def binary() -> Path:
    """Return the program; it is built on first use.

    Raises:
        PeerError: If Go is missing or the module cannot be fetched.
    """
    home = user_cache() / "benchmarks" / f"hey-{VERSION}"
    program = home / "hey"
    if program.is_file():
        return program
    go = shutil.which("go")
    if go is None:
        raise PeerError("the load generator is a Go program, and there is no `go` on PATH")
    say(f"building {MODULE} into {home}")
    home.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "GOBIN": str(home)}
    done = subprocess.run(
        [go, "install", MODULE], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise PeerError(f"{MODULE} cannot be built: {end_of(done.stderr)}")
    return program


async def load(
    url: str,
    *,
    at_once: int,
    status: int = 200,
    seconds: float | None = None,
    requests: int | None = None,
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
    compressed: bool = False,
) -> Load:
    """Make requests, and count their answers.

    Args:
        url: What is asked.
        at_once: How many at a time, each over a connection that is kept.
        status: What every answer is to have.
        seconds: How long; or
        requests: how many.
        headers: Of each request.
        body: JSON to POST; nothing to GET.
        compressed: Whether answers may be compressed.

    Raises:
        RuntimeError: If a request failed or was answered otherwise.
    """
    command = [str(binary()), "-o", "csv", "-c", str(at_once), "-t", "60"]
    command += ["-n", str(requests)] if requests is not None else ["-z", f"{seconds}s"]
    if not compressed:
        command.append("-disable-compression")
    for name, value in (headers or {}).items():
        command += ["-H", f"{name}: {value}"]
    if body is not None:
        command += ["-m", "POST", "-T", "application/json", "-d", body]
    process = await asyncio.create_subprocess_exec(
        *command, url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"hey failed: {end_of(errors.decode())}")
    return _read(output.decode(), status, requests)


def _read(output: str, status: int, wanted: int | None) -> Load:
    rows = list(csv.DictReader(output.splitlines()))
    statuses = Counter(int(row["status-code"]) for row in rows)
    if set(statuses) != {status} or (wanted is not None and len(rows) < wanted):
        raise RuntimeError(f"{len(rows)} answers, by status: {dict(statuses)}")
    ends = [float(row["offset"]) + float(row["response-time"]) for row in rows]
    begins = [float(row["offset"]) for row in rows]
    times = sorted(float(row["response-time"]) * 1000 for row in rows)
    return Load(len(rows), max(ends) - min(begins), times)
