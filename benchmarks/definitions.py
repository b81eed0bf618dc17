"""Definitions beside the same calls written as a workflow in Python, on the same engine.

Three variants, each with a worker in a process of its own, started from one client:

coded       a workflow class of flowkeep that calls its own activity
action      the same class, calling the activity behind an action of definitions
definition  a definition whose tasks call that action

The first two differ by what an action does around its function, the last two by the planner and
the workflow that drives it. Processor time and memory are those of the worker; events and bytes
those of Temporal's history. What a task takes over a coded one is measured by many short phases,
each next to one of the coded workflow; what a run takes once is in it.

Then come large runs, each phase with workers that begin anew: how many executions they take by
continuing as new, the longest history of one of them, and the worker's memory before, at most and
after. Last the planner alone, without Temporal, its tasks ending at once.

Phases take turns and the order is reversed in every other repeat, so that noise of the machine
hits all variants.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import _definition_plan as plan
from benchmarks._definition_rounds import VARIANTS, processes
from benchmarks._definition_summary import (
    GROWTH,
    OVERHEAD,
    PHASES,
    WARM_UP,
    Figures,
    growth,
    overhead,
    summary,
)
from benchmarks._support import headline, machine, say
from flowkeep import WorkflowClient
from flowkeep.local_engine import LocalEngine
from flowkeep.statestore.migrate import upgrade

GROWING = ["coded", "definition"]
QUICK_GROWTH = ("items_1000",)
PARTS = ("tasks", "overhead", "growth", "planner")
PAIRS = 4
"""Repeats of the overhead's phases per repeat of the others: they are short."""


class Bench:
    """Servers, and a client of them.

    Args:
        engine: The servers.
        client: Starts the runs.
        share: Share of the runs to make.
    """

    def __init__(self, engine: LocalEngine, client: WorkflowClient, share: float) -> None:
        self._engine = engine
        self._client = client
        self._share = share

    async def tasks(self, repeats: int) -> Figures:
        """Return all raw figures of small runs."""
        figures: Figures = {phase: {name: [] for name in VARIANTS} for phase in PHASES}
        async with processes(self._engine, self._client, list(VARIANTS)) as workers:
            for worker in workers.values():
                for phase in (PHASES["ten"], WARM_UP):
                    await worker.measure(phase)
            for repeat in range(repeats):
                order = VARIANTS if repeat % 2 == 0 else VARIANTS[::-1]
                for name, phase in PHASES.items():
                    runs = max(2, round(phase.runs * self._share))
                    for variant in order:
                        figure = await workers[variant].measure(replace(phase, runs=runs))
                        figures[name][variant].append(figure)
                say(f"repeat {repeat + 1} of {repeats} done: {json.dumps(_newest(figures))}")
        return figures

    async def overhead(self, repeats: int) -> Figures:
        """Return all raw figures of what a task takes."""
        figures: Figures = {phase: {name: [] for name in VARIANTS} for phase in OVERHEAD}
        async with processes(self._engine, self._client, list(VARIANTS)) as workers:
            for worker in workers.values():
                for phase in OVERHEAD.values():
                    await worker.measure(phase)
            for repeat in range(repeats):
                order = VARIANTS if repeat % 2 == 0 else VARIANTS[::-1]
                for name, phase in OVERHEAD.items():
                    for variant in order:
                        figures[name][variant].append(await workers[variant].measure(phase))
                say(f"repeat {repeat + 1} of {repeats} done: {json.dumps(_newest(figures))}")
        return figures

    async def growth(self, phases: list[str], repeats: int) -> Figures:
        """Return all raw figures of large runs; the workers of a phase are new."""
        figures: Figures = {phase: {} for phase in phases}
        for name in phases:
            variants = GROWING if GROWTH[name].shape == "items" else ["definition"]
            async with processes(self._engine, self._client, variants) as workers:
                for variant, worker in workers.items():
                    await worker.measure(WARM_UP)
                    figures[name][variant] = []
                for _ in range(repeats):
                    for variant, worker in workers.items():
                        figure = await worker.measure(GROWTH[name])
                        figures[name][variant].append(figure)
                        say(f"{name} {variant}: {json.dumps(figure)}")
        return figures


def _newest(figures: Figures) -> dict[str, dict[str, float]]:
    """Return what the last repeat measured, so that an interrupted run is not lost."""
    return {
        phase: {
            name: round(raw[-1]["cpu"] * 1000 / raw[-1]["tasks"], 2)
            for name, raw in by_variant.items()
        }
        for phase, by_variant in figures.items()
    }


