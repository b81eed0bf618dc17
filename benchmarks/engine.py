"""The Temporal development server and a bare worker: as they come, against tuned.

Both variants keep their state in a file and are up at the same time; phases take turns and the
order is reversed in every other repeat, so that noise of the machine hits both. Each variant's
client and worker share a process of its own.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks._engine_load import PHASES
from benchmarks._support import Child, headline, machine, say
from flowkeep.local_engine import LocalEngine

VARIANTS = ("defaults", "tuned")
CHILD = "from benchmarks._engine_load import main; main()"
UNITS = {
    "one": ("a run of 1 activity, alone", "ms"),
    "lat10": ("a run of 10 activities, alone", "ms"),
    "seq": ("runs of 10 activities, 16 at once", "activities/s"),
    "fan": ("fan-out of 200 activities", "activities/s"),
    "start": ("runs of 1 activity, 32 at once", "runs/s"),
    "local": ("local activities, 16 runs at once", "activities/s"),
    "timer": ("a timer of 50 ms", "ms"),
}

Figures = dict[str, dict[str, list[float]]]


async def start_child(stack: AsyncExitStack, variant: str) -> Child:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    engine = await stack.enter_async_context(
        LocalEngine(folder, tuned=variant == "tuned", progress=say)
    )
    child = await Child.start(CHILD, engine.temporal_address, variant)
    stack.push_async_callback(child.stop)
    return child


async def measure(repeats: int) -> Figures:
    """Return all raw figures: phase, variant, one number per repeat."""
    figures: Figures = {phase: {variant: [] for variant in VARIANTS} for phase in PHASES}
    async with AsyncExitStack() as stack:
        children = {variant: await start_child(stack, variant) for variant in VARIANTS}
        for repeat in range(repeats):
            order = VARIANTS if repeat % 2 == 0 else VARIANTS[::-1]
            for phase in PHASES:
                for variant in order:
                    figures[phase][variant].append(await children[variant].measure(phase))
            say(f"repeat {repeat + 1} of {repeats} done")
    return figures


def summary(figures: Figures) -> list[dict[str, object]]:
    """Return a row per phase: medians, raw numbers, median of the ratios within each repeat."""
    rows: list[dict[str, object]] = []
    for phase, (what, unit) in UNITS.items():
        defaults, tuned = (figures[phase][variant] for variant in VARIANTS)
        ratios = [after / before for before, after in zip(defaults, tuned, strict=True)]
        rows.append(
            {
                "phase": phase,
                "what": what,
                "unit": unit,
                "defaults": round(statistics.median(defaults), 1),
                "tuned": round(statistics.median(tuned), 1),
                "ratio": round(statistics.median(ratios), 3),
                "defaults_raw": [round(figure, 1) for figure in defaults],
                "tuned_raw": [round(figure, 1) for figure in tuned],
            }
        )
    return rows


def show(rows: list[dict[str, object]]) -> None:
    print(f"{'':36} {'unit':13} {'defaults':>9} {'tuned':>9} {'ratio':>7}")
    for row in rows:
        figures = f"{row['defaults']:>9} {row['tuned']:>9} {row['ratio']:>7}"
        print(f"{row['what']:36} {row['unit']:13} {figures}")
    print("\nraw figures")
    for row in rows:
        for variant in VARIANTS:
            print(f"{row['phase']:6} {variant:9} {row[f'{variant}_raw']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5, help="interleaved repeats (default 5)")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    arguments = parser.parse_args()
    if arguments.repeat < 1:
        parser.error("--repeat must be at least 1")
    rows = summary(asyncio.run(measure(arguments.repeat)))
    if arguments.output == "json":
        print(json.dumps({"benchmark": "engine", "machine": machine(), "rows": rows}, indent=2))
    else:
        print(headline(arguments.repeat) + "\n")
        show(rows)


if __name__ == "__main__":
    main()
