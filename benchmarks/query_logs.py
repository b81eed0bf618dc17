"""Statements of a query log per second, beside DataHub's aggregator on the same statements.

    usage      counted by shape, user and day, with redacted text; nine of ten are repeated
    lineage    the same, and lineage of columns with a catalogue of 10,000 tables
    distinct   the same, no statement repeated
    pipeline   a jsonlog file through all steps of the extraction, without Temporal

Each measurement is a process of its own; imports, catalogue and input are not measured, but by
`pipeline`. The variants take turns, and every other round in reverse order. DataHub reads the first
statements of the very log that we read, of the same repetition, and fewer of them: it takes
milliseconds for each.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks._datahub_logs import DataHubLogs
from benchmarks._peer import PeerError, end_of
from benchmarks._query_log_summary import show, summary
from benchmarks._query_log_writers import json_lines
from benchmarks._statements import (
    SHAPES,
    Executions,
    Shape,
    distinct,
    executions,
    large_catalogue,
    shapes,
)
from benchmarks._support import ANSWER, headline, machine, say

VARIANTS = {"usage": "usage", "lineage": "lineage", "distinct": "lineage"}
"""What is measured, and what is asked of either side."""
_DATABASE = "shop"
_SEED = 1
_LOOK_SECONDS = 0.02

Figure = dict[str, Any]


class Inputs:
    """The files that both sides read.

    Args:
        folder: Where they lie.
        arguments: How many statements.
    """

    def __init__(self, folder: Path, arguments: argparse.Namespace) -> None:
        self._folder = folder
        self.catalogue = folder / "catalogue.json"
        self.catalogue.write_text(json.dumps(large_catalogue().to_json([_DATABASE])))
        self._peer = arguments.peer_statements
        made = distinct(max(arguments.statements // 10, arguments.distinct), _SEED)
        repeated = _log(arguments.statements, made, 9)
        self._write("repeated", repeated)
        self._write("distinct", _log(arguments.distinct, made, 0))

    def log(self, variant: str, *, peer: bool) -> Path:
        """Return the log of a variant."""
        name = "distinct" if variant == "distinct" else "repeated"
        return self._folder / f"{name}{'-peer' if peer else ''}.jsonl"

    def _write(self, name: str, log: Executions) -> None:
        for suffix, count in (("", len(log)), ("-peer", self._peer)):
            with (self._folder / f"{name}{suffix}.jsonl").open("w") as file:
                for one in islice(log, count):
                    row = (one.text, one.user, one.database, one.at, one.duration)
                    file.write(json.dumps(row) + "\n")


def _log(count: int, made: list[Shape], repetition: float) -> Executions:
    return executions(count, _SEED, days=2, shapes=made, repetition=repetition)


def ours(arguments: Iterable[object]) -> Figure:
    """Measure in a process of our own; returns its figures, and `parsers_mib`."""
    command = [sys.executable, "-m", "benchmarks._query_log_ours", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        watched = _Watched(process.pid)
        said, _ = process.communicate()
        children = watched.stop()
    answers = [line for line in said.splitlines() if line.startswith(ANSWER)]
    if process.returncode != 0 or not answers:
        raise SystemExit(f"a measurement failed: {end_of(said)}")
    figure: Figure = json.loads(answers[-1].removeprefix(ANSWER))
    return figure | ({"parsers_mib": children} if children else {})


class _Watched:
    """Looks at the children of a process for the most memory that one of them ever has."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._most = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> float:
        self._stop.set()
        self._thread.join()
        return self._most

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            for child in _children(self._pid):
                self._most = max(self._most, _high_water(child))


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _high_water(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    line = status.partition("VmHWM:")[2].split()
    return int(line[0]) / 1024 if line else 0.0


def compare(
    inputs: Inputs, variants: list[str], rounds: int, peer: DataHubLogs | None
) -> dict[str, dict[str, list[Figure]]]:
    """Return figures by variant and side, one per round; one round before them warms up."""
    turns = [(variant, side) for variant in variants for side in ("ours", "peer")]
    turns = [turn for turn in turns if peer is not None or turn[1] == "ours"]
    figures: dict[str, dict[str, list[Figure]]] = {}
    for variant, side in turns:
        figures.setdefault(variant, {})[side] = []
    for number in range(rounds + 1):
        for variant, side in turns if number % 2 == 0 else turns[::-1]:
            what = VARIANTS[variant]
            catalogue = inputs.catalogue if what == "lineage" else None
            log = inputs.log(variant, peer=side == "peer")
            if side == "ours":
                figure = ours([what, log, *([catalogue] if catalogue else [])])
            else:
                assert peer is not None
                figure = peer.measure(what, log, catalogue)
            if number:
                figures[variant][side].append(figure)
        say(f"round {number} of {rounds} done")
    return figures


def pipeline(sizes: list[int], rounds: int, of: int) -> dict[int, list[Figure]]:
    """Return figures of the whole extraction by size of the log."""
    known = shapes() if of == SHAPES else distinct(of, _SEED)
    figures: dict[int, list[Figure]] = {}
    with tempfile.TemporaryDirectory() as home:
        logs = {size: Path(home) / f"{size}.json" for size in sizes}
        for size, path in logs.items():
            begin = time.perf_counter()
            with path.open("w") as file:
                file.writelines(json_lines(executions(size, _SEED, days=4, shapes=known)))
            say(f"a log of {size} statements written in {time.perf_counter() - begin:.0f} s")
        for number in range(rounds):
            for size, path in logs.items():
                with tempfile.TemporaryDirectory(dir=home) as folder:
                    figure = ours(["pipeline", path, folder])
                if figure["statements"] != size:
                    raise SystemExit(f"{figure['statements']} statements of {size} were counted")
                figures.setdefault(size, []).append(figure)
            say(f"pipeline: round {number + 1} of {rounds} done")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variants", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--statements", type=int, default=20_000, help="repeated 9:1 (%(default)s)")
    parser.add_argument("--distinct", type=int, default=5_000, help="all distinct (5000)")
    parser.add_argument("--peer", choices=["datahub"], help="measure it too")
    parser.add_argument("--peer-statements", type=int, default=500, help="for the peer (500)")
    parser.add_argument("--repeat", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument(
        "--pipeline", type=int, nargs="*", default=[200_000, 2_000_000], help="sizes of the log"
    )
    parser.add_argument("--pipeline-repeat", type=int, default=3, help="rounds (3)")
    parser.add_argument("--shapes", type=int, default=SHAPES, help="of the pipeline's log (200)")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    arguments = parser.parse_args()
    if min(arguments.repeat, arguments.pipeline_repeat) < 1 or arguments.peer_statements < 10:
        parser.error("rounds must be at least 1, and the peer's statements 10")
    begin = headline(arguments.repeat)
    try:
        peer = DataHubLogs.install() if arguments.peer else None
    except PeerError as error:
        raise SystemExit(str(error)) from None
    figures: dict[str, dict[str, list[Figure]]] = {}
    if arguments.variants:
        with tempfile.TemporaryDirectory() as folder:
            inputs = Inputs(Path(folder), arguments)
            figures = compare(inputs, arguments.variants, arguments.repeat, peer)
    whole: dict[int, list[Figure]] = {}
    if arguments.pipeline:
        whole = pipeline(arguments.pipeline, arguments.pipeline_repeat, arguments.shapes)
    rows = summary(figures, whole)
    if arguments.output == "json":
        print(json.dumps({"benchmark": "query_logs", "machine": machine(), "rows": rows}, indent=2))
    else:
        print(f"{begin}; load average {machine()['load_average']} at the end\n")
        show(rows)


if __name__ == "__main__":
    main()
