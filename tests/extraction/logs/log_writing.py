"""Writing log files as servers do, and reading them as runs do."""

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flowkeep.extraction.logs.sources.base import Memory, Plan
from flowkeep.extraction.logs.sources.files import LogFileSource
from flowkeep.extraction.logs.statement import Chunk, LoggedStatement, Rejected

if TYPE_CHECKING:
    import pyarrow as pa

BEGAN = datetime(2026, 11, 22, 10, tzinfo=UTC)


class NoMemory(Memory):
    """Files need none."""

    @property
    def kept(self) -> list[str]:
        raise AssertionError

    def recall(self, keys: Iterable[str] | None = None) -> "Iterator[pa.Table]":
        raise AssertionError

    def keep(self, table: "pa.Table") -> None:
        raise AssertionError


MEMORY = NoMemory()


def at(number: int) -> int:
    """Time of a record, in microseconds since 1970 UTC."""
    return int((BEGAN + timedelta(seconds=number)).timestamp()) * 1_000_000


def logged_time(number: int, zone: str = "UTC") -> str:
    """The same as a server in UTC writes it."""
    return f"{BEGAN + timedelta(seconds=number):%Y-%m-%d %H:%M:%S}.000 {zone}"


def csv_record(number: int, message: str, columns: int = 26, **fields: str) -> bytes:
    """A record of csvlog; the fields are those of the manual that readers look at."""
    row = [""] * columns
    row[0] = fields.get("time", logged_time(number))
    row[1:4] = [fields.get("user", "ann"), fields.get("database", "shop"), "4711"]
    row[11:14] = [fields.get("severity", "LOG"), "00000", message]
    row[14] = fields.get("detail", "")
    row[19] = fields.get("statement", "")
    if columns == 26:
        row[25] = fields.get("query_id", "0")
    plain = {0, 3, 11, 12, 25}  # the server quotes all others that are not null
    written = (
        value if number in plain or not value else '"' + value.replace('"', '""') + '"'
        for number, value in enumerate(row)
    )
    return ",".join(written).encode() + b"\n"


def json_record(number: int, message: str, **fields: Any) -> bytes:
    """A record of jsonlog."""
    record = {
        "timestamp": fields.get("time", logged_time(number)),
        "user": fields.get("user", "ann"),
        "dbname": fields.get("database", "shop"),
        "error_severity": fields.get("severity", "LOG"),
        "message": message,
        "detail": fields.get("detail"),
        "statement": fields.get("statement"),
        "query_id": fields.get("query_id", 0),
    }
    known = {name: value for name, value in record.items() if value is not None}
    return json.dumps(known).encode() + b"\n"


def json_line(number: int, text: str, **fields: Any) -> bytes:
    """A line of JSON lines."""
    return json.dumps({"text": text, "timestamp": at(number) / 1e6, **fields}).encode() + b"\n"


@dataclass
class Run:
    """What one run read."""

    plan: Plan
    chunks: list[Chunk] = field(default_factory=list)

    @property
    def statements(self) -> list[LoggedStatement]:
        return [one for chunk in self.chunks for one in chunk.statements]

    @property
    def texts(self) -> list[str]:
        return [one.text for one in self.statements]

    @property
    def rejected(self) -> list[Rejected]:
        return [one for chunk in self.chunks for one in chunk.rejected]

    @property
    def reasons(self) -> list[str]:
        return [one.reason for one in self.rejected]

    @property
    def other(self) -> dict[str, int]:
        return _summed(chunk.other for chunk in self.chunks)

    @property
    def notes(self) -> dict[str, int]:
        return _summed(chunk.notes for chunk in self.chunks)

    @property
    def mark(self) -> dict[str, Any]:
        """The mark as it comes back from the state store."""
        mark: dict[str, Any] = json.loads(json.dumps(self.plan.mark))
        return mark


def run(
    source: LogFileSource, before: Run | None = None, order: random.Random | None = None
) -> Run:
    """Plan and read all that is new; checks that the accounts agree.

    Args:
        source: The log.
        before: The last run.
        order: Shuffles the windows.
    """
    plan = source.plan(before.mark if before else None, MEMORY)
    plan = Plan.model_validate_json(plan.model_dump_json())
    done = Run(plan)
    windows = list(plan.windows)
    if order is not None:
        order.shuffle(windows)
    for window in windows:
        chunks = list(source.read(window, MEMORY))
        assert sum(chunk.bytes for chunk in chunks) == window.planned
        done.chunks += chunks
    for chunk in done.chunks:
        known = len(chunk.statements) + len(chunk.rejected) + sum(chunk.other.values())
        assert chunk.read == known
    return done


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for name, count in one.items():
            total[name] = total.get(name, 0) + count
    return total


def texts_of(runs: Sequence[Run]) -> list[str]:
    """Texts of all runs."""
    return [text for one in runs for text in one.texts]
