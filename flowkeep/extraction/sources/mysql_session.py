"""One connection to MySQL or MariaDB: setting it up, counting and reading.

`information_schema` has no snapshot: MariaDB opens one table after the other, MySQL reads its
dictionary. What a session calls its snapshot is the moment it began, and the position in the
binary log where the role may read it. Counting and reading may see different moments; when they
do, the session says that the source changed, and the kind is read again.
"""

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from flowkeep.contracts.extraction import SourceInfo
from flowkeep.errors import SourceUnavailable
from flowkeep.extraction.metadata.kinds import ColumnType
from flowkeep.extraction.sources.base import SOURCE_CHANGED, Session, Statement, summary
from flowkeep.extraction.sources.mysql_connection import Link, forget_rows
from flowkeep.extraction.sources.mysql_grants import Grants
from flowkeep.extraction.sources.mysql_statements.scope import CATALOGUE
from flowkeep.extraction.sources.rows import arrow_tables

if TYPE_CHECKING:
    import pyarrow as pa

_INTEGERS = frozenset({1, 2, 3, 8, 9, 13})  # TINY, SHORT, LONG, LONGLONG, INT24, YEAR
_LONGEST_POSITION = 200
_HARMLESS = frozenset({1287, 1356, 1681})
"""Warnings that hide nothing: deprecated syntax, and views that are invalid."""
_NO_EXECUTE = 1370
"""Warning that a view calls a routine which the role may not execute."""
_SET_UP = (
    "SET SESSION TRANSACTION READ ONLY",
    "SET SESSION time_zone = '+00:00', sql_mode = '', sql_quote_show_create = 1,"
    " group_concat_max_len = 4294967295, net_write_timeout = 900, wait_timeout = 28800",
)
_SET_UP_MARIADB = (
    "SET SESSION max_statement_time = %(seconds)s",
    # Without hash joins the tables of the catalogue are joined by comparing each row with each.
    # Derived tables get no keys: with them rows are lost whose names differ in case alone (10.11).
    "SET SESSION join_cache_level = 8, join_buffer_size = 16777216,"
    " join_buffer_space_limit = 67108864,"
    " optimizer_switch = 'join_cache_hashed=on,derived_with_keys=off'",
)
_SET_UP_MYSQL = ("SET SESSION max_execution_time = %(milliseconds)s",)
_DESCRIBE_SERVER = "SELECT VERSION(), CURRENT_USER(), UTC_TIMESTAMP(6)"
_POSITION = """
    SHOW GLOBAL VARIABLES WHERE variable_name IN ('gtid_binlog_pos', 'gtid_executed')
"""


