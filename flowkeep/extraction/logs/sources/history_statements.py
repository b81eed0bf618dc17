"""The statements over one history table or query.

Moments and numbers are put into the text as literals, all of them integers of our own: a text
without parameters is taken as it stands, so percent signs and colons in a user's query mean
themselves.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.logs.sources.history_dialects import HistoryDialect
from flowkeep.extraction.logs.sources.history_options import MICROSECONDS, HistoryOptions
from flowkeep.extraction.sources.base import Statement

if TYPE_CHECKING:
    from flowkeep.extraction.metadata.kinds import ColumnType

NUMBERS = ("duration_column", "rows_column", "query_id_column")
"""Options whose columns hold numbers."""
_NOT_FAILED = "'', '0', '00000', 'f', 'false', 'n', 'no', 'off'"


class HistoryStatements:
    """Builds the statements.

    Args:
        dialect: The server's SQL.
        options: Table and columns.

    Raises:
        ConfigurationError: If `table` is no name.
    """

    def __init__(self, dialect: HistoryDialect, options: HistoryOptions) -> None:
        self._dialect = dialect
        self._options = options
        self._at = self._quoted(options.timestamp_column)
        self._relation = f"{self._source()} AS h"

    @property
    def columns(self) -> "Mapping[str, ColumnType]":
        """Columns of `rows` and their types, in order; columns without an option are left out."""
        return {
            name: "integer" if name in ("at", "duration", "rows", "query_id", "failed") else "text"
            for name in self._expressions()
        }

    @property
    def sampled(self) -> list[str]:
        """Options whose columns must hold moments or numbers."""
        return [name for name in self._options.columns if name in ("timestamp_column", *NUMBERS)]

    def everything(self) -> Statement:
        """Return the statement whose columns are those of the table."""
        return self._statement("h.*")

    def mapped(self) -> Statement:
        """Return the statement whose columns are those of the options, with their own types."""
        columns = (
            f"{self._quoted(column)} AS {name}" for name, column in self._options.columns.items()
        )
        return self._statement(", ".join(columns))

    def types(self) -> Statement:
        """Return the statement for PostgreSQL's names of their types; it reads no row."""
        types = ", ".join(
            f"pg_catalog.pg_typeof({self._quoted(column)})::pg_catalog.text"
            for column in self._options.columns.values()
        )
        nothing = f"FROM (VALUES (1)) AS one LEFT JOIN {self._relation} ON false"
        return Statement(f"SELECT {types} {nothing}", {})

    def sample(self, rows: int) -> Statement:
        """Return the statement for moments in microseconds, and the columns of `sampled`."""
        columns = [self._dialect.micros(self._at)]
        columns += [self._quoted(self._options.columns[name]) for name in self.sampled]
        return self._statement(", ".join(columns), f"{self._at} IS NOT NULL LIMIT {rows:d}")

    def without_moment(self) -> Statement:
        """Return the statement that counts the rows without a moment."""
        return self._statement("count(*)", self._dialect.missing(self._at))

    def buckets(self, start: int, end: int, width: int) -> Statement:
        """Return the statement that counts the rows of `[start, end)` by bucket.

        Args:
            start: First microsecond.
            end: First one behind.
            width: Of a bucket, in microseconds; bucket 0 begins at `start`.
        """
        elapsed = f"({self._dialect.micros(self._at)} - {start:d})"
        bucket = f"{elapsed} {self._dialect.quotient} {width:d}"
        return self._statement(
            f"{bucket} AS bucket, count(*) AS counted",
            f"{self._dialect.inside(self._at, start, end)} GROUP BY 1 ORDER BY 1",
        )

    def parts(self, start: int, end: int, parts: int) -> Statement | None:
        """Return the statement that counts the rows of `[start, end)` by hash of their id.

        None if they have no id, or the server no hash.
        """
        part = self._part(parts)
        if part is None:
            return None
        return self._statement(
            f"{part} AS part, count(*) AS counted",
            f"{self._dialect.inside(self._at, start, end)} GROUP BY 1 ORDER BY 1",
        )

    def rows(self, start: int, end: int, part: tuple[int, int] | None = None) -> Statement:
        """Return the statement for the rows of `[start, end)`, in no order.

        Args:
            start: First microsecond.
            end: First one behind.
            part: Which part, and of how many; all when None.
        """
        names = ", ".join(
            f"{expression} AS {name}_" for name, expression in self._expressions().items()
        )
        condition = self._dialect.inside(self._at, start, end)
        if part is not None:
            condition += f" AND {self._part(part[1])} = {part[0]:d}"
        return self._statement(names, condition)

    def _statement(self, columns: str, condition: str = "") -> Statement:
        where = f" WHERE {condition}" if condition else ""
        text = f"SELECT {columns} FROM {self._relation}{where}"  # noqa: S608 - names are quoted
        return Statement(text, {})

    def _expressions(self) -> Mapping[str, str]:
        options, sql = self._options, self._dialect
        wanted = {
            "at": (options.timestamp_column, sql.micros),
            "text": (options.text_column, sql.digits),
            "user": (options.user_column, sql.digits),
            "database": (options.database_column, sql.digits),
            "duration": (options.duration_column, self._duration),
            "rows": (options.rows_column, sql.integer),
            "query_id": (options.query_id_column, sql.integer),
            "id": (options.id_column, sql.digits),
            "failed": (options.error_column, self._failed),
        }
        return {
            name: expression(self._quoted(column))
            for name, (column, expression) in wanted.items()
            if column is not None
        }

    def _duration(self, column: str) -> str:
        return self._dialect.integer(column, MICROSECONDS[self._options.duration_unit])

    def _failed(self, column: str) -> str:
        word = f"lower(trim({self._dialect.text(column)}))"
        return f"CASE WHEN {word} NOT IN ({_NOT_FAILED}) THEN 1 ELSE 0 END"

    def _part(self, parts: int) -> str | None:
        column = self._options.id_column
        return None if column is None else self._dialect.part(self._quoted(column), parts)

    def _quoted(self, column: str) -> str:
        from sqlglot import exp

        name = exp.to_identifier(column, quoted=True)
        return f"h.{name.sql(dialect=self._dialect.sqlglot)}"

    def _source(self) -> str:
        from sqlglot import exp

        if self._options.query is not None:
            return f"({Statement(self._options.query, {}).inner})"
        dialect = self._dialect.sqlglot
        table = exp.to_table(str(self._options.table), dialect=dialect)
        if not all(isinstance(part, exp.Identifier) for part in table.parts):
            raise ConfigurationError(
                "history.table is no name", hint="write schema.table, or history.query instead"
            )
        return table.sql(dialect=dialect, identify=True)
