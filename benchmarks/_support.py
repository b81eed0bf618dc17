"""What benchmarks share: processes that make a load, and sums over interleaved repeats."""

import asyncio
import json
import math
import os
import platform
import random
import statistics
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from subprocess import PIPE
from typing import Any

ANSWER = "answer: "
"""In front of each line that answers a phase; the SDK's core logs to standard output too."""
_RESAMPLES = 4000


class Child:
    """A process that measures one variant, a phase at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(
        cls,
        code: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        python: str = sys.executable,
    ) -> "Child":
        """Start it and wait until it is ready.

        Args:
            code: What the new interpreter runs; ends in `answer_phases`.
            arguments: Its arguments.
            environment: Variables added to ours.
            python: The interpreter.
        """
        process = await asyncio.create_subprocess_exec(
            python,
            "-c",
            code,
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            env={**os.environ, **(environment or {})},
        )
        child = cls(process)
        await child._answer()
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    async def measure(self, phase: str) -> Any:
        """Return what it measured."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{phase}\n".encode())
        return await self._answer()

    async def _answer(self) -> Any:
        assert self._process.stdout is not None
        while line := (await self._process.stdout.readline()).decode():
            if line.startswith(ANSWER):
                return json.loads(line.removeprefix(ANSWER))
            say(line.rstrip())
        raise RuntimeError("the process that makes the load ended")

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


async def answer_phases(measure: Callable[[str], Awaitable[Any]]) -> None:
    """Say that this process is ready, then answer a phase per line of standard input."""
    print(ANSWER + json.dumps("ready"), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(ANSWER + json.dumps(await measure(line.strip())), flush=True)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    """Describe where the figures come from."""
    return {
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def headline(repeats: int) -> str:
    found = machine()
    return (
        f"{found['cpus']} CPUs, Python {found['python']}, load average {found['load_average']}, "
        f"{repeats} interleaved repeats"
    )


def interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Return a 95 % interval of the median of paired ratios: percentile bootstrap, fixed seed.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    draw = random.Random(1)
    medians = sorted(
        statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(_RESAMPLES)
    )
    return medians[math.floor(_RESAMPLES * 0.025)], medians[math.ceil(_RESAMPLES * 0.975) - 1]


def peak_mib() -> float:
    """Return the most memory this process ever had, in MiB: VmHWM of proc_pid_status(5).

    `ru_maxrss` would not do: it survives exec, so a small process answers with its parent's.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status has no VmHWM")


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process, its children and those it has waited for."""
    own = _ticks(Path(f"/proc/{pid}/stat"), with_waited=True)
    children = 0.0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _parent(entry / "stat") == pid:
            children += _ticks(entry / "stat", with_waited=False)
    return (own + children) / os.sysconf("SC_CLK_TCK")


def _fields(path: Path) -> list[str]:
    try:
        return path.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _parent(path: Path) -> int | None:
    fields = _fields(path)
    return int(fields[1]) if fields else None


def _ticks(path: Path, *, with_waited: bool) -> float:
    """Add up fields 14 to 15, or 14 to 17, of proc_pid_stat(5)."""
    return sum(float(field) for field in _fields(path)[11 : 15 if with_waited else 13])
