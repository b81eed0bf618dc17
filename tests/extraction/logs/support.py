"""What several tests of query logs need."""

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from flowkeep.contracts.query_extraction import QueryBatch, QueryBatches, QueryExtractionResult
from flowkeep.extraction.logs.extraction import LogExtraction
from flowkeep.extraction.logs.location import LogLocation
from flowkeep.extraction.logs.options import LogOptions
from flowkeep.extraction.logs.plan_file import MarkEntry, PlanFile
from flowkeep.extraction.logs.sources.base import LogSource
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.metadata.manifest_file import read_manifest
from flowkeep.extraction.metadata.parts import read_tables
from flowkeep.storage import Storage
from tests.extraction.logs.listed import Listed

DAY = 86_400_000_000
NOON = 20_000 * DAY + DAY // 2
"""Some noon, in microseconds since 1970 UTC: that of 2024-10-04."""


def statement(text: str, **fields: Any) -> dict[str, Any]:
    """A listed statement."""
    return {"text": text, "at": NOON, "user": "ann", "database": "shop", **fields}


class Runs:
    """Runs of one log, one after the other, without Temporal: the mark is kept here.

    Args:
        storage: Where files go.
        source: The log; made anew for each run when it is a function.
        **options: What stands under `logs`, but the source.
    """

    def __init__(self, storage: Storage, source: LogSource, **options: Any) -> None:
        self.storage = storage
        self.source = source
        self.options = LogOptions.read({"source": source.kind, **options})
        self.mark = MarkEntry()
        self.results: list[QueryExtractionResult] = []
        self.cached: list[int] = []

    def job(self) -> LogExtraction:
        """The next run."""
        run_id = f"run-{len(self.results) + 1}"
        location = LogLocation(RunLocation("tenant", "app", "Flow", run_id))
        return LogExtraction(self.source, self.storage, location, self.options)

    def run(self, catalogue: str | None = None) -> dict[str, Any]:
        """Run once, move the mark, and return the manifest."""
        job = self.job()
        batches = job.plan(self.mark, catalogue)
        for number in range(batches.windows):
            job.fetch(batch(batches, number))
        parsed = []
        for number in range(batches.buckets):
            job.reduce(batch(batches, number))
            parsed.append(job.parse(batch(batches, number)))
        self.cached.append(sum(one.cached for one in parsed))
        plan = job.planned(batch(batches, 0))
        result, kept = job.finish(plan, batches.digest, parsed=True)
        self._move(plan, kept, result)
        self.results.append(job.finished(plan, kept))
        assert result.key is not None
        return read_manifest(self.storage, result.key)

    def _move(self, plan: PlanFile, kept: list[str], result: QueryExtractionResult) -> None:
        self.mark = MarkEntry(
            revision=plan.base.revision + 1,
            mark=plan.mark,
            kept=kept,
            run_id=plan.run_id,
            manifest=result.key,
        )


def batch(batches: QueryBatches, number: int) -> QueryBatch:
    """One window or bucket."""
    return QueryBatch(key=batches.key, digest=batches.digest, number=number)


def listed(path: Path, statements: Sequence[dict[str, Any]], size: int = 10) -> Listed:
    """A log of these statements."""
    path.write_bytes(orjson.dumps(list(statements)))
    return Listed(str(path), size)


def rows_of(storage: Storage, manifest: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The rows of a kind."""
    (scope,) = [one for one in manifest["scopes"] if one["kind"] == kind]
    return [
        row
        for part in scope["parts"]
        for table in read_tables(storage, part["key"])
        for row in table.to_pylist()
    ]


def entities_of(storage: Storage, manifest: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The entities of a kind, from its JSON lines."""
    (scope,) = [one for one in manifest["scopes"] if one["kind"] == kind]
    return [
        entity
        for part in scope["assets"]["parts"]
        if part["key"].endswith(".jsonl.zst")
        for entity in _lines(storage, part["key"])
    ]


def everything_stored(storage: Storage) -> bytes:
    """The bytes of every file, decompressed where they are compressed."""
    found = []
    for stored in storage.list():
        if stored.key.endswith(".parquet"):
            tables = [table.to_pylist() for table in read_tables(storage, stored.key)]
            found.append(json.dumps(tables, default=str).encode())
        elif stored.key.endswith(".zst"):
            found += [orjson.dumps(line) for line in _lines(storage, stored.key)]
        else:
            found.append(storage.get(stored.key))
    return b"\n".join(found)


def _lines(storage: Storage, key: str) -> Iterator[dict[str, Any]]:
    with pa.CompressedInputStream(io.BytesIO(storage.get(key)), "zstd") as text:
        for line in text.read().splitlines():
            yield orjson.loads(line)
