"""A table, view or SELECT that lists statements with their time, read by SQL.

A run reads `[mark, end)` in half-open windows, compared on the server in whole microseconds, so a
row belongs to one window whatever its time. Windows are planned by counting, never by offsets.

Rows may show up after their time was read. For as long as `overlap_seconds` behind the mark it is
remembered which rows were counted; where the table holds another number of them now, that stretch
is read again, and of its rows those are handed on that were not counted yet. Rows must not change:
without an id a changed row is another row. That as many rows went as came cannot be seen.
"""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any, ClassVar, Self

from flowkeep.contracts import CheckResult
from flowkeep.errors import ConfigurationError, Incomplete, SourceUnavailable
from flowkeep.extraction.logs.sources.base import (
    LogSource,
    Memory,
    Plan,
    SourceContext,
    Window,
    read_options,
)
from flowkeep.extraction.logs.sources.history_check import ColumnChecks
from flowkeep.extraction.logs.sources.history_counted import NewlyCounted, recall
from flowkeep.extraction.logs.sources.history_dialects import PostgreSQLHistory, history_dialect
from flowkeep.extraction.logs.sources.history_options import HistoryOptions
from flowkeep.extraction.logs.sources.history_plan import HistoryPlanner, Mark
from flowkeep.extraction.logs.sources.history_rows import HistoryRows
from flowkeep.extraction.logs.sources.history_statements import HistoryStatements
from flowkeep.extraction.logs.sources.history_time import from_text
from flowkeep.extraction.logs.statement import Chunk
from flowkeep.extraction.sources.base import SOURCE_CHANGED, Session, Source, Statement

_HINT = "check history.table or history.query, its columns, and the role's right to SELECT"


class HistorySource(LogSource):
    """Reads a history of statements from PostgreSQL, MySQL, MariaDB or SQLite.

    Args:
        source: The server.
        options: The table, and what its columns mean.

    Raises:
        ConfigurationError: If the server is of another sort, or the table's name is none.
    """

    kind: ClassVar[str] = "history"

    def __init__(self, *, source: Source, options: HistoryOptions) -> None:
        self._source = source
        self._options = options
        self._sql = history_dialect(source.dialect)
        self._statements = HistoryStatements(self._sql, options)
        self.dialect = options.sql_dialect or self._sql.sqlglot

    @classmethod
    def create(cls, options: Mapping[str, Any], context: SourceContext) -> Self:
        """Make the source on the server that the credentials name; see `LogSource.create`."""
        return cls(source=context.server(), options=read_options(HistoryOptions, options, cls.kind))

    @property
    def identity(self) -> str:
        """Server, database, and the table or a hash of the query."""
        database = self._source.default_database
        if self._source.dialect == "mysql":  # whose databases are schemas
            database = self._source.credentials.database
        table = self._options.table
        if table is None:
            query = str(self._options.query).encode()
            table = f"query {blake2b(query, digest_size=8).hexdigest()}"
        return f"{self.namespace}/{database}/{table}"

    @property
    def namespace(self) -> str:
        """That of the server the table lies on."""
        return self._source.namespace

    def check(self) -> list[CheckResult]:
        """Return whether the columns are there and hold what the options say."""
        try:
            with self._session() as session:
                session.describe(self._statements.mapped())
                found = self._checks(session).unfit()
        except ConfigurationError as error:
            found = self._explained(error)
        except SourceUnavailable as error:
            if error.code != SOURCE_CHANGED:  # what MySQL says of a table that is not there
                raise
            found = self._explained(error)
        return found or [CheckResult(name="history", ok=True, message="the columns are there")]

    def plan(self, mark: Mapping[str, Any] | None, memory: Memory) -> Plan:
        """Cut what is new since the mark into windows; see `LogSource.plan`.

        Raises:
            ConfigurationError: If table or columns cannot be read.
            InvalidInput: If the mark is none.
        """
        found = None if mark is None else Mark.read(mark)
        with self._session() as session:
            self._require_types(session)
            planner = HistoryPlanner(session, self._statements, self._options, memory)
            return planner.first() if found is None else planner.next(found)

    def read(
        self, window: Window, memory: Memory, stop: threading.Event | None = None
    ) -> Iterator[Chunk]:
        """Yield the rows of a window; see `LogSource.read`.

        Raises:
            Incomplete: If not as many rows arrive as the same snapshot counts.
        """
        start, end, since = (
            from_text(window.where[name]) for name in ("from", "until", "remember")
        )
        part = window.where.get("part")
        statement = self._statements.rows(start, end, (part[0], part[1]) if part else None)
        before = recall(memory, window.where["recall"], start, end) if window.late else None
        counted = NewlyCounted(memory, since)
        rows = HistoryRows(
            self._options.table or "query", counted, before, hexadecimal=self._sql.hexadecimal
        )
        with self._session(stop) as session:
            self._require_types(session)
            there, arrived = session.count(statement), 0
            for table in session.tables(statement, self._statements.columns):
                if stop is not None and stop.is_set():
                    raise CancelledError("stopped while reading a history table")
                arrived += table.num_rows
                yield rows.chunk(table)
        if arrived != there:
            raise Incomplete(
                f"history: of {there} rows from {window.where['from']} to"
                f" {window.where['until']}, {arrived} arrived",
                hint="try again; nothing of this window was counted",
            )
        counted.keep()
        if there < window.planned:
            yield Chunk(notes={"shrunk": window.planned - there})

    def _checks(self, session: Session) -> ColumnChecks:
        return ColumnChecks(session, self._sql, self._statements, self._options)

    def _require_types(self, session: Session) -> None:
        """Refuse columns of PostgreSQL whose values a failed cast would quote in its error."""
        if not isinstance(self._sql, PostgreSQLHistory):
            return
        for one in self._checks(session).unfit():
            raise ConfigurationError(f"{one.name}: {one.message}", hint=_HINT)

    def _explained(self, error: ConfigurationError | SourceUnavailable) -> list[CheckResult]:
        """Return which columns are missing; if it is not that, what the server said."""
        name = "connection"
        try:
            with self._session() as session:
                name = "history.table" if self._options.table else "history.query"
                if missing := self._checks(session).missing():
                    return missing
        except (ConfigurationError, SourceUnavailable) as again:
            error = again
        return [CheckResult(name=name, ok=False, message=str(error))]

    @contextmanager
    def _session(self, stop: threading.Event | None = None) -> Iterator[Session]:
        """Open a session in one snapshot, whose errors quote no SQL."""
        opened = False
        try:
            with self._source.session(stop=stop) as session:
                for text in self._sql.begin:
                    session.rows(Statement(text, {}))
                opened = True
                yield session
        except (ConfigurationError, SourceUnavailable) as error:
            if not opened:
                raise
            raise type(error)(
                _without_sql(error.message),
                hint=_HINT if isinstance(error, ConfigurationError) else error.hint,
                code=error.code,
            ) from None


def _without_sql(message: str) -> str:
    """Return an error's first line, up to where servers and drivers quote statement or value."""
    line = message.partition("\n")[0]
    for quoted in (" near '", " with text '"):
        line = line.partition(quoted)[0]
    return line
