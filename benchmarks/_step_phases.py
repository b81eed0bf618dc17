"""What the step benchmark measures; read by programs in environments of their own."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

# Steps of a run, number of runs, and how many of them at once; one at a time: latency.
PHASES = {
    "1x1": (1, 20, 1),
    "1x16": (1, 64, 16),
    "1x64": (1, 128, 64),
    "10x1": (10, 8, 1),
    "10x16": (10, 48, 16),
    "10x64": (10, 64, 64),
    "100x1": (100, 3, 1),
    "100x16": (100, 16, 16),
    "100x64": (100, 64, 64),
    "1000x1": (1000, 1, 1),
    "1000x16": (1000, 16, 16),
}


async def measure(
    run: Callable[[int], Awaitable[object]], phase: str, share: float
) -> dict[str, float]:
    """Return steps per second, milliseconds of a run, and processor time.

    Args:
        run: Executes a run of so many steps.
        phase: A key of PHASES.
        share: Share of the runs to make.
    """
    count, runs, at_once = PHASES[phase]
    runs = max(1, round(runs * share))
    free = asyncio.Semaphore(at_once)
    taken: list[float] = []

    async def one() -> None:
        async with free:
            started = time.perf_counter()
            await run(count)
            taken.append(time.perf_counter() - started)

    cpu, begin = time.process_time(), time.perf_counter()
    await asyncio.gather(*(one() for _ in range(runs)))
    seconds = time.perf_counter() - begin
    return {
        "rate": runs * count / seconds,
        "ms": statistics.median(taken) * 1000,
        "steps": runs * count,
        "cpu": time.process_time() - cpu,
    }