class MySQLSession(Session):
    """One connection; the server reads its catalogue as it is at the moment of each statement.

    Args:
        namespace: First part of qualified names.
        timeout_seconds: Longest a statement may run.
        link: The open connection; the source closes it.
    """

    def __init__(self, namespace: str, timeout_seconds: float, link: Link) -> None:
        self._connection = link.connection
        self._warnings: dict[str, None] = {}
        self._counted: dict[tuple[str, str], int] = {}
        version, role, now = self._all(_DESCRIBE_SERVER)[0]
        timeouts = {"seconds": timeout_seconds, "milliseconds": int(timeout_seconds * 1000)}
        family, _ = family_of(version)
        for text in _SET_UP:
            self._all(text)
        for text in _SET_UP_MYSQL if family == "MySQL" else _SET_UP_MARIADB:
            self._all(text, timeouts if "%(" in text else None)
        self.grants = Grants(self._grants(family), opens_views=family == "MariaDB")
        self.visibility = self.grants.visibility
        self.taken_at = _utc(now)
        self.snapshot = _snapshot(self.taken_at, [row[1] for row in self._all(_POSITION)])
        self.info = SourceInfo(
            server_id=link.server_id or namespace,
            version=str(version),
            role=str(role),
            database=CATALOGUE,
            namespace=namespace,
        )

    def describe(self, statement: Statement) -> dict[str, ColumnType]:
        """Return the statement's columns; see `Session.describe`.

        These servers have no booleans: numbers in columns called `is_…` or `has_…` count as such.
        """
        text, bound = _text(statement)
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(f"SELECT * FROM ({text}) AS s LIMIT 0", bound)  # noqa: S608 - the kind's own text
            columns: dict[str, ColumnType] = {}
            for name, code, *_ in cursor.description or ():
                number = code in _INTEGERS
                flag = number and name.startswith(("is_", "has_"))
                columns[name] = "boolean" if flag else "integer" if number else "text"
        return columns

    def count(self, statement: Statement) -> int:
        """Return the number of rows; see `Session.count`."""
        text, bound = _text(statement)
        rows = self._all(f"SELECT COUNT(*) FROM ({text}) AS s", bound)  # noqa: S608 - the kind's own text
        self._counted[_key(statement)] = int(rows[0][0])
        return int(rows[0][0])

    def rows(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Return all rows; see `Session.rows`."""
        return self._all(*_text(statement))

    def tables(
        self, statement: Statement, columns: Mapping[str, ColumnType]
    ) -> Generator["pa.Table"]:
        """Yield the rows as Arrow tables; see `Session.tables`.

        Raises:
            SourceUnavailable: If there are more or fewer rows than `count` found in this session.
        """
        read = 0
        with closing(arrow_tables(self._stream(statement), columns)) as tables:
            for table in tables:
                read += table.num_rows
                yield table
        counted = self._counted.get(_key(statement), read)
        if counted != read:
            raise SourceUnavailable(
                f"{self.info.namespace}: {counted} rows were counted and {read} were read",
                hint="try again when the schema changes less",
                code=SOURCE_CHANGED,
            )

    @property
    def shortfall(self) -> str | None:
        """The first warnings of the server, for example of a table whose file cannot be read.

        A view that refers to what is gone has no columns any more; that is told by `is_valid`.
        """
        return summary(self._warnings)

    def _stream(self, statement: Statement) -> Iterator[tuple[Any, ...]]:
        """Yield rows as they arrive. What is not taken is read and dropped at the end."""
        import pymysql
        from pymysql.cursors import SSCursor

        text, bound = _text(statement)
        if statement.order is not None:
            text = f"{text} ORDER BY {statement.order.by}"
        cursor = self._connection.cursor(SSCursor)
        try:
            cursor.execute(text, bound)
            yield from cursor
        except BaseException:
            if not self._connection.open:
                forget_rows(cursor)
            with suppress(pymysql.MySQLError):
                cursor.close()
            raise
        cursor.close()
        for _, number, words in self._all("SHOW WARNINGS"):
            # The server opens the views of its own schema too, whether or not they are asked for.
            of_its_own = number == _NO_EXECUTE and "'sys." in words
            if number not in _HARMLESS and not of_its_own:
                self._warnings[f"{words} [{number}]"] = None

    def _grants(self, family: str) -> list[str]:
        text = "SHOW GRANTS"
        if family == "MySQL":
            roles = str(self._all("SELECT CURRENT_ROLE()")[0][0])
            if roles != "NONE":
                text = f"SHOW GRANTS FOR CURRENT_USER() USING {roles}"
        return [str(row[0]) for row in self._all(text)]

    def _all(self, text: str, bound: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(text, bound)
            return list(cursor.fetchall())


def _text(statement: Statement) -> tuple[str, Mapping[str, Any] | None]:
    """Return a statement's text and what binds to it.

    A text that uses none of its parameters is taken as it stands, so that a percent sign in it
    needs no doubling.
    """
    text = statement.inner
    used = any(f"%({name})s" in text for name in statement.parameters)
    return text, statement.parameters if used else None


def _key(statement: Statement) -> tuple[str, str]:
    return statement.text, repr(sorted(statement.parameters.items()))


def family_of(version: str) -> tuple[str, tuple[int, int]]:
    """Return whose server it is, and the first two numbers of its version."""
    # Replicas of old protocols put a 5.5.5 in front of MariaDB's own number.
    found = re.match(r"(\d+)\.(\d+)", str(version).removeprefix("5.5.5-"))
    numbers = (int(found[1]), int(found[2])) if found else (0, 0)
    return ("MariaDB" if "mariadb" in str(version).lower() else "MySQL"), numbers


def _utc(now: datetime) -> datetime:
    return now.replace(tzinfo=UTC)


def _snapshot(taken_at: datetime, positions: Sequence[str]) -> str:
    position = "".join(str(one) for one in positions).replace("\n", "")
    if len(position) > _LONGEST_POSITION:
        position = f"sha256 {sha256(position.encode()).hexdigest()}"
    moment = taken_at.isoformat()
    return f"{moment} {position}" if position else moment
