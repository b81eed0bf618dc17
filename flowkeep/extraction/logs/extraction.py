"""One extraction of query logs: what the activities call, one method per activity."""

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from flowkeep.contracts import CheckResult
from flowkeep.contracts.query_extraction import (
    FetchedQueries,
    ParsedQueries,
    QueryBatch,
    QueryBatches,
    QueryExtractionResult,
    ReducedQueries,
)
from flowkeep.errors import Conflict
from flowkeep.extraction.logs.catalogue_file import CatalogueFile
from flowkeep.extraction.logs.fetch import Receipt, WindowFetch, load_receipts
from flowkeep.extraction.logs.finish import LogFinish
from flowkeep.extraction.logs.location import LogLocation
from flowkeep.extraction.logs.manifest import result_of
from flowkeep.extraction.logs.memory import StoredMemory
from flowkeep.extraction.logs.options import LogOptions
from flowkeep.extraction.logs.parse import BucketParse
from flowkeep.extraction.logs.plan_file import MarkEntry, PlanFile, buckets_for
from flowkeep.extraction.logs.reduce import reduce_bucket
from flowkeep.extraction.logs.shape import shaper
from flowkeep.extraction.logs.sources.base import LogSource
from flowkeep.extraction.logs.tally import Tally
from flowkeep.extraction.metadata.disk import temporary_files
from flowkeep.extraction.metadata.manifest_file import read_manifest
from flowkeep.extraction.metadata.progress import Total
from flowkeep.extraction.metadata.transform import Transformer
from flowkeep.storage import Storage

_BYTES_PER_STATEMENT = 256
"""How many rows a log file is taken to have, for the number of buckets."""

Report = Callable[[Mapping[str, Any]], None]


