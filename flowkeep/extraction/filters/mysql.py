r"""Filter expressions of MySQL and MariaDB, for the alias `t` of their statements.

`REGEXP` is PCRE2 in MariaDB and ICU in MySQL: `(?s)`, `\A` and `\z` mean the same in both. Names
are compared as bytes, or under a binary collation: the catalogue's own ignores case.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from flowkeep.extraction.filters.rule import Level
from flowkeep.extraction.filters.syntax import Bind, FilterSyntax

SYSTEM_SCHEMAS = ("information_schema", "mysql", "performance_schema", "sys")
"""The server's own schemas."""


class MySQLFilterSyntax(FilterSyntax):
    """Conditions on the columns of `information_schema.tables` and whatever is named like it."""

    names: ClassVar[Mapping[Level, str]] = {
        "database": "'def'",
        "schema": "t.table_schema",
        "table": "t.table_name",
        "procedure": "t.routine_name",
    }
    system_schema: ClassVar[str] = f"(t.table_schema IN {SYSTEM_SCHEMAS})"
    view: ClassVar[str | None] = "t.table_type IN ('VIEW', 'SYSTEM VIEW')"
    empty: ClassVar[str | None] = (
        "(t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND COALESCE(t.table_rows, 1) = 0)"
    )

    def equals(self, expression: str, names: Sequence[str], bind: Bind) -> str:
        """Compare bytes; the driver writes a list with parentheses."""
        return f"CAST({expression} AS BINARY) IN {bind(list(names))}"

    def matches(self, expression: str, regex: str, bind: Bind) -> str:
        """Match under a binary collation, where case counts."""
        anchored = bind(f"(?s)\\A(?:{regex})\\z")
        return f"CONVERT({expression} USING utf8mb4) COLLATE utf8mb4_bin REGEXP {anchored}"
