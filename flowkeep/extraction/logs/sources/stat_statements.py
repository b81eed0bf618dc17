"""`pg_stat_statements`: how often each shape ran, by the difference of two snapshots.

The extension counts executions per role, database and shape since the last reset, without their
time and without literals. A run takes a snapshot, counts what was added since that of the last
run, and keeps it for the next. Only texts of shapes that gained calls are fetched. What happened
to the counters in between makes counts lower bounds and is noted, see
`flowkeep.extraction.logs.sources.stat_statements_difference`.
"""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from typing import Any, ClassVar, Self

from flowkeep.contracts import CheckResult
from flowkeep.errors import ConfigurationError, NotFound
from flowkeep.extraction.logs.sources.base import (
    LogSource,
    Memory,
    Plan,
    SourceContext,
    Window,
    read_options,
)
from flowkeep.extraction.logs.sources.history_time import as_text, micros
from flowkeep.extraction.logs.sources.stat_statements_difference import (
    Difference,
    difference,
    since_reset,
)
from flowkeep.extraction.logs.sources.stat_statements_options import StatStatementsOptions
from flowkeep.extraction.logs.sources.stat_statements_snapshot import Counters, Key, Snapshot
from flowkeep.extraction.logs.sources.stat_statements_sql import (
    NOT_INSTALLED,
    NOT_LOADED,
    Names,
    Settings,
    StatStatements,
)
from flowkeep.extraction.logs.statement import Chunk, LoggedStatement
from flowkeep.extraction.sources.base import Session, Source

_HIDDEN = "<insufficient privilege>"
"""What the server says in the place of a text that the role may not see."""
_NO_TEXT, _EVICTED = "<no text>", "<evicted>"
"""The same for texts that the server has lost."""
_CHECKS = {NOT_INSTALLED: "extension", NOT_LOADED: "library"}


class StatStatementsSource(LogSource):
    """Reads the counters of a PostgreSQL server.

    Args:
        source: The server, and the database in which the extension is installed.
        options: How the first run counts.

    Raises:
        ConfigurationError: If the source is no PostgreSQL server.
    """

    kind: ClassVar[str] = "pg_stat_statements"
    dialect = "postgres"

    def __init__(self, *, source: Source, options: StatStatementsOptions) -> None:
        if source.dialect != "postgresql":
            raise ConfigurationError(
                f"pg_stat_statements cannot be read from {source.dialect}",
                hint="pass credentials of a PostgreSQL server",
            )
        self._source = source
        self._options = options

    @classmethod
    def create(cls, options: Mapping[str, Any], context: SourceContext) -> Self:
        """Make the source on the server that the credentials name; see `LogSource.create`."""
        return cls(
            source=context.server(), options=read_options(StatStatementsOptions, options, cls.kind)
        )

    @property
    def identity(self) -> str:
        """The server: its counters cover all databases."""
        return f"{self.namespace}/pg_stat_statements"

    @property
    def namespace(self) -> str:
        """That of the server."""
        return self._source.namespace

    def check(self) -> list[CheckResult]:
        """Return whether the extension is there, counts, and shows its texts to the role."""
        opened = False
        try:
            with self._source.session() as session:
                opened = True
                settings = StatStatements(session).settings()
        except ConfigurationError as error:
            name = _CHECKS.get(error.code, "rights") if opened else "connection"
            return [_result(name, str(error), ok=False)]
        return _judged(settings, session)

    def plan(self, mark: Mapping[str, Any] | None, memory: Memory) -> Plan:
        """Return the one window; see `LogSource.plan`."""
        with self._source.session() as session:
            entries = StatStatements(session).settings().entries
            now = as_text(micros(session.taken_at))
        notes = []
        known = self._known(memory) if mark is not None else None
        if known is None:
            if mark is not None:
                notes.append("the last snapshot is gone: what ran since then cannot be counted")
            if mark is not None or self._options.first == "baseline":
                notes.append(
                    "this run takes a first snapshot and counts nothing; the next one counts what"
                    " ran in between"
                )
        first = "baseline" if mark is not None else self._options.first
        return Plan(
            windows=[Window(where={"known": known, "first": first}, planned=entries, unit="rows")],
            mark={"until": now},
            since=str(mark["until"]) if mark else "",
            until=now,
            notes=notes,
        )

    def read(
        self, window: Window, memory: Memory, stop: threading.Event | None = None
    ) -> Iterator[Chunk]:
        """Yield what was added since the last snapshot; see `LogSource.read`.

        A second attempt counts up to its own snapshot, which is the one that is kept.

        Raises:
            NotFound: If the last snapshot has gone since the plan.
        """
        known, names = window.where["known"], Names()
        old = None if known is None else Snapshot.of(memory.recall([known]))
        with self._source.session(stop=stop) as session:
            extension = StatStatements(session)
            new, entries = extension.snapshot(names)
            if old is not None:
                found = difference(old, new)
            elif window.where["first"] == "count":
                found = since_reset(new)
            else:
                found = Difference(notes={"baseline": len(new.entries)})
            yield Chunk(read=entries, notes=found.notes)
            for chunk in _statements(extension, found, names, new.at):
                if stop is not None and stop.is_set():
                    raise CancelledError("stopped while reading pg_stat_statements")
                yield chunk
        memory.keep(new.table())

    def _known(self, memory: Memory) -> str | None:
        """Return the key of the last snapshot; None if there is none any more."""
        if not memory.kept:
            return None
        try:
            for _ in memory.recall(memory.kept[-1:]):
                return memory.kept[-1]
        except NotFound:
            pass
        return None


