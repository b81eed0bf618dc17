"""The load of the engine benchmark: one process with a client and a worker of the bare SDK.

It reads a phase per line from standard input and answers with its figure as JSON.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.service import GrpcCompression
from temporalio.worker import Worker

LIMIT = timedelta(seconds=30)
ANSWER = "answer: "
"""In front of each line that answers a phase."""
TASK_QUEUE = "benchmark"
TIMER = timedelta(milliseconds=50)


@activity.defn
async def step(number: int) -> int:
    return number


@workflow.defn
class Steps:
    @workflow.run
    async def run(self, kind: str, count: int) -> float:
        if kind == "timer":
            before = workflow.now()
            await asyncio.sleep(TIMER.total_seconds())
            return (workflow.now() - before).total_seconds()
        if kind == "fan":
            await asyncio.gather(*(self.remote(number) for number in range(count)))
            return 0
        for number in range(count):
            await (self.local(number) if kind == "local" else self.remote(number))
        return 0

    async def remote(self, number: int) -> int:
        return await workflow.execute_activity(step, number, start_to_close_timeout=LIMIT)

    async def local(self, number: int) -> int:
        return await workflow.execute_local_activity(step, number, start_to_close_timeout=LIMIT)


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
        print(ANSWER + json.dumps("ready"), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(ANSWER + json.dumps(await PHASES[line.strip()](load)), flush=True)


def main() -> None:
    """Run with the arguments: address, `tuned` or `defaults`."""
    address, variant = sys.argv[1:]
    tuned = variant == "tuned"
    if tuned:
        import uvloop

        uvloop.run(serve(address, tuned=tuned))
    else:
        asyncio.run(serve(address, tuned=tuned))
