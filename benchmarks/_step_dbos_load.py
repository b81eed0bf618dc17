"""One process of the step benchmark: DBOS, in an environment that has only DBOS."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import uvloop

from benchmarks._dbos_load import launched, plain_steps, steps
from benchmarks._step_phases import measure
from benchmarks._support import answer_phases


async def serve(variant: str, share: float) -> None:
    threads = ThreadPoolExecutor(64)
    loop = asyncio.get_running_loop()

    async def awaited(count: int) -> None:
        await steps("steps", count)

    async def in_thread(count: int) -> None:
        await loop.run_in_executor(threads, plain_steps, "steps", count)

    run = in_thread if variant == "dbos_threads" else awaited
    for name in ("1x16", "10x16"):  # warm up
        await measure(run, name, 0.5)
    await answer_phases(lambda name: measure(run, name, share))


def main() -> None:
    """Run with the arguments: variant, share of the runs, URL of an empty database."""
    variant, share, url = sys.argv[1:]
    with launched(variant, url):
        uvloop.run(serve(variant, float(share)))
