"""MySQL and MariaDB as a source, through PyMySQL."""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from typing import ClassVar

from flowkeep.contracts.extraction import SourceInfo
from flowkeep.errors import ConfigurationError
from flowkeep.extraction.filters.mysql import SYSTEM_SCHEMAS, MySQLFilterSyntax
from flowkeep.extraction.filters.syntax import FilterSyntax
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.extraction.sources.base import Order, Session, Source, Statement
from flowkeep.extraction.sources.drivers import need_driver
from flowkeep.extraction.sources.limits import connection_slot
from flowkeep.extraction.sources.mysql_connection import (
    DEFAULT_PORT,
    Link,
    error_text,
)
from flowkeep.extraction.sources.mysql_errors import statement_error
from flowkeep.extraction.sources.mysql_session import MySQLSession, family_of
from flowkeep.extraction.sources.mysql_statements import MARIADB, MARIADB_11_5, MYSQL, ORDERS
from flowkeep.extraction.sources.mysql_statements.scope import CATALOGUE
from flowkeep.extraction.sources.stop import StopWatch

OLDEST_MARIADB, OLDEST_MYSQL = (10, 6), (8, 0)
"""Versions the statements were made for."""

_versions: dict[str, str] = {}
"""Namespace to version, as the last session saw it."""

_LIST_SCHEMAS = """
    SELECT schema_name AS name FROM information_schema.schemata ORDER BY CAST(name AS BINARY)
"""


class MySQLSource(Source):
    """A MariaDB server since 10.6 or a MySQL server since 8.0."""

    dialect: ClassVar[str] = "mysql"
    orders: ClassVar[Mapping[str, Order]] = ORDERS
    filter_syntax: ClassVar[FilterSyntax | None] = MySQLFilterSyntax()
    database_in_names: ClassVar[bool] = False

    @property
    def statements(self) -> Mapping[str, str]:
        """Kind to statement, for the server that is there; connects when that is not known yet."""
        if self.namespace not in _versions:
            with self.session():
                pass
        family, version = family_of(_versions[self.namespace])
        if family == "MySQL":
            return MYSQL
        return MARIADB_11_5 if version >= (11, 5) else MARIADB

    @property
    def namespace(self) -> str:
        """`mysql://host:port`, as OpenLineage names MySQL."""
        host = self.credentials.host
        port = self.credentials.port or DEFAULT_PORT
        return f"mysql://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def default_database(self) -> str:
        """`def`, the one catalogue; what MySQL calls databases are schemas here."""
        return CATALOGUE

    def narrowed(self, options: ExtractionOptions) -> ExtractionOptions:
        """Take the schema that the credentials call their database, unless rules include some."""
        schema = self.credentials.database
        chosen = options.include_system_schemas or any(
            rule.action == "include" and rule.level in ("database", "schema")
            for rule in options.rules
        )
        return options if chosen or not schema else options.within(schema)

    @contextmanager
    def session(
        self, database: str | None = None, stop: threading.Event | None = None
    ) -> Iterator[Session]:
        """Connect, begin to read, and close at the end; see `Source.session`."""
        need_driver("pymysql", "PyMySQL", extra="mysql")
        import pymysql

        if database not in (None, CATALOGUE):
            raise ConfigurationError(
                f"there is no database {database!r} above the schemas of a MySQL server",
                hint="leave metadata.databases out and name the schema in metadata.include_schemas",
                code="SOURCE_REFUSED",
            )
        target = f"{self.namespace} as {self.credentials.username or 'the default role'}"
        with connection_slot(self.namespace, self.max_connections, stop) as proved:
            link = Link(self.credentials, target, self.statement_timeout_seconds)
            proved()
            with closing(link), StopWatch(link.stop, stop):
                try:
                    session = MySQLSession(self.namespace, self.statement_timeout_seconds, link)
                    _versions[self.namespace] = session.info.version
                    yield session
                except pymysql.MySQLError as error:
                    if stop is not None and stop.is_set():
                        raise CancelledError("stopped while reading from the source") from None
                    text = self.credentials.redact(error_text(error))
                    raise statement_error(error, target, text) from None

    def check_version(self, info: SourceInfo) -> tuple[bool, str]:
        """Return whether the server's version is one that the statements support."""
        family, version = family_of(info.version)
        oldest = OLDEST_MYSQL if family == "MySQL" else OLDEST_MARIADB
        if version < oldest:
            needed = ".".join(map(str, oldest))
            return False, f"{family} {info.version} is too old: {needed} or later is needed"
        return True, f"{family} {info.version}"

    def list_databases(self, session: Session) -> list[str]:
        """Return the one catalogue."""
        return [CATALOGUE]

    def list_schemas(self, session: Session) -> list[str]:
        """Return the schemas that the role may see."""
        return [str(row[0]) for row in session.rows(Statement(_LIST_SCHEMAS, {}))]

    def is_system_schema(self, name: str) -> bool:
        """Return whether the server keeps its own tables there."""
        return name.lower() in SYSTEM_SCHEMAS

    def closed_schemas(self, session: Session, schemas: list[str]) -> list[str]:
        """Return the schemas that the role sees the name of, and nothing in them."""
        assert isinstance(session, MySQLSession), "a session of this source"
        return [name for name in schemas if not session.grants.open(name)]

    def check_rights(self, session: Session, schemas: list[str]) -> tuple[bool, str]:
        """Return whether nothing is hidden from the role, and a sentence."""
        assert isinstance(session, MySQLSession), "a session of this source"
        role, missing = session.info.role, session.grants.missing
        if not missing:
            return True, f"{role} may see every object"
        return False, (
            f"{role} sees only what it has a privilege on: the server hides all other objects, and "
            f"they are not extracted; to see everything it lacks {', '.join(missing)} ON *.*"
        )
