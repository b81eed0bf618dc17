"""Any database that SQLAlchemy has a dialect for, through its inspector: slow, and says so.

The inspector asks per schema, some dialects per table. It knows no snapshot: each kind is read as
the database is at that moment.
"""

import threading
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from flowkeep.contracts.extraction import SourceInfo
from flowkeep.errors import ConfigurationError, SourceUnavailable
from flowkeep.extraction.metadata.kinds import ColumnType
from flowkeep.extraction.sources.base import (
    SOURCE_CHANGED,
    Order,
    Session,
    Source,
    Statement,
    summary,
)
from flowkeep.extraction.sources.drivers import missing_dialect
from flowkeep.extraction.sources.limits import connection_slot
from flowkeep.extraction.sources.rows import arrow_tables
from flowkeep.extraction.sources.sqlalchemy_inspection import COLUMNS, Inspection

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import URL, Connection, Engine

_INSPECT = "inspect "
_BATCH = 1_000
_SYSTEM = frozenset({"information_schema", "pg_catalog", "sys", "system", "mysql"})


class SQLAlchemySource(Source):
    """A database behind a SQLAlchemy URL whose dialect is installed where the worker runs."""

    dialect: ClassVar[str] = "sqlalchemy"
    orders: ClassVar[Mapping[str, Order]] = {}

    @property
    def statements(self) -> Mapping[str, str]:
        """Kind to what the session inspects; sequences only where the dialect has them."""
        kinds = set(COLUMNS)
        if not self._engine(self.default_database).dialect.supports_sequences:
            kinds.discard("sequences")
        return {kind: f"{_INSPECT}{kind}" for kind in COLUMNS if kind in kinds}

    @property
    def namespace(self) -> str:
        """`dialect://host:port`, or `dialect://` and the path of a file."""
        login = self.credentials
        if not login.host:
            return f"{login.dialect}://{quote(login.database)}"
        host = f"[{login.host}]" if ":" in login.host else login.host
        return f"{login.dialect}://{host}" + (f":{login.port}" if login.port else "")

    @property
    def default_database(self) -> str:
        """The database of the URL, else `main`; of a file it is the last part of the path."""
        name = self.credentials.database
        return (name if self.credentials.host else name.rpartition("/")[2]) or "main"

    @contextmanager
    def session(
        self, database: str | None = None, stop: threading.Event | None = None
    ) -> Iterator[Session]:
        """Connect, and close at the end; see `Source.session`."""
        from sqlalchemy import exc

        name = database or self.default_database
        target = f"{self.namespace}/{name} as {self.credentials.username or 'the default role'}"
        with connection_slot(self.namespace, self.max_connections, stop) as proved:
            engine = self._engine(name)
            try:
                with engine.connect() as connection:
                    proved()
                    yield _SQLAlchemySession(self, connection, name, stop)
            except exc.DBAPIError as error:
                text = self.credentials.redact(str(error.orig).strip())
                if isinstance(error, exc.ProgrammingError | exc.DataError | exc.NotSupportedError):
                    raise ConfigurationError(
                        f"{target} rejected a statement: {text}",
                        hint="correct the SQL of this kind, or check the rights of the role",
                        code="SOURCE_STATEMENT",
                    ) from None
                raise SourceUnavailable(
                    f"reading {target} failed: {text}",
                    hint="check that it runs and is reachable, and user and password",
                ) from None
            except exc.NoSuchTableError as error:
                raise SourceUnavailable(
                    f"reading {target} failed: {error} was dropped meanwhile",
                    hint="try again when the schema changes less",
                    code=SOURCE_CHANGED,
                ) from None
            finally:
                engine.dispose()

    def check_version(self, info: SourceInfo) -> tuple[bool, str]:
        """Return True: what works is up to the dialect."""
        return True, f"{self.credentials.dialect} {info.version}, through SQLAlchemy"

    def check_rights(self, session: Session, schemas: list[str]) -> tuple[bool, str]:
        """Return False: the inspector is slow, and shows what the role may see."""
        return False, (
            f"there is no source of our own for {self.credentials.dialect}: it is read through "
            "SQLAlchemy's inspector, which may send statements per table, knows neither routines "
            f"nor triggers, and shows what {session.info.role or 'the role'} may see"
        )

    def list_databases(self, session: Session) -> list[str]:
        """Return the database of the session; others are not looked for."""
        return [session.info.database]

    def list_schemas(self, session: Session) -> list[str]:
        """Return the schemas that the inspector lists."""
        assert isinstance(session, _SQLAlchemySession), "a session of this source"
        return session.inspection().schemas()

    def is_system_schema(self, name: str) -> bool:
        """Return whether the name is one that servers usually keep for themselves."""
        return name.lower() in _SYSTEM or name.lower().startswith("pg_")

    def closed_schemas(self, session: Session, schemas: list[str]) -> list[str]:
        """Return nothing: the inspector does not tell."""
        return []

    def _engine(self, database: str) -> "Engine":
        from sqlalchemy import create_engine, exc
        from sqlalchemy.pool import NullPool

        dialect = self.credentials.dialect
        try:
            return create_engine(self._url(database), poolclass=NullPool)
        except exc.NoSuchModuleError:
            raise missing_dialect(dialect) from None
        except ModuleNotFoundError as error:
            raise missing_dialect(dialect, error.name) from None
        except (exc.ArgumentError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"credentials.url: {self.credentials.redact(str(error))}",
                hint="write dialect://user@host/database, as SQLAlchemy reads it",
            ) from None

    def _url(self, database: str) -> "URL":
        from sqlalchemy import make_url

        login = self.credentials
        if login.url is None:
            raise ConfigurationError(
                f"credentials.url is missing: {login.dialect} is reached through SQLAlchemy",
                hint=f"pass url={login.dialect}://…",
            )
        url = make_url(login.url.get_secret_value())
        changes: dict[str, Any] = {"username": login.username, "host": login.host}
        changes |= {"port": login.port, "password": login.password.get_secret_value()}
        if database != self.default_database:
            changes["database"] = database
        return url.set(**{name: value for name, value in changes.items() if value})


