"""One statement through SQLAlchemy, in a thread."""

import re
import threading
from collections.abc import Mapping
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flowkeep.definitions.action_context import ActionError
from flowkeep.errors import ConfigurationError, InvalidInput
from flowkeep.redaction import redact

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, CursorResult, Engine, TextClause
    from sqlalchemy.exc import DBAPIError

_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
}
_CONNECT_SECONDS = 10
_BATCH = 1_000
_QUERY = re.compile(r"\s*(?:select|with|values|table)\b", re.IGNORECASE)
"""What PostgreSQL reads through a cursor, so that not all rows have to be fetched."""
_MAY_GO_AWAY = re.compile(r"(?:08|40|53|55P03|57)")
"""SQLSTATEs: connections, rollbacks, resources, locks, interventions (its manual, appendix A)."""
_SQLITE_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")
_MOST_TOLD = 500


class SqlStatement:
    """A statement that is executed once.

    Args:
        login: A URL as SQLAlchemy reads it, or its parts.
        statement: With parameters written `:name`.
        parameters: Their values.
        reads: Whether it only reads; else it is committed.
        max_rows: Most rows that are returned.
        timeout: Seconds, for the server.
        repeatable: Whether it may be executed again.
    """

    def __init__(
        self,
        login: str | Mapping[str, Any],
        statement: str,
        parameters: Mapping[str, Any],
        *,
        reads: bool,
        max_rows: int,
        timeout: float,
        repeatable: bool,
    ) -> None:
        self._login = login
        self._text = statement
        self._parameters = dict(parameters)
        self._reads = reads
        self._max_rows = max_rows
        self._timeout = timeout
        self.repeatable = repeatable
        self._open: Any = None
        self._stopped = threading.Event()

    def execute(self) -> tuple[list[dict[str, Any]], int, bool]:
        """Connect, execute and disconnect; returns rows, their number, and whether there are more.

        Raises:
            ActionError: Codes `SQL_UNAVAILABLE` and `SQL_REFUSED`.
            InvalidInput: If connection, statement or parameters cannot be used.
            ConfigurationError: If no driver for it is installed.
        """
        from sqlalchemy import exc

        clause = self._clause()
        engine = self._engine()
        try:
            with engine.connect() as connection:
                self._open = connection.connection.driver_connection
                if self._stopped.is_set():
                    raise ActionError("stopped before the statement", code="SQL_TIMEOUT")
                return self._executed(connection, clause)
        except exc.DBAPIError as error:
            raise self._failed(error) from None
        except exc.StatementError as error:
            raise InvalidInput(
                f"core.sql cannot bind its parameters: {_first_line(error.orig or error)}"
            ) from None
        finally:
            self._open = None
            engine.dispose()

    def interrupt(self) -> None:
        """End what runs; from another thread, and again until it has ended."""
        self._stopped.set()
        opened = self._open
        if opened is None:
            return
        end = getattr(opened, "cancel_safe", None) or getattr(opened, "interrupt", None)
        try:
            (end or opened.close)()
        except Exception:  # noqa: BLE001 - it may have ended in this moment; it is tried again
            return

    def _executed(
        self, connection: "Connection", clause: "TextClause"
    ) -> tuple[list[dict[str, Any]], int, bool]:
        dialect = connection.dialect.name
        if dialect == "postgresql":
            connection = connection.execution_options(postgresql_readonly=self._reads)
            if self._reads and _QUERY.match(self._text):
                clause = clause.execution_options(stream_results=True, max_row_buffer=_BATCH)
            limit = max(1, int(self._timeout * 1000))
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {limit}")
        elif dialect == "sqlite" and self._reads:
            connection.exec_driver_sql("PRAGMA query_only = ON")
        with closing(connection.execute(clause, self._parameters)) as result:
            rows, truncated = self._rows(result) if result.returns_rows else ([], False)
            count = len(rows) if self._reads or result.rowcount < 0 else result.rowcount
        if not self._reads:
            connection.commit()
        return rows, count, truncated

    def _rows(self, result: "CursorResult[Any]") -> tuple[list[dict[str, Any]], bool]:
        names = list(result.keys())
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidInput(
                f"the statement of core.sql returns columns of one name: {', '.join(twice)}",
                hint="name them apart with AS",
            )
        rows: list[dict[str, Any]] = []
        while len(rows) <= self._max_rows:
            batch = result.fetchmany(min(_BATCH, self._max_rows + 1 - len(rows)))
            if not batch:
                return rows, False
            rows += [
                {name: _plain(value) for name, value in zip(names, row, strict=True)}
                for row in batch
            ]
        return rows[: self._max_rows], True

    def _clause(self) -> "TextClause":
        """Return the statement, its parameters checked."""
        from sqlalchemy import text

        clause = text(self._text)
        wanted = set(clause.compile().params)
        for names, what in (
            (wanted - set(self._parameters), "are missing in"),
            (set(self._parameters) - wanted, "are not used by the statement but stand in"),
        ):
            if names:
                raise InvalidInput(
                    f"{', '.join(sorted(names))} {what} the parameters of core.sql",
                    hint="the statement names them :name, with a cast CAST(:name AS type)",
                )
        return clause

    def _engine(self) -> "Engine":
        from sqlalchemy import create_engine, exc
        from sqlalchemy.pool import NullPool

        url = self._url()
        sqlite = url.get_backend_name() == "sqlite"
        seconds = min(self._timeout, _CONNECT_SECONDS)
        wait = {"timeout": seconds} if sqlite else {"connect_timeout": max(2, int(seconds))}
        known = sqlite or url.get_backend_name() in ("postgresql", "mysql")
        try:
            return create_engine(
                url, poolclass=NullPool, hide_parameters=True, connect_args=wait if known else {}
            )
        except (exc.NoSuchModuleError, ModuleNotFoundError):
            raise ConfigurationError(
                f"core.sql has no driver for {url.drivername} where the worker runs",
                hint="install it there",
                code="DRIVER_MISSING",
            ) from None

    def _url(self) -> "URL":
        from sqlalchemy import URL, exc, make_url

        try:
            login = self._login
            url = make_url(login) if isinstance(login, str) else URL.create(**login)
        except (exc.ArgumentError, TypeError, ValueError):
            raise InvalidInput(
                "the connection of core.sql is no database URL",
                hint="write postgresql://user@host/database or sqlite:///file",
            ) from None
        return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))

    def _failed(self, error: "DBAPIError") -> ActionError:
        """Tell what the database says, without its details: they show values."""
        original = error.orig or error
        state = getattr(original, "sqlstate", None)
        sqlite = getattr(original, "sqlite_errorname", None)
        if state is not None:
            away = _MAY_GO_AWAY.match(state) is not None
        elif sqlite is not None:
            away = sqlite.startswith(_SQLITE_BUSY)
        else:
            away = error.connection_invalidated or type(error).__name__ in (
                "OperationalError",
                "InterfaceError",
            )
        return ActionError(
            f"core.sql: {redact(_first_line(original))[:_MOST_TOLD]}",
            code="SQL_UNAVAILABLE" if away else "SQL_REFUSED",
            retryable=away and self.repeatable,
        )


def _plain(value: Any) -> Any:
    """Return a value of a row as JSON can tell it; what it does not know as its text."""
    if value is None or isinstance(value, (str, int, float, bool, bytes, Decimal, list, dict)):
        return value
    if isinstance(value, (memoryview, bytearray)):
        return bytes(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
