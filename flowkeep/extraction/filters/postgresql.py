"""PostgreSQL's filter expressions, for the aliases `b`, `n`, `c` and `p` of its statements."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from flowkeep.extraction.filters.rule import Level
from flowkeep.extraction.filters.syntax import Bind, FilterSyntax


class PostgreSQLFilterSyntax(FilterSyntax):
    """Names are of type `name`, whose collation is C: operators compare bytes, not languages."""

    names: ClassVar[Mapping[Level, str]] = {
        "database": "b.datname",
        "schema": "n.nspname",
        "table": "c.relname",
        "procedure": "p.proname",
    }
    system_schema: ClassVar[str] = "(n.nspname = 'information_schema' OR n.nspname ~ '^pg_')"
    system_schemas: ClassVar[str | None] = "information_schema|pg_.*"
    view: ClassVar[str | None] = "c.relkind IN ('v', 'm')"
    # Never analysed is -1. A partitioned table has no rows of its own, whatever is counted for it.
    empty: ClassVar[str | None] = "(c.relkind IN ('r', 'm') AND c.reltuples = 0)"

    def equals(self, expression: str, names: Sequence[str], bind: Bind) -> str:
        """Compare with an array; see `FilterSyntax.equals`."""
        return f"{expression} = ANY ({bind(list(names))}::pg_catalog.text[])"

    def matches(self, expression: str, regex: str, bind: Bind) -> str:
        """Match an advanced regular expression; see `FilterSyntax.matches`."""
        anchored = bind(f"^(?:{regex})$")
        return f'{expression} COLLATE pg_catalog."C" ~ {anchored}::pg_catalog.text'
