"""What each option of flowkeep's worker and client is worth: all of them, against all but one.

Every variant is the whole surface with the ledger, in a process of its own, on one embedded
PostgreSQL and one tuned Temporal server. A ratio below 1 is what leaving the option out costs.
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
from benchmarks._orchestration_summary import WHAT
from benchmarks._support import Child, headline, interval, machine, say
from benchmarks._worker_options_load import WITHOUT
from benchmarks.orchestration import environment_of
from flowkeep.local_engine import LocalEngine
from flowkeep.statestore.migrate import upgrade

CHILD = "from benchmarks._worker_options_load import main; main()"
ALL = "nothing"
MEASURED = ("start", "seq", "fan", "seq_local", "ten")

Figures = dict[str, dict[str, list[dict[str, float]]]]


async def measure(options: list[str], phases: list[str], repeats: int, share: float) -> Figures:
    """Return all raw figures: phase, what was left out, one per repeat."""
    figures: Figures = {phase: {option: [] for option in options} for phase in phases}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engine = await stack.enter_async_context(LocalEngine(folder, progress=say))
        await upgrade(engine.database_url)
        children = {}
        for option in options:
            child = await Child.start(CHILD, option, str(share), environment=environment_of(engine))
            stack.push_async_callback(child.stop)
            children[option] = child
        for repeat in range(repeats):
            order = options if repeat % 2 == 0 else options[::-1]
            for phase in phases:
                for option in order:
                    figures[phase][option].append(await children[option].measure(phase))
            say(f"repeat {repeat + 1} of {repeats} done")
    return figures


def summary(figures: Figures) -> list[dict[str, Any]]:
    """Return a row per phase and option: median, ratio of pairs, processor time per activity."""
    rows = []
    for phase, by_option in figures.items():
        baseline = [figure["figure"] for figure in by_option[ALL]]
        for option, measured in by_option.items():
            raw = [figure["figure"] for figure in measured]
            ratios = [left / base for base, left in zip(baseline, raw, strict=True)]
            spent = [figure["cpu"] * 1000 / figure["activities"] for figure in measured]
            rows.append(
                {
                    "phase": phase,
                    "what": WHAT[phase],
                    "unit": "ms" if phase in LATENCIES else "per s",
                    "left_out": option,
                    "median": round(statistics.median(raw), 1),
                    "ratio": round(statistics.median(ratios), 3),
                    "interval": [round(bound, 3) for bound in interval(ratios)],
                    "cpu_ms": round(statistics.median(spent), 2),
                    "raw": [round(figure, 1) for figure in raw],
                }
            )
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    print(f"{'':28} {'':6} {'left out':20} {'median':>8} {'ratio':>6} {'95 %':>15}  CPU ms")
    for row in rows:
        low, high = row["interval"]
        name = row["what"] if row["left_out"] == ALL else ""
        print(
            f"{name:28} {row['unit']:6} {row['left_out']:20} {row['median']:8} {row['ratio']:6} "
            f"{low:7} …{high:6}  {row['cpu_ms']:6}"
        )
    print("\nraw figures")
    for row in rows:
        print(f"{row['phase']:12} {row['left_out']:20} {row['raw']}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=5, help="interleaved repeats")
    parser.add_argument("--quick", action="store_true", help="a quarter of the runs")
    parser.add_argument("--phases", nargs="+", choices=list(PHASES), default=list(MEASURED))
    parser.add_argument("--options", nargs="+", choices=list(WITHOUT), default=list(WITHOUT))
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    arguments = parser.parse_args()
    if arguments.repeat < 1:
        parser.error("--repeat must be at least 1")
    share = 0.25 if arguments.quick else 1.0
    options = [ALL, *arguments.options]
    rows = summary(asyncio.run(measure(options, arguments.phases, arguments.repeat, share)))
    if arguments.output == "json":
        print(json.dumps({"benchmark": "worker_options", "machine": machine(), "rows": rows}))
    else:
        print(headline(arguments.repeat) + "\n")
        show(rows)


if __name__ == "__main__":
    main()