def _statements(
    extension: StatStatements, found: Difference, names: Names, at: int
) -> Iterator[Chunk]:
    """Yield what was added, with its texts."""
    left = dict(found.added)

    def logged(key: Key, counters: Counters, text: str) -> LoggedStatement:
        return LoggedStatement(
            text,
            at,
            user=names.users.get(key.user, ""),
            database=names.databases.get(key.database, ""),
            duration=counters.duration,
            rows=counters.rows,
            query_id=key.query_id,
            calls=counters.calls,
            place=_place(key),
        )

    hidden = [key for key in left if key.hidden]
    if hidden:
        statements = [logged(key, left.pop(key), _HIDDEN) for key in hidden]
        yield Chunk(statements=statements, notes={"hidden": len(statements)})
    for texts in extension.texts({key.query_id for key in left}):
        chunk = Chunk()
        for key, text in texts:
            counters = left.pop(key, None)
            if counters is None:
                continue
            chunk.statements.append(logged(key, counters, text or _NO_TEXT))
        yield chunk
    # Evicted between the counters and the texts: they ran all the same.
    yield Chunk(statements=[logged(key, counters, _EVICTED) for key, counters in left.items()])


def _place(key: Key) -> str:
    return f"pg_stat_statements/{key.user}/{key.database}/{key.query_id}"


def _judged(settings: Settings, session: Session) -> list[CheckResult]:
    found = []
    if settings.compute_query_id == "off":
        text = "compute_query_id is off: nothing is counted; set it to auto or on"
        found.append(_result("compute_query_id", text, ok=False))
    if settings.track == "none":
        text = "pg_stat_statements.track is none: nothing is counted; set it to top or all"
        found.append(_result("track", text, ok=False, warning=True))
    if settings.hidden:
        text = (
            f"{settings.hidden} of {settings.entries} statements are hidden from"
            f" {session.info.role}; grant pg_read_all_stats to it"
        )
        found.append(_result("rights", text, ok=False, warning=True))
    return found or [_result("extension", f"{settings.entries} statements are counted", ok=True)]


def _result(name: str, message: str, *, ok: bool, warning: bool = False) -> CheckResult:
    return CheckResult(
        name=f"pg_stat_statements.{name}",
        ok=ok,
        message=message,
        level="warning" if warning else "error",
    )
