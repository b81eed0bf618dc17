"""Statements in a transaction of the caller's own, whatever it is connected with."""

import re
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from flowkeep.errors import InvalidInput
from flowkeep.statestore.repositories.requests import Steps, drive
from flowkeep.statestore.session import Session
from flowkeep.statestore.sql_text import as_text
from flowkeep.statestore.translation import translated

T = TypeVar("T")

_WHERE = "the connection's database"
_NAMED = re.compile(r"(?<!:):([a-z_]+)")
_KINDS = "a SQLAlchemy Connection or a psycopg Connection"


async def run_steps(connection: Any, steps: Steps[T], schema_name: str) -> T:
    """Run statements on an async connection; its owner commits.

    Args:
        connection: SQLAlchemy's AsyncConnection or psycopg's, inside a transaction or about to
            begin one by itself.
        steps: The statements.
        schema_name: Schema of the ledger's tables.

    Raises:
        InvalidInput: If it is no such connection, or commits each statement by itself.
    """
    if isinstance(connection, AsyncConnection):
        raw = await connection.get_raw_connection()
        _require_transaction(raw.driver_connection)
        with translated(_WHERE):
            return await drive(Session(connection, schema_name), steps)
    if not isinstance(connection, psycopg.AsyncConnection):
        raise _unknown(connection, sync=False)
    _require_transaction(connection)
    with translated(_WHERE):
        async with connection.cursor(row_factory=dict_row) as cursor:
            try:
                sql, bound = next(steps)
                while True:
                    await cursor.execute(_as_psycopg(sql, schema_name), bound)
                    rows = await cursor.fetchall() if cursor.description else []
                    sql, bound = steps.send(rows)
            except StopIteration as end:
                answer: T = end.value
                return answer


def run_steps_sync(connection: Any, steps: Steps[T], schema_name: str) -> T:
    """Run statements on a sync connection; see `run_steps`."""
    if isinstance(connection, Connection):
        _require_transaction(connection.connection.driver_connection)
        with translated(_WHERE):
            return _drive_sqlalchemy(connection, steps, schema_name)
    if not isinstance(connection, psycopg.Connection):
        raise _unknown(connection, sync=True)
    _require_transaction(connection)
    with translated(_WHERE):
        return _drive_psycopg(connection, steps, schema_name)


def _drive_sqlalchemy(connection: Connection, steps: Steps[T], schema_name: str) -> T:
    try:
        sql, bound = next(steps)
        while True:
            result = connection.execute(as_text(sql, schema_name), bound)
            rows = [dict(row) for row in result.mappings()] if result.returns_rows else []
            sql, bound = steps.send(rows)
    except StopIteration as end:
        answer: T = end.value
        return answer


def _drive_psycopg(connection: "psycopg.Connection[Any]", steps: Steps[T], schema_name: str) -> T:
    with connection.cursor(row_factory=dict_row) as cursor:
        try:
            sql, bound = next(steps)
            while True:
                cursor.execute(_as_psycopg(sql, schema_name), bound)
                rows = cursor.fetchall() if cursor.description else []
                sql, bound = steps.send(rows)
        except StopIteration as end:
            answer: T = end.value
            return answer


@lru_cache(maxsize=256)
def _as_psycopg(template: str, schema_name: str) -> bytes:
    text = template.replace("{schema}", f'"{schema_name}"').replace("%", "%%")
    return _NAMED.sub(r"%(\1)s", text).encode()


def _require_transaction(driver: Any) -> None:
    """Raise InvalidInput where each statement would commit by itself."""
    info = getattr(driver, "info", None)
    idle = getattr(info, "transaction_status", None) == TransactionStatus.IDLE
    if getattr(driver, "autocommit", False) and idle:
        raise InvalidInput(
            "the connection is in autocommit mode and in no transaction",
            hint="open a transaction on it first: the request is kept or undone with it",
        )


def _unknown(connection: Any, *, sync: bool) -> InvalidInput:
    name = f"{type(connection).__module__}.{type(connection).__qualname__}"
    others = (
        (AsyncConnection, psycopg.AsyncConnection) if sync else (Connection, psycopg.Connection)
    )
    if isinstance(connection, others):
        hint = "await start_in for it" if sync else "use start_in_sync for it"
    elif hasattr(connection, "connection"):
        hint = "pass its connection: `session.connection()`"
    else:
        hint = f"pass {_KINDS}, of psycopg 3"
    return InvalidInput(f"connection is a {name}", hint=hint)
