"""Runs of definitions beside coded ones, and what they take."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from benchmarks._definition_checks import check
from benchmarks._definition_flows import Coded
from benchmarks._definition_history import trace
from benchmarks._definition_load import resident_mib
from benchmarks._definition_shapes import document, parameters
from benchmarks._support import Child
from flowkeep import WorkflowClient
from flowkeep.clients.handle import RunHandle
from flowkeep.contracts import NewDefinition
from flowkeep.local_engine import LocalEngine

CHILD = "from benchmarks._definition_load import main; main()"
VARIANTS = ("coded", "action", "definition")
_LOOK_SECONDS = 0.2

Figure = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Phase:
    """Some runs of one shape.

    Attributes:
        shape: See `_definition_shapes`.
        count: Tasks or items of a run.
        runs: How many runs.
        at_once: How many of them at a time.
        concurrency: Most items of a run at a time.
        checked: Whether the last run's rows and result are looked through.
    """

    shape: str
    count: int
    runs: int
    at_once: int
    concurrency: int = 50
    checked: bool = False


class Process:
    """A worker in a process of its own, and the runs that wait for it alone.

    Args:
        client: Starts the runs.
        child: The worker.
        queue: Its task queue.
        variant: One of `VARIANTS`.
    """

    def __init__(self, client: WorkflowClient, child: Child, queue: str, variant: str) -> None:
        self._client = client
        self._child = child
        self._queue = queue
        self._variant = variant
        self._stored: set[str] = set()

    async def measure(self, phase: Phase) -> Figure:
        """Make the runs of a phase.

        Returns:
            Seconds of all runs together, the median of one in ms, and of the worker: processor
            seconds, its memory in MiB before, after and at its most.
        """
        free = asyncio.Semaphore(phase.at_once)
        taken: list[float] = []
        ref = await self._store(phase)

        async def one() -> RunHandle:
            async with free:
                started = time.perf_counter()
                handle = await self._start(phase, ref)
                await handle.result()
                taken.append(time.perf_counter() - started)
            return handle

        before = await self._child.measure("spent")
        peak = asyncio.create_task(self._peak())
        begin = time.perf_counter()
        handles = await asyncio.gather(*(one() for _ in range(phase.runs)))
        seconds = time.perf_counter() - begin
        after = await self._child.measure("spent")
        peak.cancel()
        most = max([before["mib"], after["mib"], *(await asyncio.gather(peak))[0]])
        if self._variant == "definition" and phase.checked:
            await check(self._client, handles[-1], phase.shape, phase.count)
        found = await trace(
            self._client.temporal, handles[-1].workflow_id, handles[-1].temporal_run_id
        )
        return {
            "seconds": seconds,
            "ms": statistics.median(taken) * 1000,
            "cpu": after["cpu"] - before["cpu"],
            "tasks": phase.count * phase.runs,
            "mib": [round(one, 1) for one in (before["mib"], most, after["mib"])],
            **asdict(found),
        }

    async def _peak(self) -> list[float]:
        seen: list[float] = []
        try:
            while True:
                seen.append(resident_mib(self._child.pid))
                await asyncio.sleep(_LOOK_SECONDS)
        except asyncio.CancelledError:
            return seen

    async def _store(self, phase: Phase) -> str:
        if self._variant != "definition":
            return ""
        spec = document(phase.shape, phase.count, phase.concurrency)
        ref = f"{spec['ref']}-{self._queue}"
        if ref not in self._stored:
            new = NewDefinition(name=ref, ref=ref, spec={**spec, "ref": ref})
            await self._client.store.definitions.create("default", new)
            self._stored.add(ref)
        return ref

    async def _start(self, phase: Phase, ref: str) -> RunHandle:
        given = parameters(phase.shape, phase.count)
        if self._variant == "definition":
            return await self._client.definitions.run(ref, given, task_queue=self._queue)
        arguments = {**given, **asdict(phase), "action": self._variant == "action"}
        return await self._client.start_workflow(arguments, Coded, task_queue=self._queue)


@asynccontextmanager
async def processes(
    engine: LocalEngine, client: WorkflowClient, variants: list[str]
) -> AsyncIterator[dict[str, Process]]:
    """Start a worker for each variant, and stop them at the end.

    Args:
        engine: The servers.
        client: Starts the runs.
        variants: Of `VARIANTS`.
    """
    async with AsyncExitStack() as stack:
        made = {}
        for variant in variants:
            queue = f"{variant}-{uuid4().hex[:8]}"
            child = await Child.start(CHILD, queue, environment=environment_of(engine))
            stack.push_async_callback(child.stop)
            made[variant] = Process(client, child, queue, variant)
        yield made


def environment_of(engine: LocalEngine) -> dict[str, str]:
    """Return what a worker has to know of the servers."""
    settings = engine.settings()
    secret_key = settings.database.secret_key
    assert secret_key is not None
    return {
        "TEMPORAL_ADDRESS": engine.temporal_address,
        "FLOWKEEP_DATABASE_URL": engine.database_url,
        "FLOWKEEP_SECRET_KEY": secret_key.get_secret_value(),
        "FLOWKEEP_STORAGE_URL": settings.storage.url,
    }
