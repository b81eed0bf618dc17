"""PostgreSQL as a source: sessions in a read-only snapshot, through psycopg."""

import re
import threading
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager, suppress
from datetime import UTC
from typing import TYPE_CHECKING, Any, ClassVar

from flowkeep.contracts.extraction import SourceInfo
from flowkeep.errors import ConfigurationError
from flowkeep.extraction.filters.postgresql import PostgreSQLFilterSyntax
from flowkeep.extraction.filters.syntax import FilterSyntax
from flowkeep.extraction.metadata.kinds import ColumnType
from flowkeep.extraction.metadata.transport import copy_tables
from flowkeep.extraction.sources.base import Order, Session, Source, Statement
from flowkeep.extraction.sources.limits import connection_slot
from flowkeep.extraction.sources.postgresql_errors import (
    connection_error,
    statement_error,
    unknown_host,
)
from flowkeep.extraction.sources.postgresql_statements import ORDERS, STATEMENTS

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

    Connection = psycopg.Connection[tuple[Any, ...]]

OLDEST, NEWEST = 14, 18
"""Major versions the statements were made for."""

_CONNECT_SECONDS = 10
_LOCK_SECONDS = 30
_SORT_MEMORY = "64MB"
_INTEGERS = frozenset({20, 21, 23})  # int8, int2, int4
_BOOLEAN = 16

_LIST_DATABASES = """
    SELECT datname FROM pg_catalog.pg_database
    WHERE datallowconn AND NOT datistemplate
        AND pg_catalog.has_database_privilege(oid, 'CONNECT')
    ORDER BY datname
"""
_ALL_DATABASES = """
    SELECT datname FROM pg_catalog.pg_database
    WHERE datallowconn AND NOT datistemplate ORDER BY datname
"""
_LIST_SCHEMAS = """
    SELECT nspname FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^pg_(toast_)?temp_[0-9]+$' ORDER BY nspname
"""
_CLOSED_SCHEMAS = """
    SELECT nspname FROM pg_catalog.pg_namespace
    WHERE nspname = ANY (%(schemas)s::pg_catalog.text[])
        AND NOT pg_catalog.has_schema_privilege(oid, 'USAGE')
    ORDER BY nspname
"""
_DESCRIBE_SERVER = """
    SELECT pg_catalog.current_setting('server_version'), current_user::pg_catalog.text,
        pg_catalog.current_database()::pg_catalog.text,
        pg_catalog.pg_current_snapshot()::pg_catalog.text, pg_catalog.now(),
        pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
"""
_SERVER_ID = "SELECT system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system()"


class PostgreSQLSource(Source):
    """A PostgreSQL server, versions 14 to 18."""

    dialect: ClassVar[str] = "postgresql"
    statements: ClassVar[Mapping[str, str]] = STATEMENTS
    orders: ClassVar[Mapping[str, Order]] = ORDERS
    filter_syntax: ClassVar[FilterSyntax | None] = PostgreSQLFilterSyntax()

    @property
    def namespace(self) -> str:
        """`postgres://host:port`, as OpenLineage names PostgreSQL."""
        host = self.credentials.host
        return f"postgres://{f'[{host}]' if ':' in host else host}:{self.credentials.port or 5432}"

    @property
    def default_database(self) -> str:
        """The credentials' database, else the one named like the role, as libpq does it."""
        return self.credentials.database or self.credentials.username or "postgres"

    @contextmanager
    def session(
        self, database: str | None = None, stop: threading.Event | None = None
    ) -> Iterator[Session]:
        """Connect, open a snapshot, and close both at the end; see `Source.session`."""
        import psycopg

        name = database or self.default_database
        target = f"{self.namespace}/{name} as {self.credentials.username or 'the default role'}"
        with connection_slot(self.namespace, self.max_connections, stop) as proved:
            connection = self._connect(name, target)
            proved()
            with closing(connection):
                try:
                    yield _PostgreSQLSession(self, connection, stop)
                except psycopg.Error as error:
                    if stop is not None and stop.is_set():
                        raise CancelledError("stopped while reading from the source") from None
                    text = self.credentials.redact(str(error).strip())
                    raise statement_error(error, target, text) from None

    def check_version(self, info: SourceInfo) -> tuple[bool, str]:
        """Return whether the server's major version is one that the statements support."""
        found = re.match(r"\d+", info.version)
        major = int(found[0]) if found else 0
        if major < OLDEST:
            return False, f"PostgreSQL {info.version} is too old: {OLDEST} or later is needed"
        if major > NEWEST:
            return True, f"PostgreSQL {info.version} is newer than {NEWEST}, the newest one tested"
        return True, f"PostgreSQL {info.version}"

    def list_databases(self, session: Session) -> list[str]:
        """Return the databases that allow connections and that the role may connect to."""
        return [row[0] for row in session.rows(Statement(_LIST_DATABASES, {}))]

    def all_databases(self, session: Session) -> list[str]:
        """Return the databases that allow connections, whether or not the role may connect."""
        return [row[0] for row in session.rows(Statement(_ALL_DATABASES, {}))]

    def list_schemas(self, session: Session) -> list[str]:
        """Return all schemas but those of temporary objects, which belong to other sessions."""
        return [row[0] for row in session.rows(Statement(_LIST_SCHEMAS, {}))]

    def is_system_schema(self, name: str) -> bool:
        """Return whether the name is reserved by PostgreSQL."""
        return name == "information_schema" or name.startswith("pg_")

    def closed_schemas(self, session: Session, schemas: list[str]) -> list[str]:
        """Return the schemas without USAGE: catalogued in full, but the role cannot query them."""
        return [row[0] for row in session.rows(Statement(_CLOSED_SCHEMAS, {"schemas": schemas}))]

    def _connect(self, database: str, target: str) -> "Connection":
        import psycopg

        login = self.credentials
        options: dict[str, Any] = {
            "connect_timeout": _CONNECT_SECONDS,
            "application_name": "flowkeep",
            # A server that went away without a word is noticed within a minute.
            "keepalives_idle": 20,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 60_000,
            **login.extra,
            "host": login.host,
            "port": login.port or 5432,
            "dbname": database,
            "client_encoding": "UTF8",
        }
        if login.username:
            options["user"] = login.username
        if login.password.get_secret_value():
            options["password"] = login.password.get_secret_value()
        try:
            return psycopg.connect(
                "", autocommit=True, cursor_factory=psycopg.ClientCursor, **options
            )
        except psycopg.Error as error:
            text = login.redact(str(error))
            raise connection_error(error, target, text) from None
        except UnicodeError:  # what the resolver's encoding of host names makes of some
            raise unknown_host(target) from None


