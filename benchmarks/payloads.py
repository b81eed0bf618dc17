"""Large payloads, and what their storage costs short activities that have none.

Results of several sizes, one run at a time, in turns:

off       in Temporal's history; what is above its limit fails
ledger    by reference to the ledger
storage   by reference to a folder as object storage

Then runs of ten short activities, 16 at once, with a client and a worker of each kind in turns:

none      without external storage
flowkeep  with flowkeep's: targets are told without the sandbox, converters copied cheaply
sdk       with the same driver as the SDK would do it

Processor time is that of client and worker together, without the servers.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvloop
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.converter import DataConverter, ExternalStorage
from temporalio.service import GrpcCompression
from temporalio.worker import Worker, WorkflowInstance, WorkflowInstanceDetails

from benchmarks._bare_flows import LIMIT, Steps, step
from benchmarks._support import headline, machine, say
from flowkeep import Plugin, Settings
from flowkeep.local_engine import LocalEngine
from flowkeep.recording.large_payloads.driver import LedgerDriver
from flowkeep.recording.sandbox import CheckedSandboxRunner
from flowkeep.statestore.migrate import upgrade

SIZES = {"1 KB": 1_000, "300 KB": 300_000, "1 MB": 1_000_000, "20 MB": 20_000_000}
PLACES = ("off", "ledger", "storage")
KINDS = ("none", "flowkeep", "sdk")
EAGER_RESERVATIONS = 100
RUNS, AT_ONCE, STEPS = 48, 16, 10

Figures = dict[str, dict[str, list[Any]]]


@activity.defn
async def makes(size: int) -> str:
    line = "".join(f"orders.column_{n} varchar(255) not null; " for n in range(1000))
    return (line * (size // len(line) + 1))[:size]


@workflow.defn
class Makes:
    @workflow.run
    async def run(self, size: int) -> int:
        return len(await workflow.execute_activity(makes, size, start_to_close_timeout=LIMIT))


class Without(Plugin):
    """The plugin as it would be without external storage."""

    def configure_client(self, config: Any) -> Any:
        config = super().configure_client(config)
        config["data_converter"] = _with(config["data_converter"], None)
        return config


class AsTheSdk(Plugin):
    """The plugin with its driver in the SDK's own storage, which asks the sandbox."""

    def configure_client(self, config: Any) -> Any:
        config = super().configure_client(config)
        driver = LedgerDriver(self.store.large_payloads, self.settings.payloads, "ledger")
        config["data_converter"] = _with(config["data_converter"], ExternalStorage([driver]))
        return config

    def configure_worker(self, config: Any) -> Any:
        config = super().configure_worker(config)
        runner = config["workflow_runner"]
        config["workflow_runner"] = _Asking(
            restrictions=runner.restrictions, runner_class=runner.runner_class
        )
        return config


class _Asking(CheckedSandboxRunner):
    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        instance = super().create_instance(det)
        return getattr(instance, "_sandboxed", instance)


def _with(converter: DataConverter, storage: ExternalStorage | None) -> DataConverter:
    plain = DataConverter(
        payload_converter_class=converter.payload_converter_class,
        failure_converter_class=converter.failure_converter_class,
    )
    return replace(plain, external_storage=storage)


@asynccontextmanager
async def serving(plugin: Plugin, settings: Settings) -> AsyncIterator[tuple[Client, str]]:
    client = await Client.connect(
        str(settings.temporal.address), grpc_compression=GrpcCompression.NONE, plugins=[plugin]
    )
    queue = f"benchmark-{uuid4().hex}"
    async with Worker(
        client,
        task_queue=queue,
        workflows=[Steps, Makes],
        activities=[step, makes],
        max_eager_activity_reservations_per_workflow_task=EAGER_RESERVATIONS,
    ):
        yield client, queue


async def result_of(client: Client, queue: str, size: int) -> dict[str, Any]:
    """Return milliseconds of a run and bytes of its history, or why it fails."""
    started = time.perf_counter()
    handle = await client.start_workflow(
        Makes.run, size, id=uuid4().hex, task_queue=queue, request_eager_start=True
    )
    try:
        await handle.result()
        error = None
    except WorkflowFailureError as failure:
        error = str(getattr(failure.cause, "cause", failure.cause)).partition(" (")[0]
    taken = (time.perf_counter() - started) * 1000
    history = await handle.fetch_history()
    return {"ms": taken, "history": sum(one.ByteSize() for one in history.events), "error": error}


