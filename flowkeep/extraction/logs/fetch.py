"""Reading one window: statements are redacted and counted before anything is stored."""

import threading
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import uuid4

from pydantic import Field, ValidationError

from flowkeep.contracts.extraction import PartInfo
from flowkeep.contracts.extraction_reports import Message
from flowkeep.errors import Incomplete, NotFound
from flowkeep.extraction.logs.frames import GroupedFile
from flowkeep.extraction.logs.location import LogLocation
from flowkeep.extraction.logs.memory import StoredMemory
from flowkeep.extraction.logs.plan_file import PlanFile
from flowkeep.extraction.logs.schemas import SHAPES, USAGE
from flowkeep.extraction.logs.sources.base import LogSource
from flowkeep.extraction.logs.statement import Chunk
from flowkeep.extraction.logs.tally import Tally
from flowkeep.extraction.metadata.progress import Total
from flowkeep.storage import Storage

_SHAPING = threading.Lock()
"""One thread of a process counts at a time: several would only take the interpreter from each
other, and all be slower for it. While one counts, others wait for their sources."""


class Receipt(Message):
    """What one window became, as it lies in storage; written last.

    Attributes:
        plan: Hash of the plan.
        number: Of the window.
        planned: What it was planned to hold.
        unit: What that counts.
        late: Whether it was read again for rows that came late.
        read: Rows or records read.
        bytes: Bytes of the source read.
        statements: Executions counted.
        rejected: Rows that should have been statements.
        rejections: The same by reason.
        repeated: Rows that an earlier run has counted.
        other: Records that are no statements, by what they are.
        notes: Codes of what the report is to say, with how often.
        usage: The counts; null when there are none.
        usage_buckets: Bucket of each of its row groups.
        shapes: The shapes; null when there are none.
        shapes_buckets: Bucket of each of its row groups.
        kept: What the source keeps for the next run.
    """

    plan: str
    number: int
    planned: int
    unit: str
    late: bool = False
    read: int = 0
    bytes: int = 0
    statements: int = 0
    rejected: int = 0
    rejections: dict[str, int] = Field(default_factory=dict)
    repeated: int = 0
    other: dict[str, int] = Field(default_factory=dict)
    notes: dict[str, int] = Field(default_factory=dict)
    usage: PartInfo | None = None
    usage_buckets: list[int] = Field(default_factory=list)
    shapes: PartInfo | None = None
    shapes_buckets: list[int] = Field(default_factory=list)
    kept: list[str] = Field(default_factory=list)

    @classmethod
    def load(cls, storage: Storage, location: LogLocation, number: int, plan: str) -> "Receipt":
        """Return the receipt of a window.

        Raises:
            Incomplete: If there is none for this plan.
        """
        key = location.window(number, "receipt.json")
        try:
            found = cls.model_validate_json(storage.get(key))
            if found.plan == plan:
                return found
            why = "belongs to another plan"
        except NotFound:
            why = "is missing"
        except ValidationError:
            why = "is not whole"
        raise Incomplete(
            f"the receipt of window {number} ({key}) {why}",
            hint="list fetch_queries before what works on its results, or start again",
        )


@lru_cache(maxsize=2)
def load_receipts(
    storage: Storage, location: LogLocation, windows: int, plan: str
) -> tuple[Receipt, ...]:
    """Return the receipts of all windows; read once per process, for all buckets of a run.

    Args:
        storage: Where they lie.
        location: Folder of the run.
        windows: How many windows there are.
        plan: Hash of the plan.

    Raises:
        Incomplete: If one is missing.
    """
    return tuple(Receipt.load(storage, location, number, plan) for number in range(windows))


class WindowFetch:
    """Reads one window into two files and a receipt.

    Args:
        source: The log.
        storage: Where the files go.
        location: Folder of the run.
        tally: Counts; made for this window.
        progress: Called after each chunk with rows and bytes so far.
    """

    def __init__(
        self,
        source: LogSource,
        storage: Storage,
        location: LogLocation,
        tally: Tally,
        progress: Total,
    ) -> None:
        self._source = source
        self._storage = storage
        self._location = location
        self._tally = tally
        self._progress = progress

    def run(
        self, plan: PlanFile, digest: str, number: int, stop: threading.Event | None
    ) -> Receipt:
        """Read the window and store what became of it.

        Args:
            plan: The plan.
            digest: Its hash.
            number: Of the window.
            stop: Ends the reading when set.

        Raises:
            Incomplete: If not every byte or row of the window was read.
            SourceUnavailable: If the source goes away.
        """
        window = plan.windows[number]
        counted = _Counted()
        attempt = uuid4().hex[:8]  # another attempt that is still alive writes files of its own
        memory = StoredMemory(
            self._storage,
            plan.base.kept,
            lambda table: self._location.memory(plan.identity, number, f"{table:03d}-{attempt}"),
        )
        self._storage.delete(self._location.window(number, "receipt.json"))
        with GroupedFile(USAGE) as usage, GroupedFile(SHAPES) as shapes:
            for chunk in self._source.read(window, memory, stop):
                counted.add(chunk)
                with _SHAPING:
                    self._tally.add(chunk)
                if self._tally.full:
                    self._write(plan.buckets, usage, shapes)
                self._progress(counted.read, counted.bytes)
            self._write(plan.buckets, usage, shapes)
            if window.unit == "bytes" and counted.bytes != window.planned:
                raise Incomplete(
                    f"window {number} holds {window.planned} bytes, {counted.bytes} were read",
                    hint="the log was cut or overwritten meanwhile; start the extraction again",
                )
            receipt = Receipt(
                plan=digest,
                number=number,
                planned=window.planned,
                unit=window.unit,
                late=window.late,
                statements=self._tally.statements,
                rejected=self._tally.rejected,
                kept=memory.new,
                usage_buckets=usage.groups,
                shapes_buckets=shapes.groups,
                usage=self._store(usage, number, "usage.parquet"),
                shapes=self._store(shapes, number, "shapes.parquet"),
                **counted.fields(),
            )
        key = self._location.window(number, "receipt.json")
        self._storage.put(key, receipt.model_dump_json().encode())
        return receipt

    def _write(self, buckets: int, usage: GroupedFile, shapes: GroupedFile) -> None:
        for bucket, counts, described in self._tally.take(buckets):
            usage.write(bucket, counts)
            if described:
                shapes.write(bucket, described)

    def _store(self, file: GroupedFile, number: int, name: str) -> PartInfo | None:
        key = self._location.window(number, name)
        if not file.rows:
            self._storage.delete(key)
            return None
        return file.store(self._storage, key)


class _Counted:
    """What chunks say of themselves, added up."""

    def __init__(self) -> None:
        self.read = 0
        self.bytes = 0
        self._repeated = 0
        self._rejections: Counter[str] = Counter()
        self._other: Counter[str] = Counter()
        self._notes: Counter[str] = Counter()

    def add(self, chunk: Chunk) -> None:
        self.read += chunk.read
        self.bytes += chunk.bytes
        self._repeated += chunk.repeated
        self._rejections.update(row.reason for row in chunk.rejected)
        self._other.update(chunk.other)
        self._notes.update(chunk.notes)

    def fields(self) -> Mapping[str, Any]:
        return {
            "read": self.read,
            "bytes": self.bytes,
            "repeated": self._repeated,
            "rejections": dict(self._rejections),
            "other": dict(self._other),
            "notes": dict(self._notes),
        }
