"""Starts runs through the client in a process of its own, a phase at a time."""

import asyncio
import time
from typing import Any

import uvloop

from benchmarks._support import answer_phases
from flowkeep import WorkflowClient
from flowkeep.settings import Settings

WORKFLOW = "Empty"
QUEUE = "nobody"
"""No worker listens: only starting costs."""
ARGUMENTS = {"day": "2026-01-31", "region": "eu"}


async def start(client: WorkflowClient, runs: int, at_once: int) -> dict[str, Any]:
    """Start some runs; return seconds, processor seconds and each start's milliseconds."""
    taken: list[float] = []
    numbers = iter(range(runs))

    async def caller() -> None:
        for _ in numbers:
            began = time.perf_counter()
            await client.start_workflow(ARGUMENTS, WORKFLOW, task_queue=QUEUE)
            taken.append((time.perf_counter() - began) * 1000)

    spent, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "cpu": time.process_time() - spent, "times": sorted(taken)}


async def serve() -> None:
    """Answer phases, each "runs at_once", until standard input ends."""
    async with await WorkflowClient.connect(Settings.load()) as client:

        async def measure(phase: str) -> dict[str, Any]:
            runs, at_once = map(int, phase.split())
            return await start(client, runs, at_once)

        await answer_phases(measure)


def main() -> None:
    uvloop.run(serve())
