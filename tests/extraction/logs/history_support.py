"""What the tests of histories share: a memory, runs over a log, and a log in SQLite."""

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from flowkeep.errors import NotFound
from flowkeep.extraction.credentials import SourceCredentials
from flowkeep.extraction.logs.sources.base import LogSource, Memory, Plan
from flowkeep.extraction.logs.sources.history import HistorySource
from flowkeep.extraction.logs.sources.history_options import HistoryOptions
from flowkeep.extraction.logs.statement import Chunk, LoggedStatement, Rejected
from flowkeep.extraction.sources.sqlite import SQLiteSource

START = datetime(2025, 3, 1, tzinfo=UTC)
MICROS = int(START.timestamp()) * 1_000_000
SECOND = 1_000_000
COLUMNS = {"timestamp_column": "at", "text_column": "text"}


class Kept(Memory):
    """What runs keep, in this process."""

    def __init__(self) -> None:
        self.files: dict[str, pa.Table] = {}
        self.new: dict[str, pa.Table] = {}

    @property
    def kept(self) -> list[str]:
        return list(self.files)

    def recall(self, keys: Iterable[str] | None = None) -> Iterator[pa.Table]:
        for key in self.kept if keys is None else keys:
            if key not in self.files:
                raise NotFound(f"{key} has gone")
            yield self.files[key]

    def keep(self, table: pa.Table) -> None:
        self.new[f"file {id(self.new)}-{len(self.files) + len(self.new)}-{id(table)}"] = table

    def succeed(self, plan: Plan) -> None:
        """The run has succeeded: what it kept counts, what its plan does not name goes."""
        self.files = {key: self.files[key] for key in plan.keep} | self.new
        self.new = {}


class Runs:
    """Runs one after the other over one log."""

    def __init__(self) -> None:
        self.memory = Kept()
        self.mark: dict[str, Any] | None = None
        self.plan: Plan | None = None
        self.statements: list[LoggedStatement] = []
        self.rejected: list[Rejected] = []
        self.total = Chunk()

    def run(self, source: LogSource) -> Plan:
        """One whole run; returns its plan."""
        plan = source.plan(self.mark, self.memory)
        self.total = Chunk()
        for window in Plan.model_validate_json(plan.model_dump_json()).windows:
            self.add(source.read(window, self.memory))
        self.memory.succeed(plan)
        self.mark, self.plan = plan.mark, plan
        return plan

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Count what a window yields."""
        for chunk in chunks:
            self.statements += chunk.statements
            self.rejected += chunk.rejected
            self.total.read += chunk.read
            self.total.repeated += chunk.repeated
            for name, count in chunk.notes.items():
                self.total.notes[name] = self.total.notes.get(name, 0) + count

    @property
    def texts(self) -> list[str]:
        return sorted(one.text for one in self.statements)


class SQLiteLog:
    """A table `history` in a file."""

    def __init__(self, path: Path, columns: str = "at TEXT, text TEXT, id TEXT") -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA synchronous = off")
        self.connection.execute(f"CREATE TABLE history ({columns})")
        self.source = SQLiteSource(SourceCredentials.read({"url": f"sqlite:///{path}"}))

    def add(self, *rows: tuple[Any, ...]) -> None:
        """Insert rows."""
        for row in rows:
            places = ", ".join("?" for _ in row)
            self.connection.execute(f"INSERT INTO history VALUES ({places})", row)

    def history(self, **options: Any) -> HistorySource:
        """The log as a source."""
        defaults = {"table": "history", "since": START, **COLUMNS}
        if "query" in options:
            del defaults["table"]
        return HistorySource(source=self.source, options=HistoryOptions(**{**defaults, **options}))


def at(seconds: float, *, separator: str = " ", digits: str = "microseconds") -> str:
    """A moment some seconds behind the start, as text."""
    moment = (START + timedelta(seconds=seconds)).replace(tzinfo=None)
    return moment.isoformat(sep=separator, timespec=digits)


def until(seconds: float) -> dict[str, Any]:
    """The option that ends a run some seconds behind the start."""
    return {"until": START + timedelta(seconds=seconds)}
