"""Whether the columns of a history table hold what the options say."""

from datetime import datetime
from decimal import Decimal

from flowkeep.contracts import CheckResult
from flowkeep.extraction.logs.sources.history_dialects import (
    HistoryDialect,
    PostgreSQLHistory,
    SQLiteHistory,
)
from flowkeep.extraction.logs.sources.history_options import HistoryOptions
from flowkeep.extraction.logs.sources.history_statements import NUMBERS, HistoryStatements
from flowkeep.extraction.sources.base import Session

_SAMPLE_ROWS = 1_000
_SHOWN = 30
_MOMENTS = frozenset({"timestamp without time zone", "timestamp with time zone"})
_NUMBERS = frozenset({"smallint", "integer", "bigint", "numeric", "real", "double precision"})
_FORM = (
    "YYYY-MM-DD HH:MM:SS, with a T or a space, with a fraction or not, then nothing, Z or +00:00"
)


class ColumnChecks:
    """Checks one table in one session.

    Args:
        session: Where.
        dialect: The server's SQL.
        statements: Over which table.
        options: What the columns are said to hold.
    """

    def __init__(
        self,
        session: Session,
        dialect: HistoryDialect,
        statements: HistoryStatements,
        options: HistoryOptions,
    ) -> None:
        self._session = session
        self._dialect = dialect
        self._statements = statements
        self._options = options

    def missing(self) -> list[CheckResult]:
        """Return one failed check per column that is not there."""
        there = list(self._session.describe(self._statements.everything()))
        names = ", ".join(there[:_SHOWN])
        return [
            self._failed(option, f"there is no column {column!r}; there are {names}")
            for option, column in self._options.columns.items()
            if column not in there
        ]

    def unfit(self) -> list[CheckResult]:
        """Return one failed check per column of another type, as far as it can be told."""
        if isinstance(self._dialect, PostgreSQLHistory):
            return self._declared()
        return self._sampled()

    def _declared(self) -> list[CheckResult]:
        (types,) = self._session.rows(self._statements.types())
        found = []
        for option, declared in zip(self._options.columns, types, strict=True):
            if option == "timestamp_column" and declared not in _MOMENTS:
                found.append(self._failed(option, f"is {declared}, which is no timestamp"))
            elif option in NUMBERS and declared not in _NUMBERS:
                found.append(self._failed(option, f"is {declared}, which is no number"))
        return found

    def _sampled(self) -> list[CheckResult]:
        """Look at some rows: types of SQLite belong to values, and MySQL converts any of them."""
        rows = self._session.rows(self._statements.sample(_SAMPLE_ROWS))
        moments, *columns = zip(*rows, strict=True) if rows else ([],)
        found = []
        for option, values in zip(self._statements.sampled, columns, strict=bool(rows)):
            if option in NUMBERS:
                odd = [one for one in values if not isinstance(one, int | float | Decimal | None)]
                if odd:
                    found.append(self._failed(option, "holds values that are no numbers"))
            elif isinstance(self._dialect, SQLiteHistory):
                odd = [one for one in moments if one is None]
                if odd:
                    text = f"{len(odd)} of {len(rows)} values are not of the form {_FORM}"
                    found.append(self._failed(option, text, warning=len(odd) < len(rows)))
            elif not all(isinstance(one, datetime) for one in values):
                found.append(self._failed(option, "holds values that are no timestamps"))
        return found

    def _failed(self, option: str, message: str, *, warning: bool = False) -> CheckResult:
        column = self._options.columns[option]
        named = message if message.startswith("there is") else f"column {column!r}: {message}"
        return CheckResult(
            name=f"history.{option}",
            ok=False,
            message=named,
            level="warning" if warning else "error",
        )