def planner(repeats: int) -> list[dict[str, Any]]:
    """Return a row per shape: microseconds per task end, and milliseconds of the rest."""
    rows = []
    for name in plan.SHAPES:
        with_templates = [plan.measure(name, templates=True) for _ in range(repeats)]
        plain = [plan.measure(name, templates=False) for _ in range(repeats)]
        median = {
            key: statistics.median(one[key] for one in with_templates) for key in with_templates[0]
        }
        raw = [round(one["us_per_task"], 1) for one in with_templates]
        rows.append(
            {
                "what": name,
                "plain_us": round(statistics.median(one["us_per_task"] for one in plain), 1),
                **{key: round(value, 2) for key, value in median.items()},
                "raw_us": raw,
            }
        )
    return rows


async def measure(arguments: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of all parts that are wanted."""
    found: dict[str, list[dict[str, Any]]] = {}
    if "planner" in arguments.parts:
        found["planner"] = planner(arguments.repeat)
    if arguments.parts == ["planner"]:
        return found
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engine = await stack.enter_async_context(LocalEngine(folder, progress=say))
        await upgrade(engine.database_url)
        client = await WorkflowClient.connect(engine.settings())
        await stack.enter_async_context(client)
        bench = Bench(engine, client, 0.25 if arguments.quick else 1.0)
        if "tasks" in arguments.parts:
            figures = await bench.tasks(arguments.repeat)
            found["rows"] = summary(figures)
        if "overhead" in arguments.parts:
            found["overhead"] = overhead(await bench.overhead(PAIRS * arguments.repeat))
        if "growth" in arguments.parts:
            phases = arguments.growth or list(QUICK_GROWTH if arguments.quick else GROWTH)
            found["growth"] = growth(await bench.growth(phases, 1 if arguments.quick else 2))
    return found


def show(found: dict[str, list[dict[str, Any]]]) -> None:
    """Print all rows."""
    if rows := found.get("rows"):
        print(f"{'':30} {'unit':8} {'variant':11} {'median':>8} {'ratio':>6} {'95 %':>15}", end="")
        print("   per task: CPU ms of the worker, events, bytes of history")
    for row in rows or ():
        low, high = row["interval"]
        name = row["what"] if row["variant"] == VARIANTS[0] else ""
        print(
            f"{name:30} {row['unit']:8} {row['variant']:11} {row['median']:8} {row['ratio']:6} "
            f"{low:7} …{high:6}   {row['cpu_ms']:7} {row['events']:7} {row['bytes']:7}"
        )
    if "overhead" in found:
        print("\na task: CPU ms of the worker, how much over coded (95 %); events; bytes")
    for row in found.get("overhead", ()):
        low, high = row["interval"]
        told = f"{row['cpu_ms']:6} {row['more_cpu_ms']:+6} ({low:+} … {high:+})"
        print(f"{row['what']:24} {row['variant']:11} {told:30} {row['events']:6} {row['bytes']:8}")
    if "growth" in found:
        print("\nlarge runs: seconds, CPU ms per task; executions of the run, with its children;")
        print("events and KB of the longest; workflow tasks completed and lost; MiB of the worker")
        print("before, at most, after")
    for row in found.get("growth", ()):
        told = f"{row['seconds']:7} {row['cpu_ms']:6} {row['segments']:4} {row['executions']:4}"
        print(
            f"{row['what']:27} {row['variant']:11} {told} {row['most_events']:6} "
            f"{row['most_kb']:6} {row['turns']:6} {row['lost']:4}   {row['mib']}"
        )
    if "planner" in found:
        print(
            "\nthe planner alone: CPU µs per task end without and with templates; ms to check the"
        )
        print("definition, to make a plan, to dump it half-way and to load it")
    for row in found.get("planner", ()):
        rest = " ".join(f"{row[key]:7}" for key in ("spec_ms", "plan_ms", "dump_ms", "load_ms"))
        print(f"{row['what']:22} {row['plain_us']:7} {row['us_per_task']:7} {rest}")
    print("\nraw figures")
    for row in rows or ():
        print(f"{row['phase']:9} {row['variant']:11} {row['raw']}  CPU ms {row['raw_cpu_ms']}")
    for row in found.get("overhead", ()):
        print(f"{row['what']:24} {row['variant']:11} CPU ms {row['raw_cpu_ms']}")
        print(f"{'':24} {'':11} over coded {row['raw_more_cpu_ms']}")
    for row in found.get("planner", ()):
        print(f"{row['what']:22} µs {row['raw_us']}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, help="interleaved repeats (default 5, quick 2)")
    parser.add_argument("--quick", action="store_true", help="fewer runs, none of them large")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--growth", nargs="+", choices=GROWTH, help="large runs (default all)")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    arguments = parser.parse_args()
    if arguments.repeat is None:
        arguments.repeat = 2 if arguments.quick else 5
    if arguments.repeat < 1:
        parser.error("--repeat must be at least 1")
    found = asyncio.run(measure(arguments))
    if arguments.output == "json":
        print(json.dumps({"benchmark": "definitions", "machine": machine(), **found}))
    else:
        print(headline(arguments.repeat) + "\n")
        show(found)


if __name__ == "__main__":
    main()