class _SQLAlchemySession(Session):
    """One connection; every kind is inspected anew."""

    visibility = "what the role may see"

    def __init__(
        self,
        source: SQLAlchemySource,
        connection: "Connection",
        database: str,
        stop: threading.Event | None,
    ) -> None:
        self._source = source
        self._connection = connection
        self._stop = stop
        self._counted: dict[str, int] = {}
        self._problems: dict[str, None] = {}
        self.taken_at = datetime.now(UTC)
        self.snapshot = f"{self.taken_at.isoformat()} by the worker's clock"
        version = connection.dialect.server_version_info or ()
        self.info = SourceInfo(
            server_id=source.namespace,
            version=".".join(str(part) for part in version),
            role=source.credentials.username,
            database=database,
            namespace=source.namespace,
        )

    def inspection(self) -> Inspection:
        """Return a fresh look at the database."""
        from sqlalchemy import inspect

        return Inspection(
            inspect(self._connection),
            self.info.database,
            self._source.is_system_schema,
            self._problems,
        )

    @property
    def shortfall(self) -> str | None:
        """The first objects that could not be inspected."""
        text = summary(self._problems)
        return text and self._source.credentials.redact(text)

    def describe(self, statement: Statement) -> dict[str, ColumnType]:
        """Return the columns; those of SQL of one's own are text unless their kind says more."""
        kind = _kind_of(statement)
        if kind is not None:
            return dict(COLUMNS[kind])
        with closing(self._execute(statement)) as result:
            names = list(result.keys())
        if len(set(names)) < len(names):
            raise ConfigurationError(
                f"the statement returns two columns of one name among {', '.join(names)}",
                hint="give each column its own alias",
                code="SOURCE_STATEMENT",
            )
        return dict.fromkeys(names, "text")

    def count(self, statement: Statement) -> int:
        """Return how many rows there are, by looking at all of them."""
        self._counted[statement.text] = sum(1 for _ in self._rows(statement))
        return self._counted[statement.text]

    def rows(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Return all rows; see `Session.rows`."""
        return list(self._rows(statement))

    def tables(
        self, statement: Statement, columns: Mapping[str, ColumnType]
    ) -> Generator["pa.Table"]:
        """Yield the rows as Arrow tables; see `Session.tables`.

        Raises:
            SourceUnavailable: If there are more or fewer rows than `count` found in this session.
        """
        read = 0
        for table in arrow_tables(self._rows(statement), columns):
            read += table.num_rows
            yield table
        counted = self._counted.get(statement.text, read)
        if counted != read:
            raise SourceUnavailable(
                f"{self.info.namespace}: {counted} rows were counted and {read} were read",
                hint="try again when the schema changes less",
                code=SOURCE_CHANGED,
            )

    def _rows(self, statement: Statement) -> Iterator[tuple[Any, ...]]:
        kind = _kind_of(statement)
        if kind is None:
            with closing(self._execute(statement)) as result:
                for batch in result.partitions(_BATCH):
                    self._look_up()
                    yield from (tuple(row) for row in batch)
            return
        names = list(COLUMNS[kind])
        for row in self.inspection().rows(kind, statement.scope):
            self._look_up()
            yield tuple(row[name] for name in names)

    def _execute(self, statement: Statement) -> Any:
        streaming = self._connection.execution_options(stream_results=True)
        return streaming.exec_driver_sql(statement.text)

    def _look_up(self) -> None:
        if self._stop is not None and self._stop.is_set():
            raise CancelledError("stopped while reading from the source")


def _kind_of(statement: Statement) -> str | None:
    """Return which kind is inspected; None for SQL of somebody's own."""
    kind = statement.text.removeprefix(_INSPECT)
    return kind if kind != statement.text and kind in COLUMNS else None
