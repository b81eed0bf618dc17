"""SQLite as a source: one file, opened for reading, through the driver of Python's own library."""

import re
import sqlite3
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from flowkeep.contracts.extraction import SourceInfo
from flowkeep.errors import ConfigurationError, FlowkeepError, SourceUnavailable
from flowkeep.extraction.filters.sqlite import SQLiteFilterSyntax
from flowkeep.extraction.filters.syntax import FilterSyntax
from flowkeep.extraction.metadata.kinds import ColumnType
from flowkeep.extraction.sources.base import Order, Session, Source, Statement
from flowkeep.extraction.sources.limits import connection_slot
from flowkeep.extraction.sources.rows import arrow_tables
from flowkeep.extraction.sources.sqlite_statements import ORDERS, STATEMENTS

if TYPE_CHECKING:
    import pyarrow as pa

OLDEST = (3, 37)
"""Version of the library that brought `pragma_table_list`."""

_MAIN = "main"
_ROLE = "the worker's account"
_BUSY_SECONDS = 5.0
_STEPS = 10_000
"""Instructions of SQLite's machine between two looks at the stop flag."""

_VIRTUAL_TABLES = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual'"


class SQLiteSource(Source):
    """A database file of SQLite. The worker must be able to read it."""

    dialect: ClassVar[str] = "sqlite"
    statements: ClassVar[Mapping[str, str]] = STATEMENTS
    orders: ClassVar[Mapping[str, Order]] = ORDERS
    filter_syntax: ClassVar[FilterSyntax | None] = SQLiteFilterSyntax()
    database_in_names: ClassVar[bool] = False

    @property
    def path(self) -> Path:
        """The file, as a full path."""
        return Path(self.credentials.database).absolute()

    @property
    def namespace(self) -> str:
        """`sqlite://` and the full path, percent-encoded but for its slashes."""
        return f"sqlite://{quote(str(self.path))}"

    @property
    def default_database(self) -> str:
        """`main`, as SQLite calls the file that was opened."""
        return _MAIN

    @contextmanager
    def session(
        self, database: str | None = None, stop: threading.Event | None = None
    ) -> Iterator[Session]:
        """Open the file, begin to read, and close both at the end; see `Source.session`.

        Raises:
            ConfigurationError: If there is no such file, or it is no database of SQLite.
            SourceUnavailable: If it is locked.
        """
        if database not in (None, _MAIN):
            raise ConfigurationError(
                f"there is no database {database!r} in {self.path}",
                hint="leave metadata.databases out: a file holds one, called main",
                code="SOURCE_REFUSED",
            )
        with connection_slot(self.namespace, self.max_connections, stop) as proved:
            try:
                with closing(self._open()) as connection:
                    deadline = _Deadline(stop, self.statement_timeout_seconds)
                    connection.set_progress_handler(deadline.passed, _STEPS)
                    connection.execute("BEGIN")
                    session = _SQLiteSession(self, connection, deadline)
                    proved()
                    yield session
            except sqlite3.Error as error:
                if stop is not None and stop.is_set():
                    raise CancelledError("stopped while reading from the source") from None
                raise _classified(error, self.path) from None

    def check_version(self, info: SourceInfo) -> tuple[bool, str]:
        """Return whether the library that reads the file knows what the statements ask."""
        if sqlite3.sqlite_version_info < OLDEST:
            needed = ".".join(map(str, OLDEST))
            return False, f"SQLite {info.version} of this Python is too old: {needed} is needed"
        return True, f"SQLite {info.version}, the library of this Python"

    def list_databases(self, session: Session) -> list[str]:
        """Return the one database of the file."""
        return [_MAIN]

    def list_schemas(self, session: Session) -> list[str]:
        """Return the one schema of the file."""
        return [_MAIN]

    def is_system_schema(self, name: str) -> bool:
        """Return False: SQLite's own tables lie beside the others."""
        return False

    def closed_schemas(self, session: Session, schemas: list[str]) -> list[str]:
        """Return nothing: who can read the file can read all of it."""
        return []

    def check_rights(self, session: Session, schemas: list[str]) -> tuple[bool, str]:
        """Return True: SQLite has no rights but those of the file."""
        return True, "who can read the file can read all of it"

    def _open(self) -> sqlite3.Connection:
        path = self.path
        if not path.is_file():
            raise ConfigurationError(
                f"credentials.database: there is no file {path}",
                hint="check the path, as the worker sees it",
                code="SOURCE_REFUSED",
            )
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro",
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
        )
        connection.create_function("regexp", 2, _matches, deterministic=True)
        return connection