class _PostgreSQLSession(Session):
    """One REPEATABLE READ transaction; the connection's closing ends it."""

    def __init__(
        self, source: PostgreSQLSource, connection: "Connection", stop: threading.Event | None
    ) -> None:
        self._connection = connection
        self._stop = stop
        timeout = int(source.statement_timeout_seconds * 1000)
        with _StopWatch(connection, stop):
            # SET LOCAL holds for the transaction only, so that poolers may share the connection.
            connection.execute(
                "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;"
                "SET LOCAL search_path = '';"
                "SET LOCAL DateStyle = 'ISO, YMD';"
                "SET LOCAL IntervalStyle = 'iso_8601';"
                "SET LOCAL bytea_output = 'hex';"
                f"SET LOCAL work_mem = '{_SORT_MEMORY}';"
                "SET LOCAL quote_all_identifiers = off;"
                "SET LOCAL idle_in_transaction_session_timeout = 0;"
                f"SET LOCAL lock_timeout = {_LOCK_SECONDS * 1000};"
                f"SET LOCAL statement_timeout = {timeout}"
            )
            version, role, database, snapshot, began, may_identify = self._one(_DESCRIBE_SERVER)
            server = self._one(_SERVER_ID)[0] if may_identify else source.namespace
        self.snapshot = snapshot
        self.taken_at = began.astimezone(UTC)
        self.visibility = "all"  # the catalogue shows every object to every role
        self.info = SourceInfo(
            server_id=server,
            version=version,
            role=role,
            database=database,
            namespace=source.namespace,
        )

    def describe(self, statement: Statement) -> dict[str, ColumnType]:
        """Return the statement's columns; see `Session.describe`.

        Raises:
            ConfigurationError: If two columns have one name.
        """
        text = self._text(statement)
        cursor = self._execute(f"SELECT * FROM ({text}) AS s LIMIT 0")  # noqa: S608 - as in _text
        columns: dict[str, ColumnType] = {}
        for column in cursor.description or ():
            if column.name in columns:
                raise ConfigurationError(
                    f"the statement returns two columns named {column.name!r}",
                    hint="give each column its own alias",
                    code="SOURCE_STATEMENT",
                )
            code = column.type_code
            columns[column.name] = (
                "integer" if code in _INTEGERS else "boolean" if code == _BOOLEAN else "text"
            )
        return columns

    def count(self, statement: Statement) -> int:
        """Return the number of rows; see `Session.count`."""
        text = self._text(statement)
        cursor = self._execute(f"SELECT pg_catalog.count(*) FROM ({text}) AS s")  # noqa: S608 - as in _text
        return int(cursor.fetchall()[0][0])

    def rows(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Return all rows; see `Session.rows`."""
        return self._execute(self._text(statement)).fetchall()

    def tables(
        self, statement: Statement, columns: Mapping[str, ColumnType]
    ) -> Generator["pa.Table"]:
        """Yield the rows as Arrow tables; see `Session.tables`."""
        copy = self.copy_text(statement).encode()
        return copy_tables(self._connection, copy, columns, self._stop)

    def copy_text(self, statement: Statement) -> str:
        """Return the whole COPY statement that `tables` runs."""
        order = f" ORDER BY {statement.order.by}" if statement.order else ""
        return f"COPY ({self._text(statement)}{order}) TO STDOUT (FORMAT csv)"

    def _text(self, statement: Statement) -> str:
        """Return the statement with its parameters as literals, quoted by the driver.

        COPY takes no parameters. A text that uses none of them is taken as it stands, so that a
        percent sign in it needs no doubling.
        """
        import psycopg

        text = statement.text.strip().rstrip(";")
        if not any(f"%({name})s" in text for name in statement.parameters):
            return text
        return psycopg.ClientCursor(self._connection).mogrify(text, dict(statement.parameters))

    def _one(self, text: str) -> tuple[Any, ...]:
        return self._execute(text).fetchall()[0]

    def _execute(self, text: str) -> "psycopg.Cursor[tuple[Any, ...]]":
        with _StopWatch(self._connection, self._stop):
            return self._connection.execute(text.encode())


class _StopWatch:
    """Cancels the connection's statement on the server as soon as a stop flag is set.

    A statement that waits for a lock or sorts returns nothing that could be asked between rows.
    """

    def __init__(self, connection: "Connection", stop: threading.Event | None) -> None:
        self._connection = connection
        self._stop = stop
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        if self._stop is not None:
            if self._stop.is_set():
                raise CancelledError("stopped before a statement")
            self._thread = threading.Thread(target=self._watch, name="flowkeep-stop", daemon=True)
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        assert self._stop is not None
        while not self._done.wait(0.1):
            if self._stop.is_set():
                with suppress(Exception):
                    self._connection.cancel_safe(timeout=5.0)
                return
