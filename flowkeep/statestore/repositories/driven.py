"""Statements run by the driver itself: on the hot path SQLAlchemy costs more than PostgreSQL."""

from functools import lru_cache
from typing import Any

from flowkeep.errors import InvalidInput
from flowkeep.statestore.session import Session

Rows = list[tuple[Any, ...]]


async def rows(session: Session, template: str, *parameters: Any) -> Rows:
    """Run a statement in the session's transaction and return its rows.

    The driver prepares what it has run a few times.

    Args:
        session: A transaction.
        template: SQL in which `{schema}` stands for the schema and `%s` for each parameter.
        *parameters: What is put in; JSON and arrays as text.

    Raises:
        InvalidInput: If a text holds invalid unicode.
    """
    connection = await session.driver()
    try:
        cursor = await connection.execute(text(template, session.schema_name), parameters)
    except UnicodeEncodeError:
        raise InvalidInput("a text holds invalid unicode (a lone surrogate)") from None
    return await cursor.fetchall()


async def run(session: Session, template: str, *parameters: Any) -> int:
    """Run a statement that returns no rows; returns how many it has changed. See `rows`."""
    connection = await session.driver()
    try:
        cursor = await connection.execute(text(template, session.schema_name), parameters)
    except UnicodeEncodeError:
        raise InvalidInput("a text holds invalid unicode (a lone surrogate)") from None
    return cursor.rowcount


@lru_cache(maxsize=64)
def text(template: str, schema_name: str) -> bytes:
    """Return a statement as the driver takes it."""
    return template.replace("{schema}", f'"{schema_name}"').encode()
