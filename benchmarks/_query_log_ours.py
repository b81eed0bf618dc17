"""What one process of ours does with a log; run as a program, it answers with the figures.

python -m benchmarks._query_log_ours usage|lineage LOG [CATALOGUE]
python -m benchmarks._query_log_ours pipeline LOG FOLDER
"""

import json
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks._statements import SEARCH_PATH
from benchmarks._support import ANSWER, peak_mib
from flowkeep.contracts.query_extraction import QueryBatch, QueryExtractionResult
from flowkeep.extraction.logs.extraction import LogExtraction
from flowkeep.extraction.logs.location import LogLocation
from flowkeep.extraction.logs.options import LogOptions
from flowkeep.extraction.logs.plan_file import MarkEntry
from flowkeep.extraction.logs.schemas import SHAPES
from flowkeep.extraction.logs.shape import shaper
from flowkeep.extraction.logs.statement import Chunk, LoggedStatement
from flowkeep.extraction.logs.tally import Tally
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.storage import Storage

_CHUNK = 1_000
_NAMES = tuple(SHAPES)

Row = dict[str, Any]


def building_blocks(log: Path, catalogue: Path | None) -> dict[str, Any]:
    """Shape and count the statements of a log; with a catalogue, resolve each shape once too."""
    _import_all()
    chunks = list(_chunks(log))
    known = _catalogue(catalogue)
    tally = Tally(shaper("postgres"))
    wall, cpu = time.perf_counter(), time.process_time()
    counted: list[Any] = []
    shapes: dict[str, Row] = {}
    for chunk in chunks:
        tally.add(chunk)
        if tally.full:
            _take(tally, counted, shapes)
    _take(tally, counted, shapes)
    figure = _resolved(list(shapes.values()), known) if catalogue else {}
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    dropped = sum(
        row["failure"] is not None or row["dropped"] is not None for row in shapes.values()
    )
    return {
        "statements": tally.statements,
        "seconds": wall,
        "cpu_seconds": cpu,
        "peak_mib": peak_mib(),
        "shapes": len(shapes),
        "not_redacted": dropped,
        **figure,
    }


def _import_all() -> None:
    """Do once what is done once per process: imports are not measured."""
    from flowkeep.extraction.logs.lineage.resolve import resolve

    shaper("postgres").shape("SELECT a FROM b WHERE c = 'd'")
    resolve("SELECT 1", "postgres", _catalogue(None), database=None, search_path=())


def _chunks(log: Path) -> Iterator[Chunk]:
    statements: list[LoggedStatement] = []
    with log.open() as lines:
        for line in lines:
            text, user, database, at, duration = json.loads(line)
            statements.append(LoggedStatement(text, at, user, database, duration))
            if len(statements) == _CHUNK:
                yield Chunk(statements=statements)
                statements = []
    yield Chunk(statements=statements)


def _catalogue(path: Path | None) -> Any:
    from flowkeep.extraction.logs.lineage.catalogue import Catalogue

    return Catalogue.from_json(json.loads(path.read_text()) if path else {})


def _take(tally: Tally, counted: list[Any], shapes: dict[str, Row]) -> None:
    for _, usage, rows in tally.take(1):
        counted += usage
        for row in rows:
            shapes.setdefault(row[0], dict(zip(_NAMES, row, strict=True)))


def _resolved(shapes: Sequence[Row], catalogue: Any) -> dict[str, int]:
    """Resolve what the pipeline resolves: shapes with a text and with tables."""
    from flowkeep.extraction.logs.lineage.model import ParseFailure
    from flowkeep.extraction.logs.lineage.resolve import resolve

    found = {"resolved": 0, "failed": 0, "problems": 0, "edges": 0}
    for row in shapes:
        if row["failure"] or row["dropped"] or row["tables"] == "[]":
            continue
        try:
            lineage = resolve(
                row["text"],
                "postgres",
                catalogue,
                database=row["database"],
                search_path=SEARCH_PATH,
            ).to_json()
        except ParseFailure:
            found["failed"] += 1
            continue
        found["resolved"] += 1
        found["problems"] += bool(lineage["problems"])
        found["edges"] += len(lineage["edges"])
    return found


def pipeline(log: Path, folder: Path) -> dict[str, Any]:
    """Extract a jsonlog file as the activities do, one step after the other."""
    from flowkeep.extraction.logs.sources.json_log import JsonLog

    wall, cpu = time.perf_counter(), _processor()
    source = JsonLog(location=str(log))
    location = LogLocation(RunLocation("bench", "bench", "QueryLogs", "run-1"))
    options = LogOptions(source="jsonlog", search_path=SEARCH_PATH)
    job = LogExtraction(source, Storage(folder.absolute().as_uri()), location, options)
    stages: dict[str, float] = {}
    result = _run(job, stages)
    wall, cpu = time.perf_counter() - wall, _processor() - cpu
    return {
        "statements": result.statements,
        "seconds": wall,
        "cpu_seconds": cpu,
        "peak_mib": peak_mib(),
        "counts": result.counts,
        "failed": result.failed,
        "rejected": result.rejected,
        "stages": {name: round(seconds, 2) for name, seconds in stages.items()},
    }


def _run(job: LogExtraction, stages: dict[str, float]) -> QueryExtractionResult:
    def done(stage: str) -> None:
        now = time.perf_counter()
        stages[stage] = now - sum(stages.values()) - begin

    begin = time.perf_counter()
    batches = job.plan(MarkEntry(), None)

    def batch(number: int) -> QueryBatch:
        return QueryBatch(key=batches.key, digest=batches.digest, number=number)

    done("plan")
    for number in range(batches.windows):
        job.fetch(batch(number))
    done("fetch")
    for number in range(batches.buckets):
        job.reduce(batch(number))
    done("reduce")
    for number in range(batches.buckets):
        job.parse(batch(number))
    done("parse")
    plan = job.planned(batch(0))
    _, kept = job.finish(plan, batches.digest, parsed=True)
    result = job.finished(plan, kept)
    done("finish")
    return result


def _processor() -> float:
    """Return processor seconds of this process, and of those it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main(what: str, log: str, more: str = "") -> None:
    """Answer with the figures of one variant."""
    if what == "pipeline":
        figure = pipeline(Path(log), Path(more))
    else:
        figure = building_blocks(Path(log), Path(more) if more else None)
    print(ANSWER + json.dumps(figure))


if __name__ == "__main__":
    main(*sys.argv[1:])
