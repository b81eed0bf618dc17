"""The end of an extraction: outputs, the proof that counts agree, the manifest."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson

from flowkeep.contracts.extraction import KindAssets, KindResult, PartInfo
from flowkeep.contracts.query_extraction import QueryExtractionResult
from flowkeep.errors import Incomplete
from flowkeep.extraction.logs import manifest, sentences
from flowkeep.extraction.logs.fetch import Receipt
from flowkeep.extraction.logs.kinds import ALL_KINDS, LOG_KINDS
from flowkeep.extraction.logs.location import LogLocation
from flowkeep.extraction.logs.options import LogOptions
from flowkeep.extraction.logs.outputs.buckets import Buckets
from flowkeep.extraction.logs.outputs.edges import edge_rows
from flowkeep.extraction.logs.outputs.files import write_kind
from flowkeep.extraction.logs.outputs.openlineage import export_lineage
from flowkeep.extraction.logs.outputs.queries import query_rows
from flowkeep.extraction.logs.outputs.usage import usage_rows
from flowkeep.extraction.logs.plan_file import PlanFile
from flowkeep.extraction.metadata.parts import Progress
from flowkeep.extraction.metadata.transform import EntityContext, Transformer
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import polars as pl

_WITHOUT_DATABASE = frozenset({"mysql"})
"""Dialects whose qualified names begin with the schema."""


class LogFinish:
    """Writes what a run ends with.

    Args:
        storage: Where the files lie.
        location: Folder of the run.
        options: What was asked for.
        plan: The plan.
        receipts: Those of all windows.
        transformer_class: Makes entities of rows.
        parsed: Whether the shapes were parsed; else there is no lineage and no usage of tables.
        progress: Called with entities and file bytes so far.
    """

    def __init__(
        self,
        storage: Storage,
        location: LogLocation,
        options: LogOptions,
        plan: PlanFile,
        receipts: Sequence[Receipt],
        transformer_class: type[Transformer] = Transformer,
        *,
        parsed: bool = True,
        progress: Progress | None = None,
    ) -> None:
        self._storage = storage
        self._location = location
        self._options = options
        self._plan = plan
        self._receipts = receipts
        self._buckets = Buckets(storage, location, plan.buckets, parsed=parsed)
        self._progress = progress
        self._transformer = transformer_class(
            EntityContext(
                options.namespace or plan.namespace,
                location.run.run_id,
                plan.dialect not in _WITHOUT_DATABASE,
                ALL_KINDS,
            )
        )
        self._failures: dict[str, dict[str, Any]] = {}
        self._statements = {"parsed": 0, "utility": 0, "failed": 0, "unparsed": 0}

    def run(self) -> QueryExtractionResult:
        """Write outputs and manifest.

        Raises:
            Incomplete: If counts do not agree, or nothing at all could be parsed.
        """
        self._storage.delete(self._location.manifest)
        naming = self._transformer.context.naming
        frames: Mapping[str, Iterator[pl.DataFrame]] = {
            "queries": self._queries(),
            "query_usage": usage_rows(self._buckets),
            "lineage_edges": edge_rows(self._buckets),
        }
        written = {name: self._write(name, rows) for name, rows in frames.items()}
        windows = self._windows()
        self._check_parts()
        self._check()
        exports: list[PartInfo] = []
        if self._options.openlineage:
            edges = written["lineage_edges"][0].parts
            exports = export_lineage(
                self._storage, self._location.run, edges, naming, self._plan.planned_at
            )
        content = manifest.content(
            self._location.run,
            self._plan,
            self._receipts,
            windows,
            list(written.values()),
            namespace=self._transformer.context.namespace,
            statements=self._statements,
            failures=self._failures,
            exports=exports,
            warnings=self._warnings,
        )
        self._storage.put(
            self._location.manifest, orjson.dumps(content, option=orjson.OPT_INDENT_2)
        )
        return manifest.result_of(self._storage, self._location.manifest, content)

    def _queries(self) -> "Iterator[pl.DataFrame]":
        for bucket in range(self._plan.buckets):
            rows = query_rows(self._buckets, bucket, self._transformer.context.naming)
            self._note(rows)
            yield rows

    def _note(self, rows: "pl.DataFrame") -> None:
        """Take note of how the statements of some shapes ended."""
        columns = ("status", "reason", "calls", "errors", "rejected", "place", "statement_kind")
        for status, reason, calls, errors, rejected, place, kind in rows.select(
            columns
        ).iter_rows():
            self._statements[status] += calls + errors
            if status != "failed":
                continue
            failure = self._failures.setdefault(
                reason,
                {"reason": reason, "shapes": 0, "statements": 0, "rejected": 0, "examples": []},
            )
            failure["shapes"] += 1
            failure["statements"] += calls + errors
            failure["rejected"] += rejected
            if len(failure["examples"]) < 3 and (place or kind):
                failure["examples"].append({"place": place, "statement_kind": kind})

    def _write(self, name: str, rows: "Iterator[pl.DataFrame]") -> tuple[KindResult, KindAssets]:
        return write_kind(
            self._storage,
            self._location.run,
            LOG_KINDS[name],
            self._plan.identity,
            rows,
            self._transformer,
            self._plan.planned_at,
            self._progress,
        )

    def _windows(self) -> list[dict[str, Any]]:
        """Return what the manifest says of each window.

        Raises:
            Incomplete: If what was reduced is not what was read.
        """
        by_window = self._buckets.statements_by_window()
        listed = []
        for receipt in self._receipts:
            statuses = by_window.get(receipt.number, {})
            reduced = sum(statuses.values())
            if reduced != receipt.statements:
                raise Incomplete(
                    f"window {receipt.number}: {receipt.statements} statements were read, "
                    f"{reduced} reduced",
                    hint="let reduce_queries work on what the last fetch_queries returned",
                )
            window = self._plan.windows[receipt.number]
            listed.append(manifest.window_entry(window, receipt, statuses))
        return listed

    def _check_parts(self) -> None:
        """Check that the windows' files are those of their receipts.

        Raises:
            Incomplete: If an attempt that was taken for dead wrote one of them again.
        """
        for receipt in self._receipts:
            for part in (receipt.usage, receipt.shapes):
                if part is not None and self._storage.sha256(part.key) != part.sha256:
                    raise Incomplete(
                        f"{part.key} was written again after it was counted",
                        hint="start the extraction again; an older attempt was still at work",
                    )

    def _check(self) -> None:
        """Check that all statements are in the outputs, and that something could be parsed."""
        read = sum(receipt.statements for receipt in self._receipts)
        written = sum(self._statements.values())
        if read != written:
            raise Incomplete(f"{read} statements were read, {written} are in the outputs")
        rejected = sum(receipt.rejected for receipt in self._receipts)
        if (
            self._plan.base.run_id is None
            and read + rejected
            and (self._statements["failed"] == read)
        ):
            reasons = ", ".join(sorted(self._failures))
            raise Incomplete(
                f"none of {read} statements and {rejected} other rows could be read: {reasons}",
                hint="check logs.source, logs.dialect and the names of the columns",
                code="NOTHING_PARSED",
            )

    @cached_property
    def _warnings(self) -> list[str]:
        failed = {name: one["statements"] for name, one in self._failures.items()}
        rejected = {name: one["rejected"] for name, one in self._failures.items()}
        notes: dict[str, int] = {}
        late = 0
        for receipt in self._receipts:
            late += receipt.statements if receipt.late else 0
            for code, count in receipt.notes.items():
                notes[code] = notes.get(code, 0) + count
        if late:
            notes["late"] = late
        unparsed = self._statements["unparsed"]
        return [
            *self._plan.notes,
            *([f"{unparsed} statements were not parsed: nobody asked for it"] if unparsed else []),
            *sentences.by_reason("statements could not be parsed", _positive(failed)),
            *sentences.by_reason("rows are no statements", _positive(rejected)),
            *(sentences.note(code, count) for code, count in sorted(notes.items())),
        ]


def _positive(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}