class LogExtraction:
    """Reads a query log into files. Every method blocks; call it in a thread.

    Each method may be called again with the same arguments: it writes the same keys.

    Args:
        source: The log.
        storage: Where files go.
        location: Folder of the run.
        options: What was asked for.
        transformer_class: Makes entities of rows.
        stop: Ends the work when set.
        progress: Called with details of how far the work is.
    """

    def __init__(
        self,
        source: LogSource,
        storage: Storage,
        location: LogLocation,
        options: LogOptions,
        *,
        transformer_class: type[Transformer] = Transformer,
        stop: threading.Event | None = None,
        progress: Report | None = None,
    ) -> None:
        self.source = source
        self.storage = storage
        self.location = location
        self.options = options
        self._transformer = transformer_class
        self._stop = stop
        self._progress = progress

    @property
    def dialect(self) -> str:
        """The SQL of the statements."""
        return self.options.dialect or self.source.dialect

    def check(self) -> list[CheckResult]:
        """Return what keeps the log from being read, or the outputs from being written."""
        self.storage.check_writable(self.location.run.prefix)
        shaper(self.dialect, self.options.max_statement_bytes)
        return self.source.check()

    @temporary_files()
    def plan(self, base: MarkEntry, catalogue: str | None) -> QueryBatches:
        """Cut what is new into windows and store the plan.

        Args:
            base: The high-water mark.
            catalogue: Key of the manifest of the metadata extraction that knows the tables.
        """
        if catalogue is not None:  # now, not after everything has been read
            CatalogueFile(self.storage, catalogue, shaper(self.dialect), self.location.run.tenant)
        memory = StoredMemory(self.storage, base.kept)
        made = self.source.plan(base.mark, memory)
        rows = sum(
            window.planned if window.unit == "rows" else window.planned // _BYTES_PER_STATEMENT
            for window in made.windows
        )
        run = self.location.run
        plan = PlanFile(
            tenant=run.tenant,
            app=run.app,
            workflow_type=run.workflow_type,
            run_id=run.run_id,
            source=self.source.kind,
            identity=self.source.identity,
            namespace=self.options.namespace or self.source.namespace,
            dialect=self.dialect,
            base=base,
            catalogue=catalogue,
            buckets=buckets_for(rows, self.options.bucket_rows),
            planned_at=datetime.now(UTC),
            **{name: getattr(made, name) for name in type(made).model_fields},
        )
        digest = plan.store(self.storage, self.location.plan)
        return QueryBatches(
            key=self.location.plan,
            digest=digest,
            windows=len(plan.windows),
            buckets=plan.buckets,
            planned=plan.planned,
            unit=plan.unit,
            concurrency=self.options.concurrency,
            since=plan.since,
            until=plan.until,
            notes=plan.notes[:20],
        )

    @temporary_files()
    def fetch(self, batch: QueryBatch) -> FetchedQueries:
        """Read one window; see `WindowFetch`."""
        plan = self.planned(batch)
        tally = Tally(
            shaper(plan.dialect, self.options.max_statement_bytes),
            keep_sample=self.options.raw_text,
            database=self.options.database,
        )
        progress = Total(self._progress, self._stop)
        progress.begin(f"window {batch.number}")
        fetch = WindowFetch(self.source, self.storage, plan.location, tally, progress)
        receipt = fetch.run(plan, batch.digest, batch.number, self._stop)
        return FetchedQueries(
            read=receipt.read,
            statements=receipt.statements,
            rejected=receipt.rejected,
            shapes=receipt.shapes.rows if receipt.shapes is not None else 0,
        )

    @temporary_files()
    def reduce(self, batch: QueryBatch) -> ReducedQueries:
        """Put one bucket of all windows together; see `reduce_bucket`."""
        plan = self.planned(batch)
        receipts = load_receipts(self.storage, plan.location, len(plan.windows), batch.digest)
        statements, shapes = reduce_bucket(self.storage, plan.location, receipts, batch.number)
        return ReducedQueries(statements=statements, shapes=shapes)

    @temporary_files()
    def parse(self, batch: QueryBatch) -> ParsedQueries:
        """Find out what the shapes of one bucket read and write; see `BucketParse`."""
        plan = self.planned(batch)
        progress = Total(self._progress, self._stop)
        progress.begin(f"bucket {batch.number}")
        parse = BucketParse(
            self.storage,
            plan.location,
            self.options,
            plan,
            self._stop,
            lambda shapes: progress(shapes, 0),
        )
        return ParsedQueries.model_validate(parse.run(batch.number))

    def planned(self, batch: QueryBatch) -> PlanFile:
        """Return the plan that a batch belongs to."""
        return PlanFile.read(self.storage, batch, self.location.run.tenant)

    @temporary_files()
    def finish(
        self, plan: PlanFile, digest: str, *, parsed: bool
    ) -> tuple[QueryExtractionResult, list[str]]:
        """Write outputs and manifest; see `LogFinish`.

        Args:
            plan: The plan.
            digest: Its hash.
            parsed: Whether the shapes were parsed.

        Returns:
            The result, and the keys of what the source keeps for the next run.
        """
        receipts = [
            Receipt.load(self.storage, self.location, number, digest)
            for number in range(len(plan.windows))
        ]
        progress = Total(self._progress, self._stop)
        progress.begin("outputs")
        finish = LogFinish(
            self.storage,
            self.location,
            self.options,
            plan,
            receipts,
            self._transformer,
            parsed=parsed,
            progress=progress,
        )
        kept = [key for receipt in receipts for key in receipt.kept]
        return finish.run(), [*plan.keep, *kept]

    def finished(self, plan: PlanFile, kept: list[str]) -> QueryExtractionResult:
        """Delete what nobody needs once the mark has moved, and return the result.

        Args:
            plan: The plan.
            kept: Keys of what the source keeps.
        """
        self.storage.delete_folder(f"{self.location.run.prefix}/work")
        keep = set(kept)
        for stored in list(self.storage.list(self.location.memories(plan.identity))):
            if stored.key not in keep:
                self.storage.delete(stored.key)
        content = read_manifest(self.storage, self.location.manifest)
        return result_of(self.storage, self.location.manifest, content)

    def withdraw(self, plan: PlanFile, other_run: str | None) -> Conflict:
        """Take the manifest back, because another run has counted the same part of the log.

        Args:
            plan: The plan.
            other_run: The other run, as far as it is known.
        """
        self.storage.delete(self.location.manifest)
        return Conflict(
            f"run {other_run or 'unknown'} has moved the high-water mark of {plan.identity} "
            "while this run was reading the same part of the log",
            hint="start it again: it goes on from the new mark. Let one run per log be open at"
            " a time",
            code="MARK_MOVED",
        )
