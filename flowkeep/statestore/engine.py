"""The connection to PostgreSQL: URL, pool, and a connection that is alive when it is handed out."""

import json
import select
from typing import Any

from psycopg.pq import TransactionStatus
from pydantic_core import from_json
from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, PoolResetState

from flowkeep.errors import ConfigurationError
from flowkeep.settings import DatabaseSettings
from flowkeep.telemetry.traces import trace_statements

MINIMUM_VERSION = 14
"""Oldest major version of PostgreSQL that the statements are written for."""

_DRIVER = "postgresql+psycopg"
_SCHEMES = {"postgresql", "postgres", _DRIVER, "postgresql+psycopg_async"}
_EXAMPLE = "use postgresql://user:password@host:5432/database"


def parse_url(url: str) -> URL:
    """Read a ledger URL and set the driver.

    Args:
        url: postgresql://user:password@host:port/database, with libpq's options as query.

    Raises:
        ConfigurationError: If it cannot be read; the message never shows the password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigurationError("the ledger's URL cannot be read", hint=_EXAMPLE) from None
    if parsed.drivername not in _SCHEMES:
        raise ConfigurationError(
            f"the ledger's URL has the scheme {parsed.drivername!r}; the ledger is PostgreSQL",
            hint=_EXAMPLE,
        )
    return parsed.set(drivername=_DRIVER)


def describe(url: URL) -> str:
    """Name the server and the database for messages, without the password."""
    host = url.host or url.query.get("host") or "the local socket"
    port = f":{url.port}" if url.port else ""
    return f"{host}{port}/{url.database or ''}"


def build_engine(
    url: str, settings: DatabaseSettings, *, pooled: bool = True, search_path: str | None = None
) -> AsyncEngine:
    """Make an engine; nothing connects before its first use.

    Args:
        url: See `parse_url`.
        settings: Pool size and time limits.
        pooled: False closes every connection after use, for migrations.
        search_path: Schema that unqualified names mean; only migrations need one.

    Raises:
        ConfigurationError: If the URL cannot be read.
    """
    parsed = parse_url(url)
    limits = {"idle_in_transaction_session_timeout": "60s"}
    if pooled:
        limits["statement_timeout"] = f"{int(settings.statement_timeout_seconds * 1000)}ms"
        # Every statement of the ledger is an index range. A plan that was cached while a table
        # was small must not read it whole once it is big, and no such plan is worth compiling.
        limits |= {"enable_seqscan": "off", "jit": "off"}
    if search_path is not None:
        limits["search_path"] = search_path
    own = parsed.query.get("options", "")
    options = " ".join([str(own), *(f"-c {name}={value}" for name, value in limits.items())])
    arguments: dict[str, Any] = {
        "connect_timeout": settings.connect_timeout_seconds,
        "options": options.strip(),
        # A peer that vanished without a word is noticed within about 20 seconds.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 2,
        "tcp_user_timeout": 20_000,
    }
    if "application_name" not in parsed.query:
        arguments["application_name"] = "flowkeep"
    parsed = parsed.difference_update_query(["options"])
    if not pooled:
        return create_async_engine(parsed, poolclass=NullPool, connect_args=arguments)
    engine = create_async_engine(
        parsed,
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.pool_timeout_seconds or settings.statement_timeout_seconds,
        connect_args=arguments,
        # Most sessions are one statement, which needs no transaction around it: `EngineScope`
        # says BEGIN where one is wanted, and the pool cleans up only where there is something.
        isolation_level="AUTOCOMMIT",
        pool_reset_on_return=None,
        json_deserializer=_read_json,
    )
    event.listen(engine.sync_engine, "reset", _end_transaction)
    event.listen(engine.sync_engine, "checkin", _remember)
    event.listen(engine.sync_engine, "checkout", _refuse_dead)
    trace_statements(engine)
    return engine


def _read_json(text: bytes | str) -> Any:
    """Read what PostgreSQL has as JSON, faster than `json`, which reads what is nested deeper."""
    try:
        return from_json(text)
    except ValueError:
        return json.loads(text)


def _end_transaction(connection: Any, _entry: Any, state: PoolResetState) -> None:
    """Undo what a session left open; one that left nothing costs nothing."""
    status = connection.driver_connection.pgconn.transaction_status
    if state.asyncio_safe and not state.terminate_only and status != TransactionStatus.IDLE:
        connection.rollback()


def _remember(_connection: Any, entry: ConnectionPoolEntry) -> None:
    entry.info["used"] = True


def _refuse_dead(connection: Any, entry: ConnectionPoolEntry, _proxy: Any) -> None:
    """Replace a pooled connection whose server has gone, without asking the server.

    An idle PostgreSQL connection has nothing to read. If its socket is readable, the server said
    good-bye or the socket was closed, so the pool opens a new connection instead. This costs a
    system call where a ping would cost a round trip per transaction.
    """
    if not entry.info.get("used"):
        return
    socket = connection.driver_connection.pgconn.socket
    poll = select.poll()
    poll.register(socket, select.POLLIN | select.POLLERR | select.POLLHUP)
    if poll.poll(0):
        raise DisconnectionError("the server closed the connection")