async def steps(client: Client, queue: str, kind: str) -> dict[str, float]:
    """Return activities per second and milliseconds of processor time per activity."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with free:
            await client.execute_workflow(
                Steps.run,
                args=[kind, STEPS],
                id=uuid4().hex,
                task_queue=queue,
                request_eager_start=True,
            )

    cpu, begin = time.process_time(), time.perf_counter()
    await asyncio.gather(*(one() for _ in range(RUNS)))
    seconds, spent = time.perf_counter() - begin, time.process_time() - cpu
    return {"per second": RUNS * STEPS / seconds, "cpu ms": spent * 1000 / (RUNS * STEPS)}


def _settings(settings: Settings, place: str) -> Settings:
    payloads = settings.payloads.model_copy(update={"place": place})
    return settings.model_copy(update={"payloads": payloads})


async def measure(repeats: int) -> Figures:
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        async with LocalEngine(Path(folder), progress=say) as engine:
            await upgrade(engine.database_url)
            settings = engine.settings()
            for repeat in range(-1, repeats):  # the first one warms up
                order = 1 if repeat % 2 == 0 else -1
                for place in PLACES[::order]:
                    chosen = _settings(settings, place)
                    async with serving(Plugin(chosen), chosen) as (client, queue):
                        for name, size in SIZES.items():
                            figure = await result_of(client, queue, size)
                            if repeat >= 0:
                                figures.setdefault(name, {}).setdefault(place, []).append(figure)
                kinds: dict[str, Callable[[Settings], Plugin]] = {
                    "none": Without,
                    "flowkeep": Plugin,
                    "sdk": AsTheSdk,
                }
                for kind in KINDS[::order]:
                    chosen = _settings(settings, "ledger")
                    async with serving(kinds[kind](chosen), chosen) as (client, queue):
                        for phase in ("remote", "local"):
                            figure = await steps(client, queue, phase)
                            if repeat >= 0:
                                figures.setdefault(phase, {}).setdefault(kind, []).append(figure)
                say(f"repeat {repeat + 1} of {repeats} done")
    return figures


def show(figures: Figures) -> None:
    print("| result | place | run, ms | history, bytes |")
    print("|---|---|---|---|")
    for name in SIZES:
        for place, raw in figures[name].items():
            ms = statistics.median(one["ms"] for one in raw)
            history = statistics.median(one["history"] for one in raw)
            failed = f" fails: {raw[0]['error']}" if raw[0]["error"] else ""
            print(f"| {name} | {place} | {ms:,.0f}{failed} | {history:,.0f} |")
    print("\n| activities | storage | activities/s | processor ms per activity |")
    print("|---|---|---|---|")
    for phase in ("remote", "local"):
        for kind in KINDS:
            raw = figures[phase][kind]
            rate = statistics.median(one["per second"] for one in raw)
            cpu = statistics.median(one["cpu ms"] for one in raw)
            print(f"| {phase} | {kind} | {rate:,.0f} | {cpu:.2f} |")
    print("\nraw figures")
    for name, by_kind in figures.items():
        unit = "ms" if name in SIZES else "cpu ms"
        for kind, raw in by_kind.items():
            print(f"{name:8} {kind:9} {unit:7} {[round(one[unit], 2) for one in raw]}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=5, help="interleaved repeats (default 5)")
    parser.add_argument("--quick", action="store_true", help="one repeat")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    arguments = parser.parse_args()
    repeats = 1 if arguments.quick else arguments.repeat
    begin = headline(repeats)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures = runner.run(measure(repeats))
    if arguments.output == "json":
        print(json.dumps({"benchmark": "payloads", "machine": machine(), "figures": figures}))
        return
    print(f"{begin}; load average {machine()['load_average']} at the end\n")
    show(figures)


if __name__ == "__main__":
    main()
