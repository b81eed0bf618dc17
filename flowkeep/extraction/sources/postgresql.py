"""PostgreSQL as a source: sessions in a read-only snapshot, through psycopg."""

import re
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from typing import Any, ClassVar

from flowkeep.contracts.extraction import SourceInfo
from flowkeep.extraction.filters.postgresql import PostgreSQLFilterSyntax
from flowkeep.extraction.filters.syntax import FilterSyntax
from flowkeep.extraction.sources.base import Order, Session, Source, Statement
from flowkeep.extraction.sources.limits import connection_slot
from flowkeep.extraction.sources.postgresql_errors import (
    connection_error,
    statement_error,
    too_old,
    unknown_host,
)
from flowkeep.extraction.sources.postgresql_session import Connection, PostgreSQLSession
from flowkeep.extraction.sources.postgresql_statements import ORDERS, STATEMENTS

OLDEST, NEWEST = 14, 18
"""Major versions the statements were made for."""

_CONNECT_SECONDS = 10

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
                if connection.info.server_version < OLDEST * 10_000:
                    raise too_old(
                        target, connection.info.parameter_status("server_version"), OLDEST
                    )
                timeout = self.statement_timeout_seconds
                try:
                    yield PostgreSQLSession(connection, self.namespace, timeout, stop)
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

    def _connect(self, database: str, target: str) -> Connection:
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
