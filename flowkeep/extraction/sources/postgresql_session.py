"""One session on PostgreSQL: a read-only transaction in which a catalogue is read by COPY."""

import threading
from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from flowkeep.contracts.extraction import SourceInfo
from flowkeep.errors import ConfigurationError
from flowkeep.extraction.metadata.kinds import ColumnType
from flowkeep.extraction.metadata.transport import copy_tables
from flowkeep.extraction.sources.base import Session, Statement
from flowkeep.extraction.sources.postgresql_statements.relations import (
    VIEW_DEFINITION,
    VIEW_ROUNDS,
)
from flowkeep.extraction.sources.stop import StopWatch

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"
LAST_OID = 4_294_967_295
"""Largest object identifier."""
_LOCK_SECONDS = 30
_CANCEL_SECONDS = 5.0
_SORT_MEMORY = "64MB"
_INTEGERS = frozenset({20, 21, 23})  # int8, int2, int4
_BOOLEAN = 16

_DESCRIBE_SERVER = """
    SELECT pg_catalog.current_setting('server_version'), current_user::pg_catalog.text,
        pg_catalog.current_database()::pg_catalog.text,
        pg_catalog.pg_current_snapshot()::pg_catalog.text, pg_catalog.now(),
        pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
"""
_SERVER_ID = "SELECT system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system()"


class PostgreSQLSession(Session):
    """One REPEATABLE READ transaction; the connection's closing ends it.

    Args:
        connection: A new connection, in autocommit mode.
        namespace: Names the server where it does not tell its own identity.
        statement_timeout_seconds: Longest a statement may run.
        stop: When set, running statements are cancelled.
    """

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        statement_timeout_seconds: float,
        stop: threading.Event | None,
    ) -> None:
        self._connection = connection
        self._stop = stop
        timeout = int(statement_timeout_seconds * 1000)
        with StopWatch(self._cancel, stop):
            # SET LOCAL holds for the transaction only, so that poolers may share the connection.
            connection.execute(
                "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;"
                "SET LOCAL search_path = '';"
                "SET LOCAL DateStyle = 'ISO, YMD';"
                "SET LOCAL IntervalStyle = 'iso_8601';"
                "SET LOCAL bytea_output = 'hex';"
                f"SET LOCAL work_mem = '{_SORT_MEMORY}';"
                "SET LOCAL quote_all_identifiers = off;"
                "SET LOCAL jit = off;"  # compiles for longer than these statements take
                "SET LOCAL idle_in_transaction_session_timeout = 0;"
                f"SET LOCAL lock_timeout = {_LOCK_SECONDS * 1000};"
                f"SET LOCAL statement_timeout = {timeout}"
            )
            version, role, database, snapshot, began, may_identify = self._one(_DESCRIBE_SERVER)
            server = self._one(_SERVER_ID)[0] if may_identify else namespace
        self.snapshot = snapshot
        self.taken_at = began.astimezone(UTC)
        self.visibility = "all"  # the catalogue shows every object to every role
        self.info = SourceInfo(
            server_id=server,
            version=version,
            role=role,
            database=database,
            namespace=namespace,
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
        text = self._text(replace(statement, text=statement.text.replace(VIEW_DEFINITION, "NULL")))
        cursor = self._execute(f"SELECT pg_catalog.count(*) FROM ({text}) AS s")  # noqa: S608 - as in _text
        return int(cursor.fetchall()[0][0])

    def rows(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Return all rows; see `Session.rows`."""
        return self._execute(self._text(statement)).fetchall()

    def tables(
        self, statement: Statement, columns: Mapping[str, ColumnType]
    ) -> Generator["pa.Table"]:
        """Yield the rows as Arrow tables; see `Session.tables`."""
        edges = self._round_edges(statement)
        if not edges:
            copy = self.copy_text(statement).encode()
            yield from copy_tables(self._connection, copy, columns, self._stop)
            return
        self._execute("SAVEPOINT round")
        for low, high in pairwise((0, *edges, LAST_OID)):
            text = f"{statement.text} AND c.oid > {low} AND c.oid <= {high}"
            copy = self.copy_text(replace(statement, text=text)).encode()
            yield from copy_tables(self._connection, copy, columns, self._stop)
            self._execute("ROLLBACK TO SAVEPOINT round")

    def copy_text(self, statement: Statement) -> str:
        """Return the whole COPY statement that `tables` runs."""
        order = f" ORDER BY {statement.order.by}" if statement.order else ""
        return f"COPY ({self._text(statement)}{order}) TO STDOUT (FORMAT csv)"

    def _round_edges(self, statement: Statement) -> list[int]:
        """Return the identifiers of relations behind which a new round begins; none for one round.

        PostgreSQL keeps a lock on every relation that a deparsed view reads until the end of the
        (sub)transaction, and all sessions share the room for locks. So no round takes more than a
        part of it, and the rollback to a savepoint gives it back; the snapshot stays.
        """
        if VIEW_DEFINITION not in statement.text or statement.order is None:
            return []
        *edges, _ = [row[0] for row in self._execute(VIEW_ROUNDS).fetchall()] or [0]
        return edges

    def _text(self, statement: Statement) -> str:
        """Return the statement with its parameters as literals, quoted by the driver.

        COPY takes no parameters. A text that uses none of them is taken as it stands, so that a
        percent sign in it needs no doubling.
        """
        import psycopg

        text = statement.inner
        if not any(f"%({name})s" in text for name in statement.parameters):
            return text
        return psycopg.ClientCursor(self._connection).mogrify(text, dict(statement.parameters))

    def _one(self, text: str) -> tuple[Any, ...]:
        return self._execute(text).fetchall()[0]

    def _execute(self, text: str) -> "psycopg.Cursor[tuple[Any, ...]]":
        with StopWatch(self._cancel, self._stop):
            return self._connection.execute(text.encode())

    def _cancel(self) -> None:
        with suppress(Exception):  # the server may be what has gone
            self._connection.cancel_safe(timeout=_CANCEL_SECONDS)
