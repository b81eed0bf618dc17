"""One process of the orchestration benchmark: DBOS, in an environment that has only DBOS.

Two forms of the same program: `dbos` awaits its steps on one event loop, `dbos_threads` is plain
functions in DBOS's threads. Both take the form that its documentation teaches, with a pool large
enough for what is in flight and quiet logs.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import uvloop
from dbos import DBOS, DBOSConfig

from benchmarks._support import answer_phases

WIDTH = 200
# As in _orchestration_load.py: kind, steps of a run, runs, and how many of them at once.
PHASES = {
    "one_local": ("steps", 1, 20, 1),
    "ten_local": ("steps", 10, 6, 1),
    "start_local": ("steps", 1, 128, 32),
    "seq_local": ("steps", 10, 64, 16),
    "fan_local": ("fan", WIDTH, 4, 1),
}
LATENCIES = {"one_local", "ten_local"}
POOL = 20


@DBOS.step()
async def step(number: int) -> int:
    return number


@DBOS.workflow()
async def steps(kind: str, count: int) -> int:
    if kind == "fan":
        await asyncio.gather(*(step(number) for number in range(count)))
    else:
        for number in range(count):
            await step(number)
    return 0


@DBOS.step()
def plain_step(number: int) -> int:
    return number


@DBOS.workflow()
def plain_steps(kind: str, count: int) -> int:
    for number in range(count):
        plain_step(number)
    return 0


async def measure(
    run: Callable[[str, int], Awaitable[int]], phase: str, share: float, kinds: set[str]
) -> dict[str, float] | None:
    """Return milliseconds of a lone run or steps per second, and processor time."""
    if phase not in PHASES or PHASES[phase][0] not in kinds:
        return None
    kind, count, runs, at_once = PHASES[phase]
    runs = max(2, round(runs * share))
    free = asyncio.Semaphore(at_once)
    taken: list[float] = []

    async def one() -> None:
        async with free:
            started = time.perf_counter()
            await run(kind, count)
            taken.append(time.perf_counter() - started)

    cpu, begin = time.process_time(), time.perf_counter()
    await asyncio.gather(*(one() for _ in range(runs)))
    seconds = time.perf_counter() - begin
    figure = statistics.median(taken) * 1000 if phase in LATENCIES else runs * count / seconds
    return {"figure": figure, "activities": runs * count, "cpu": time.process_time() - cpu}


async def serve(variant: str, share: float) -> None:
    threads = ThreadPoolExecutor(64)
    loop = asyncio.get_running_loop()

    async def in_thread(kind: str, count: int) -> int:
        return await loop.run_in_executor(threads, plain_steps, kind, count)

    run, kinds = (in_thread, {"steps"}) if variant == "dbos_threads" else (steps, {"steps", "fan"})
    for phase in ("start_local", "seq_local"):  # warm up
        await measure(run, phase, 0.25, kinds)
    await answer_phases(lambda phase: measure(run, phase, share, kinds))


def main() -> None:
    """Run with the arguments: variant, share of the runs, URL of an empty database."""
    variant, share, url = sys.argv[1:]
    with launched(variant, url):
        uvloop.run(serve(variant, float(share)))


@contextmanager
def launched(name: str, url: str) -> Iterator[None]:
    """Run DBOS on an empty database."""
    config: DBOSConfig = {
        "name": name,
        "system_database_url": url,
        "sys_db_pool_size": POOL,
        "log_level": "ERROR",
        "console_log_level": "ERROR",
    }
    DBOS(config=config)
    DBOS.launch()
    try:
        yield
    finally:
        DBOS.destroy()
