"""Pages of lists, read past SQLAlchemy: one message to PostgreSQL, one answer."""

from typing import Any, Protocol

import psycopg
from psycopg.rows import dict_row

from flowkeep.errors import InvalidInput
from flowkeep.statestore.sql_text import as_native

# A list's page is a range of an index in the index's own order. Where the planner expects few rows
# it would rather gather and sort them; when it errs (a new owner, old statistics), that reads and
# sorts all of a tenant's runs. With each page's own values it also knows which of two filters is
# the rarer one. Starting a parallel worker takes longer than the page.
RANGES_ONLY = {
    "enable_sort": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_custom_plan",
    "max_parallel_workers_per_gather": "0",
}
SET_RANGES = "; ".join(f"SET LOCAL {name} = {value}" for name, value in RANGES_ONLY.items())
_SET_AT_ONCE = SET_RANGES.replace("SET LOCAL plan_cache_mode = force_custom_plan; ", "")
"""For a statement whose values are part of it: it has no other plan than its own."""


class Rows(Protocol):
    """What reads rows of SQL text."""

    async def rows(self, statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the rows of SQL text in which `{schema}` stands for the schema."""
        ...


class Pages:
    """Reads ordered ranges of indexes on a connection of the driver: see `RANGES_ONLY`.

    Each statement is one message, which PostgreSQL takes as one transaction (Frontend/Backend
    Protocol, "Multiple Statements in a Simple Query"), and one answer to wait for.

    Args:
        connection: An open connection outside of any transaction, in autocommit mode.
        schema_name: Schema of the ledger's tables.
    """

    __slots__ = ("_connection", "_schema_name")

    def __init__(self, connection: psycopg.AsyncConnection[Any], schema_name: str) -> None:
        self._connection = connection
        self._schema_name = schema_name

    async def rows(self, statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the rows of SQL text."""
        native = f"{_SET_AT_ONCE}; {as_native(statement, self._schema_name)}"
        cursor = psycopg.AsyncClientCursor(self._connection, row_factory=dict_row)
        try:
            await cursor.execute(native, parameters)
        except UnicodeEncodeError:
            raise InvalidInput("a text holds invalid unicode (a lone surrogate)") from None
        await cursor.set_result(-1)
        return await cursor.fetchall()
