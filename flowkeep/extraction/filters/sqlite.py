r"""Filter expressions of SQLite, for the alias `t` of its statements.

The function `regexp` is registered by the session, with `(?s)` and anchors at both ends.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from flowkeep.extraction.filters.rule import Level
from flowkeep.extraction.filters.syntax import Bind, FilterSyntax


class SQLiteFilterSyntax(FilterSyntax):
    """Conditions on the columns of `pragma_table_list`."""

    names: ClassVar[Mapping[Level, str]] = {
        "database": "t.schema",
        "schema": "t.schema",
        "table": "t.name",
        "procedure": "''",
    }
    system_schema: ClassVar[str] = "false"
    view: ClassVar[str | None] = "t.type = 'view'"
    doubles_percent: ClassVar[bool] = False

    def placeholder(self, name: str) -> str:
        """Return the driver's named placeholder."""
        return f":{name}"

    def equals(self, expression: str, names: Sequence[str], bind: Bind) -> str:
        """Compare under the collation that compares bytes."""
        return f"{expression} COLLATE BINARY IN ({', '.join(bind(name) for name in names)})"

    def matches(self, expression: str, regex: str, bind: Bind) -> str:
        """Match by the session's own function, which anchors the expression."""
        return f"{expression} REGEXP {bind(regex)}"
