"""Orchestration with the ledger, against the bare SDK on the same engine.

Four variants, each with its client and its worker in a process of its own, on one embedded
PostgreSQL and one tuned Temporal server:

bare      the SDK alone, tuned as flowkeep tunes it (no compression, eager start, uvloop, …)
plugin    the same program with flowkeep.Plugin on the client
surface   WorkflowClient.start_workflow, Worker, WorkflowInterface.execute
sequence  SequenceWorkflow: two activities more per run (arguments, preflight), not counted

Phases take turns and the order is reversed in every other repeat, so that noise of the machine
hits all variants. A phase ends when everything it recorded is committed.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from benchmarks._orchestration_load import LATENCIES, PHASES
from benchmarks._support import Child, cpu_seconds, headline, interval, machine, say
from flowkeep.local_engine import LocalEngine
from flowkeep.statestore.migrate import upgrade

VARIANTS = ("bare", "plugin", "surface", "sequence")
CHILD = "from benchmarks._orchestration_load import main; main()"
WHAT = {
    "one": "a run of 1, alone",
    "ten": "a run of 10, alone",
    "start": "runs of 1, 32 at once",
    "seq": "runs of 10, 16 at once",
    "fan": "fan-out of 200",
    "one_local": "a run of 1 local, alone",
    "ten_local": "a run of 10 local, alone",
    "start_local": "runs of 1 local, 32 at once",
    "seq_local": "runs of 10 local, 16 at once",
    "fan_local": "fan-out of 200 local",
}

Figure = dict[str, float]
Figures = dict[str, dict[str, list[Figure]]]


async def start_child(
    stack: AsyncExitStack, engine: LocalEngine, variant: str, share: float
) -> Child:
    settings = engine.settings()
    secret_key = settings.database.secret_key
    assert secret_key is not None
    environment = {
        "TEMPORAL_ADDRESS": engine.temporal_address,
        "FLOWKEEP_DATABASE_URL": engine.database_url,
        "FLOWKEEP_SECRET_KEY": secret_key.get_secret_value(),
        "FLOWKEEP_STORAGE_URL": settings.storage.url,
    }
    child = await Child.start(CHILD, variant, str(share), environment=environment)
    stack.push_async_callback(child.stop)
    return child


def server_seconds(engine: LocalEngine) -> dict[str, float]:
    return {
        name: cpu_seconds(server.pid)
        for name, server in engine.servers().items()
        if server.pid is not None
    }


async def measure_once(engine: LocalEngine, child: Child, phase: str) -> Figure | None:
    before = server_seconds(engine)
    figure: Figure | None = await child.measure(phase)
    if figure is not None:
        after = server_seconds(engine)
        figure |= {name: after[name] - before[name] for name in after}
    return figure


async def measure(variants: list[str], phases: list[str], repeats: int, share: float) -> Figures:
    """Return all raw figures: phase, variant, one per repeat."""
    figures: Figures = {phase: {variant: [] for variant in variants} for phase in phases}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engine = await stack.enter_async_context(LocalEngine(folder, progress=say))
        await upgrade(engine.database_url)
        children = {name: await start_child(stack, engine, name, share) for name in variants}
        for repeat in range(repeats):
            order = variants if repeat % 2 == 0 else variants[::-1]
            for phase in phases:
                for variant in order:
                    figure = await measure_once(engine, children[variant], phase)
                    if figure is not None:
                        figures[phase][variant].append(figure)
            say(f"repeat {repeat + 1} of {repeats} done: {json.dumps(_newest(figures))}")
    return figures


def _newest(figures: Figures) -> dict[str, dict[str, float]]:
    """Return what the last repeat measured, so that an interrupted run is not lost."""
    return {
        phase: {name: round(raw[-1]["figure"], 1) for name, raw in by_variant.items() if raw}
        for phase, by_variant in figures.items()
    }


def summary(figures: Figures) -> list[dict[str, Any]]:
    """Return a row per phase and variant: median, ratio of pairs, processor time per activity."""
    rows = []
    for phase, by_variant in figures.items():
        baseline = [figure["figure"] for figure in by_variant["bare"]]
        for variant, measured in by_variant.items():
            if not measured:
                continue
            raw = [figure["figure"] for figure in measured]
            ratios = [ours / base for base, ours in zip(baseline, raw, strict=True)]
            rows.append(
                {
                    "phase": phase,
                    "what": WHAT[phase],
                    "unit": _unit(phase),
                    "variant": variant,
                    "median": round(statistics.median(raw), 1),
                    "ratio": round(statistics.median(ratios), 3),
                    "interval": [round(bound, 3) for bound in interval(ratios)],
                    "cpu_ms": {
                        name: round(_per_activity(measured, key), 2)
                        for name, key in (
                            ("process", "cpu"),
                            ("temporal", "Temporal"),
                            ("postgresql", "PostgreSQL"),
                        )
                    },
                    "raw": [round(figure, 1) for figure in raw],
                }
            )
    return rows


def _unit(phase: str) -> str:
    if phase in LATENCIES:
        return "ms"
    return "runs/s" if PHASES[phase][1] == 1 else "activities/s"


def _per_activity(measured: list[Figure], key: str) -> float:
    return statistics.median(figure[key] * 1000 / figure["activities"] for figure in measured)


def show(rows: list[dict[str, Any]]) -> None:
    print(f"{'':30} {'unit':13} {'variant':9} {'median':>8} {'ratio':>6} {'95 %':>15}", end="")
    print("   CPU ms per activity: client+worker, Temporal, PostgreSQL")
    for row in rows:
        low, high = row["interval"]
        name = row["what"] if row["variant"] == "bare" else ""
        cpu = "  ".join(f"{value:6.2f}" for value in row["cpu_ms"].values())
        print(
            f"{name:30} {row['unit']:13} {row['variant']:9} {row['median']:8} {row['ratio']:6} "
            f"{low:7} …{high:6}   {cpu}"
        )
    print("\nraw figures")
    for row in rows:
        print(f"{row['phase']:12} {row['variant']:9} {row['raw']}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, help="interleaved repeats (default 5, quick 2)")
    parser.add_argument("--quick", action="store_true", help="a quarter of the runs")
    parser.add_argument("--phases", nargs="+", choices=list(PHASES), default=list(PHASES))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS[1:], default=VARIANTS[1:])
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    arguments = parser.parse_args()
    repeats = (2 if arguments.quick else 5) if arguments.repeat is None else arguments.repeat
    if repeats < 1:
        parser.error("--repeat must be at least 1")
    share = 0.25 if arguments.quick else 1.0
    variants = ["bare", *arguments.variants]
    rows = summary(asyncio.run(measure(variants, arguments.phases, repeats, share)))
    if arguments.output == "json":
        print(json.dumps({"benchmark": "orchestration", "machine": machine(), "rows": rows}))
    else:
        print(headline(repeats) + "\n")
        show(rows)


if __name__ == "__main__":
    main()