class _SQLiteSession(Session):
    """One read transaction: what others write meanwhile is not seen."""

    visibility = "all"

    def __init__(
        self, source: SQLiteSource, connection: sqlite3.Connection, deadline: "_Deadline"
    ) -> None:
        self._connection = connection
        self._deadline = deadline
        self._deadline.start()
        # The first read begins the snapshot; it also tells whether the file is a database.
        connection.execute("SELECT count(*) FROM main.sqlite_schema").fetchall()
        self._not_loaded = self._load_virtual_tables()
        self._read_columns = False
        self.taken_at = datetime.now(UTC)
        schema, data = (
            connection.execute(f"PRAGMA main.{name}").fetchone()[0]
            for name in ("schema_version", "data_version")
        )
        self.snapshot = f"{self.taken_at.isoformat()} schema {schema} data {data}"
        self.info = SourceInfo(
            server_id=source.namespace,
            version=sqlite3.sqlite_version,
            role=_ROLE,
            database=_MAIN,
            namespace=source.namespace,
        )

    @property
    def shortfall(self) -> str | None:
        """Virtual tables whose columns are missing because their module is not loaded."""
        if not (self._not_loaded and self._read_columns):
            return None
        return f"columns of virtual tables cannot be told: {'; '.join(self._not_loaded)}"

    def describe(self, statement: Statement) -> dict[str, ColumnType]:
        """Return the statement's columns; see `Session.describe`.

        SQLite gives types to values, not to columns: columns called `is_…` or `has_…` count as
        booleans, those called `…_position` or `…_count` as integers, all others as text.

        Raises:
            ConfigurationError: If two columns have one name.
        """
        self._deadline.start()
        cursor = self._connection.execute(
            f"SELECT * FROM ({statement.inner}) LIMIT 0",  # noqa: S608 - the kind's own text
            statement.parameters,
        )
        columns: dict[str, ColumnType] = {}
        for name, *_ in cursor.description:
            original, twin, _ = name.partition(":")
            if name in columns or (twin and original in columns):
                raise ConfigurationError(
                    f"the statement returns two columns named {original!r}",
                    hint="give each column its own alias",
                    code="SOURCE_STATEMENT",
                )
            columns[name] = _type_of(name)
        return columns

    def count(self, statement: Statement) -> int:
        """Return the number of rows; see `Session.count`."""
        self._deadline.start()
        text = f"SELECT count(*) FROM ({statement.inner})"  # noqa: S608 - the kind's own text
        return int(self._connection.execute(text, statement.parameters).fetchone()[0])

    def rows(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Return all rows; see `Session.rows`."""
        self._deadline.start()
        return self._connection.execute(statement.text, statement.parameters).fetchall()

    def tables(
        self, statement: Statement, columns: Mapping[str, ColumnType]
    ) -> Generator["pa.Table"]:
        """Yield the rows as Arrow tables; see `Session.tables`."""
        self._read_columns |= "column_name" in columns
        order = f" ORDER BY {statement.order.by}" if statement.order else ""
        self._deadline.start()
        with closing(
            self._connection.execute(f"{statement.text}{order}", statement.parameters)
        ) as cursor:
            yield from arrow_tables(cursor, columns)

    def _load_virtual_tables(self) -> list[str]:
        """Make their columns known to the pragmas; return those that have none, and why."""
        failed = []
        for (name,) in self._connection.execute(_VIRTUAL_TABLES).fetchall():
            try:
                self._connection.execute("SELECT 1 FROM pragma_table_xinfo(?, 'main')", (name,))
            except sqlite3.OperationalError as error:
                failed.append(f"{name}: {error}")
        return failed


class _Deadline:
    """Interrupts a statement that takes too long or that nobody waits for any more."""

    def __init__(self, stop: threading.Event | None, seconds: float) -> None:
        self._stop = stop
        self._seconds = seconds
        self.start()

    def start(self) -> None:
        """Begin to count anew; raises CancelledError when there is nothing to begin."""
        if self._stop is not None and self._stop.is_set():
            raise CancelledError("stopped before a statement")
        self._end = time.monotonic() + self._seconds

    def passed(self) -> bool:
        """Return whether the statement has to end; the driver asks this now and then."""
        return (self._stop is not None and self._stop.is_set()) or time.monotonic() > self._end


def _type_of(name: str) -> ColumnType:
    if re.match(r"(is|has)_", name):
        return "boolean"
    return "integer" if name.endswith(("_position", "_count")) else "text"


@lru_cache(maxsize=65_536)
def _matches(pattern: str, name: str | None) -> bool:
    """Match a whole name; the engine is RE2, which takes linear time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.match_substring_regex(
        pa.array([name], pa.large_string()), pattern=f"(?s)^(?:{pattern})$"
    )
    return bool(found[0].as_py())


def _classified(error: sqlite3.Error, path: Path) -> FlowkeepError:
    """Return what an error means: SQLite's result codes, without their extension."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    text = f"reading {path} failed: {error}"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return SourceUnavailable(text, hint="somebody holds a lock on the file; try again")
    if code == sqlite3.SQLITE_INTERRUPT:
        return SourceUnavailable(
            text, hint="raise metadata.statement_timeout_seconds if it needs longer"
        )
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return ConfigurationError(
            text, hint="check that this is a database of SQLite", code="SOURCE_REFUSED"
        )
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return ConfigurationError(
            text, hint="let the worker read the file and its folder", code="SOURCE_REFUSED"
        )
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_SCHEMA):
        return SourceUnavailable(text, hint="try again")
    return ConfigurationError(text, hint="correct the SQL of this kind", code="SOURCE_STATEMENT")
