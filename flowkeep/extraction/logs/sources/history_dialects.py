"""How PostgreSQL, MySQL and SQLite say what the statements over a history table need.

All three give a moment as whole microseconds since 1970 UTC, without going through a
floating-point number, so that ranges, buckets and marks mean the same rows everywhere.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.logs.sources.history_time import as_sql

_SECONDS = len("2025-01-31 12:00:00")
_SECOND = 1_000_000


class HistoryDialect(ABC):
    """The SQL of one sort of server. Every method returns an expression for a quoted column."""

    sqlglot: ClassVar[str]
    """Its name in sqlglot."""
    hexadecimal: ClassVar[bool] = False
    """Whether texts are fetched as hexadecimal digits, because they may be no UTF-8."""
    begin: ClassVar[tuple[str, ...]] = ()
    """Statements that come first in a session: one snapshot, and UTC for times without zone."""
    quotient: ClassVar[str] = "/"
    """The operator that divides whole numbers."""

    @abstractmethod
    def micros(self, column: str) -> str:
        """Return the moment as microseconds since 1970."""

    @abstractmethod
    def inside(self, column: str, start: int, end: int) -> str:
        """Return the condition that a moment lies in `[start, end)`, which an index can help."""

    @abstractmethod
    def text(self, column: str) -> str:
        """Return a value as text."""

    @abstractmethod
    def integer(self, column: str, factor: int = 1) -> str:
        """Return a number times a factor, rounded to a 64-bit integer."""

    def digits(self, column: str) -> str:
        """Return a text as it is fetched: as it is, or as hexadecimal digits."""
        return self.text(column)

    def missing(self, column: str) -> str:
        """Return the condition that there is no moment."""
        return f"{column} IS NULL"

    def part(self, column: str, parts: int) -> str | None:
        """Return to which of some parts a value belongs; None if the server has no stable hash."""
        return None


class PostgreSQLHistory(HistoryDialect):
    """PostgreSQL since 14, where `extract` is exact."""

    sqlglot = "postgres"
    begin = ("SELECT pg_catalog.set_config('TimeZone', 'UTC', true)",)

    def micros(self, column: str) -> str:
        """Return the microseconds; see `HistoryDialect.micros`."""
        return f"(extract(epoch FROM {column}) * {_SECOND})::pg_catalog.int8"

    def inside(self, column: str, start: int, end: int) -> str:
        """Return the condition; a literal takes the column's type, with or without a zone."""
        return f"{column} >= '{as_sql(start)}+00' AND {column} < '{as_sql(end)}+00'"

    def text(self, column: str) -> str:
        """Return a value as text."""
        return f"{column}::pg_catalog.text"

    def integer(self, column: str, factor: int = 1) -> str:
        """Return a rounded number."""
        return f"pg_catalog.round({column}::pg_catalog.numeric * {factor})::pg_catalog.int8"

    def part(self, column: str, parts: int) -> str | None:
        """Return the part by the server's own hash."""
        value = f"coalesce({self.text(column)}, '') COLLATE pg_catalog.\"C\""
        # The sign bit goes first: the remainder of a negative number is negative.
        return f"(pg_catalog.hashtextextended({value}, 0) & 9223372036854775807) % {parts}"


class MySQLHistory(HistoryDialect):
    """MySQL and MariaDB."""

    sqlglot = "mysql"
    begin = (
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT",
    )
    quotient = "DIV"

    def micros(self, column: str) -> str:
        """Return the microseconds; see `HistoryDialect.micros`."""
        return f"TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', {column})"

    def inside(self, column: str, start: int, end: int) -> str:
        """Return the condition."""
        low, high = f"TIMESTAMP'{as_sql(start)}'", f"TIMESTAMP'{as_sql(end)}'"
        return f"{column} >= {low} AND {column} < {high}"

    def text(self, column: str) -> str:
        """Return a value as text; bytes that are none become null or question marks."""
        return f"CONVERT({column} USING utf8mb4)"

    def integer(self, column: str, factor: int = 1) -> str:
        """Return a rounded number."""
        return f"CAST(ROUND({column} * {factor}) AS SIGNED)"


class SQLiteHistory(HistoryDialect):
    """SQLite, where moments are texts of one of a few ISO forms, all of them UTC."""

    sqlglot = "sqlite"
    hexadecimal = True

    def micros(self, column: str) -> str:
        """Return the microseconds; null for a text of another form or a day that does not exist."""
        whole = f"substr({column}, 1, {_SECONDS})"
        behind = f"replace(replace(substr({column}, {_SECONDS + 1}), 'Z', ''), '+00:00', '')"
        seconds = f"CAST(strftime('%s', {whole}) AS INTEGER)"
        two = "[0-9][0-9]"
        shape = f"{two}{two}-{two}-{two}[ T]{two}:{two}:{two}"
        return (
            f"(SELECT CASE WHEN m.whole GLOB '{shape}'"  # noqa: S608 - only a quoted column is put in
            # There and back: 30 February would be taken for a day in March.
            " AND datetime(m.seconds, 'unixepoch') = replace(m.whole, 'T', ' ')"
            " AND (m.behind = '' OR m.behind GLOB '.[0-9]*'"
            " AND substr(m.behind, 2) NOT GLOB '*[^0-9]*')"
            f" THEN m.seconds * {_SECOND}"
            " + CAST(substr(substr(m.behind, 2) || '000000', 1, 6) AS INTEGER) END"
            f" FROM (SELECT {whole} AS whole, {seconds} AS seconds, {behind} AS behind) AS m)"
        )

    def inside(self, column: str, start: int, end: int) -> str:
        """Return the condition: exact in microseconds, behind ranges of text for an index.

        Text that begins with the same second may go on in several ways, so ranges end at a whole
        second; there is one for each character that may stand between day and time.
        """
        first, last = start - start % _SECOND, end + -end % _SECOND
        ranges = " OR ".join(
            f"({column} >= '{as_sql(first, separator)[:_SECONDS]}'"
            f" AND {column} < '{as_sql(last, separator)[:_SECONDS]}')"
            for separator in (" ", "T")
        )
        return f"({ranges}) AND {self.micros(column)} BETWEEN {start} AND {end - 1}"

    def text(self, column: str) -> str:
        """Return a value as text."""
        return f"CAST({column} AS TEXT)"

    def integer(self, column: str, factor: int = 1) -> str:
        """Return a rounded number."""
        # Rounding goes through a floating-point number, which holds no large integer.
        return f"CAST({column if factor == 1 else f'round({column} * {factor})'} AS INTEGER)"

    def digits(self, column: str) -> str:
        """Return the bytes of a text: the driver would quote bad ones in its errors."""
        return f"iif({column} IS NULL, NULL, hex({column}))"

    def missing(self, column: str) -> str:
        """Return the condition that there is no moment, or a text of another form."""
        return f"{self.micros(column)} IS NULL"


_DIALECTS: Mapping[str, type[HistoryDialect]] = {
    "postgresql": PostgreSQLHistory,
    "mysql": MySQLHistory,
    "sqlite": SQLiteHistory,
}


def history_dialect(name: str) -> HistoryDialect:
    """Return the SQL of a dialect.

    Args:
        name: As `Source.dialect` has it.

    Raises:
        ConfigurationError: If there is none.
    """
    if name not in _DIALECTS:
        raise ConfigurationError(
            f"a history table cannot be read from {name}",
            hint=f"histories are read from {', '.join(_DIALECTS)}",
        )
    return _DIALECTS[name]()
