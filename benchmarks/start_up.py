"""What it costs to begin: a run inside Temporal's sandbox, the package, the command line.

Sandbox: Temporal loads the workflow's module anew for every run. Measured is the making of an
instance by the SDK's own runner for a bare workflow, and by the runner that flowkeep's plugin
configures for a workflow of flowkeep's. Import and command line: each measurement is a new
interpreter, start to end. Variants take turns, and the order is reversed in every other repeat.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from benchmarks._support import headline, interval, machine, say

PROGRAMS = {
    "empty program": ["-c", "pass"],
    "import flowkeep": ["-c", "import flowkeep"],
    "import temporalio.client": ["-c", "import temporalio.client"],
    "flowkeep --help": ["-m", "flowkeep", "--help"],
    "flowkeep run list --help": ["-m", "flowkeep", "run", "list", "--help"],
}
BASELINES = {
    "import flowkeep": "empty program",
    "flowkeep --help": "empty program",
    "flowkeep run list --help": "empty program",
    "flowkeep workflow": "bare workflow",
}
TARGETS = {
    "import flowkeep": "≤ 50 above the empty program",
    "flowkeep --help": "≤ 300",
    "flowkeep run list --help": "≤ 300",
    "flowkeep workflow": "≤ 2 above the bare workflow",
}

Figures = dict[str, list[float]]


def program(words: list[str]) -> float:
    """Return the milliseconds of a new interpreter."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begin) * 1000


def instance_maker(runner: Any, workflow_class: type) -> Callable[[], Any]:
    """Return what makes an instance of a workflow as the worker does for each new run."""
    from temporalio import workflow

    made: list[Any] = []

    class Recording(type(runner)):  # type: ignore[misc]
        def create_instance(self, det: Any) -> Any:
            made.append(det)
            return super().create_instance(det)

    defn = workflow._Definition.must_from_class(workflow_class)  # noqa: SLF001 - as the worker
    recording = Recording(restrictions=runner.restrictions, runner_class=runner.runner_class)
    recording.prepare_workflow(defn)
    details = replace(made[0], randomness_seed=1)  # the runner tells runs from its own check
    return lambda: runner.create_instance(details)


def makers() -> dict[str, Callable[[], Any]]:
    from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

    from benchmarks._bare_flows import Steps
    from benchmarks._start_up_flows import Hello
    from flowkeep.recording.sandbox import checked_runner

    return {
        "bare workflow": instance_maker(SandboxedWorkflowRunner(), Steps),
        "flowkeep workflow": instance_maker(checked_runner(None), Hello),
    }


async def measure_sandbox(runs: int) -> Figures:
    """Return milliseconds of processor time per run; a run's instance is let go at once."""
    variants = makers()
    figures: Figures = {name: [] for name in variants}
    for number in range(runs + 20):
        for name in list(variants)[:: 1 if number % 2 == 0 else -1]:
            begin = time.thread_time()
            variants[name]()
            if number >= 20:
                figures[name].append((time.thread_time() - begin) * 1000)
    return figures


def measure_programs(repeats: int) -> Figures:
    figures: Figures = {name: [] for name in PROGRAMS}
    for words in PROGRAMS.values():
        program(words)  # byte code and page cache
    for repeat in range(repeats):
        for name in list(PROGRAMS)[:: 1 if repeat % 2 == 0 else -1]:
            figures[name].append(program(PROGRAMS[name]))
    return figures


def summary(figures: Figures) -> list[dict[str, Any]]:
    rows = []
    for name, raw in figures.items():
        row: dict[str, Any] = {"what": name, "median_ms": round(statistics.median(raw), 2)}
        if name in BASELINES:
            pairs = zip(figures[BASELINES[name]], raw, strict=True)
            above = [ours - base for base, ours in pairs]
            row["above_ms"] = round(statistics.median(above), 2)
            row["interval"] = [round(bound, 2) for bound in interval(above)]
            row["target"] = TARGETS[name]
        rows.append({**row, "raw": [round(figure, 2) for figure in raw]})
    return rows


def show(rows: Sequence[dict[str, Any]]) -> None:
    print(f"{'milliseconds':28} {'median':>8} {'above baseline':>15} {'95 %':>20}  target")
    for row in rows:
        bounds = " … ".join(str(bound) for bound in row.get("interval", []))
        line = f"{row['what']:28} {row['median_ms']:8} {row.get('above_ms', ''):>15} {bounds:>20}"
        print(f"{line}  {row.get('target', '')}".rstrip())
    print("\nraw figures")
    for row in rows:
        print(f"{row['what']:28} {' '.join(str(figure) for figure in row['raw'])}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=20, help="new interpreters each (default 20)")
    parser.add_argument("--runs", type=int, default=200, help="sandboxed runs each (default 200)")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    arguments = parser.parse_args()
    if arguments.repeat < 1 or arguments.runs < 1:
        parser.error("--repeat and --runs must be at least 1")
    say(f"{arguments.runs} sandboxed runs")
    figures = asyncio.run(measure_sandbox(arguments.runs))
    say(f"{arguments.repeat} new interpreters of each kind")
    figures |= measure_programs(arguments.repeat)
    rows = summary(figures)
    if arguments.output == "json":
        print(json.dumps({"benchmark": "start_up", "machine": machine(), "rows": rows}, indent=2))
    else:
        print(headline(arguments.repeat) + "\n")
        show(rows)


if __name__ == "__main__":
    main()
