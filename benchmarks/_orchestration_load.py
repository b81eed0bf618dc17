"""One process of the orchestration benchmark: client and worker of one variant."""

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import uvloop
from temporalio.client import Client
from temporalio.service import GrpcCompression
from temporalio.worker import Worker as TemporalWorker

from benchmarks._bare_flows import Steps, step
from benchmarks._flows.base import WIDTH, StepActivities
from benchmarks._flows.listed_one import ListedOne
from benchmarks._flows.listed_ten import ListedTen
from benchmarks._flows.listed_wide import ListedWide
from benchmarks._flows.one import One, OneLocal
from benchmarks._flows.ten import Ten, TenLocal
from benchmarks._flows.wide import Wide, WideLocal
from benchmarks._support import answer_phases
from flowkeep import Plugin, Settings, Worker, WorkflowClient, WorkflowInterface

EAGER_RESERVATIONS = 100

# Kind and count of a run, number of runs, and how many of them at once; one at a time: latency.
PHASES: dict[str, tuple[str, int, int, int]] = {
    "one": ("remote", 1, 20, 1),
    "ten": ("remote", 10, 6, 1),
    "start": ("remote", 1, 128, 32),
    "seq": ("remote", 10, 48, 16),
    "fan": ("fan", WIDTH, 4, 1),
    "one_local": ("local", 1, 20, 1),
    "ten_local": ("local", 10, 6, 1),
    "start_local": ("local", 1, 128, 32),
    "seq_local": ("local", 10, 64, 16),
    "fan_local": ("fan_local", WIDTH, 4, 1),
}
EXECUTED: dict[tuple[str, int], type[WorkflowInterface]] = {
    ("remote", 1): One,
    ("remote", 10): Ten,
    ("fan", WIDTH): Wide,
    ("local", 1): OneLocal,
    ("local", 10): TenLocal,
    ("fan_local", WIDTH): WideLocal,
}
LISTED: dict[tuple[str, int], type[WorkflowInterface]] = {
    ("remote", 1): ListedOne,
    ("remote", 10): ListedTen,
    ("fan", WIDTH): ListedWide,
}
LATENCIES = {"one", "ten", "one_local", "ten_local"}


class Bare:
    """The SDK's client and worker, tuned; the plugin joins by the client alone."""

    def __init__(self, client: Client, plugin: Plugin | None = None) -> None:
        self._client = client
        self._plugin = plugin
        self._queue = f"benchmark-{uuid4().hex}"

    def worker(self) -> Any:
        return TemporalWorker(
            self._client,
            task_queue=self._queue,
            workflows=[Steps],
            activities=[step],
            max_eager_activity_reservations_per_workflow_task=EAGER_RESERVATIONS,
        )

    async def run(self, kind: str, count: int) -> None:
        await self._client.execute_workflow(
            Steps.run,
            args=[kind, count],
            id=uuid4().hex,
            task_queue=self._queue,
            request_eager_start=True,
        )

    def runs(self, kind: str, count: int) -> bool:
        return True

    async def written(self) -> None:
        """Wait for what is recorded behind."""
        if self._plugin is not None and self._plugin.recorder is not None:
            await self._plugin.recorder.flush()


class Surface:
    """Flowkeep's client, worker and workflow classes."""

    def __init__(
        self, client: WorkflowClient, classes: dict[tuple[str, int], type[WorkflowInterface]]
    ) -> None:
        self._client = client
        self._classes = classes
        self._queue = f"benchmark-{uuid4().hex}"

    def worker(self) -> Worker:
        activities = StepActivities()
        return Worker(
            self._client,
            self._queue,
            workflow_classes=list(self._classes.values()),
            workflow_activities=[activities.step, activities.listed],
        )

    async def run(self, kind: str, count: int) -> None:
        handle = await self._client.start_workflow(
            {"number": 1}, self._classes[kind, count], task_queue=self._queue
        )
        await handle.result()

    def runs(self, kind: str, count: int) -> bool:
        return (kind, count) in self._classes

    async def written(self) -> None:
        """Wait for what is recorded behind."""
        if self._client.plugin.recorder is not None:
            await self._client.plugin.recorder.flush()


@asynccontextmanager
async def variant(name: str) -> AsyncIterator[Bare | Surface]:
    settings = Settings.load()
    if name in ("bare", "plugin"):
        plugin = Plugin(settings) if name == "plugin" else None
        client = await Client.connect(
            str(settings.temporal.address),
            grpc_compression=GrpcCompression.NONE,
            plugins=[plugin] if plugin else [],
        )
        yield Bare(client, plugin)
        return
    async with await WorkflowClient.connect(settings) as connected:
        yield Surface(connected, EXECUTED if name == "surface" else LISTED)


async def measure(load: Bare | Surface, phase: str, share: float) -> dict[str, float] | None:
    """Return milliseconds of a lone run or activities per second, and processor time.

    Args:
        load: The variant.
        phase: A key of PHASES.
        share: Share of the runs to make.
    """
    kind, count, runs, at_once = PHASES[phase]
    if not load.runs(kind, count):
        return None
    runs = max(2, round(runs * share))
    free = asyncio.Semaphore(at_once)
    taken: list[float] = []

    async def one() -> None:
        async with free:
            started = time.perf_counter()
            await load.run(kind, count)
            taken.append(time.perf_counter() - started)

    cpu, begin = time.process_time(), time.perf_counter()
    await asyncio.gather(*(one() for _ in range(runs)))
    await load.written()
    seconds = time.perf_counter() - begin
    figure = statistics.median(taken) * 1000 if phase in LATENCIES else runs * count / seconds
    return {
        "figure": figure,
        "activities": runs * count,
        "cpu": time.process_time() - cpu,
    }


async def serve(name: str, share: float) -> None:
    async with variant(name) as load, load.worker():
        for phase in ("start", "seq", "seq_local"):  # warm up
            await measure(load, phase, 0.25)
        await answer_phases(lambda phase: measure(load, phase, share))


def main() -> None:
    """Run with the arguments: variant, share of the runs."""
    name, share = sys.argv[1:]
    uvloop.run(serve(name, float(share)))
