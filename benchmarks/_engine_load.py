"""The load of the engine benchmark: one process with a client and a worker of the bare SDK.

It reads a phase per line from standard input and answers with its figure as JSON.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

from temporalio.client import Client
from temporalio.service import GrpcCompression
from temporalio.worker import Worker

from benchmarks._bare_flows import Steps, step
from benchmarks._support import answer_phases

TASK_QUEUE = "benchmark"


class Load:
    """Runs phases against one server, with worker options tuned or as they come."""

    def __init__(self, client: Client, *, tuned: bool) -> None:
        self.client = client
        self.tuned = tuned

    def worker(self) -> Worker:
        if not self.tuned:
            return Worker(self.client, task_queue=TASK_QUEUE, workflows=[Steps], activities=[step])
        return Worker(
            self.client,
            task_queue=TASK_QUEUE,
            workflows=[Steps],
            activities=[step],
            max_eager_activity_reservations_per_workflow_task=100,
        )

    async def run(self, kind: str, count: int) -> float:
        result: float = await self.client.execute_workflow(
            Steps.run,
            args=[kind, count],
            id=uuid4().hex,
            task_queue=TASK_QUEUE,
            request_eager_start=self.tuned,
        )
        return result

    async def alone(self, kind: str, count: int, repeats: int) -> float:
        """Return the median milliseconds of one run at a time."""
        taken = []
        for _ in range(repeats):
            started = time.perf_counter()
            await self.run(kind, count)
            taken.append(time.perf_counter() - started)
        return statistics.median(taken) * 1000

    async def timer(self) -> float:
        """Return the median milliseconds between going to sleep for 50 ms and waking."""
        return statistics.median([await self.run("timer", 0) for _ in range(3)]) * 1000

    async def rate(self, kind: str, count: int, runs: int, at_once: int) -> float:
        """Return activities (or runs, with one activity each) per second."""
        free = asyncio.Semaphore(at_once)

        async def one() -> None:
            async with free:
                await self.run(kind, count)

        started = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(runs)))
        return runs * count / (time.perf_counter() - started)


PHASES: dict[str, Callable[[Load], Awaitable[float]]] = {
    "one": lambda load: load.alone("remote", 1, 10),
    "lat10": lambda load: load.alone("remote", 10, 3),
    "seq": lambda load: load.rate("remote", 10, 48, 16),
    "fan": lambda load: load.rate("fan", 200, 2, 1),
    "start": lambda load: load.rate("remote", 1, 128, 32),
    "local": lambda load: load.rate("local", 10, 48, 16),
    "timer": lambda load: load.timer(),
}


async def serve(address: str, *, tuned: bool) -> None:
    """Answer phases until standard input ends.

    Args:
        address: host:port of the server.
        tuned: Use the tuned options of client and worker.
    """
    client = (
        await Client.connect(address, grpc_compression=GrpcCompression.NONE)
        if tuned
        else await Client.connect(address)
    )
    load = Load(client, tuned=tuned)
    async with load.worker():
        await load.rate("remote", 3, 16, 8)  # warm up
        await load.rate("local", 3, 16, 8)
        await answer_phases(lambda phase: PHASES[phase](load))


def main() -> None:
    """Run with the arguments: address, `tuned` or `defaults`."""
    address, variant = sys.argv[1:]
    tuned = variant == "tuned"
    if tuned:
        import uvloop

        uvloop.run(serve(address, tuned=tuned))
    else:
        asyncio.run(serve(address, tuned=tuned))
