"""Which of PostgreSQL's errors a retry can help, and what to do about the others.

SQLSTATE classes are those of PostgreSQL's manual, appendix A. While a connection is being made
libpq passes on only the server's text, so that one case is told by its words; where the server
speaks another language the error counts as one that may pass, and retries are bounded.
"""

import re
import socket
from typing import TYPE_CHECKING

from flowkeep.errors import ConfigurationError, FlowkeepError, SourceUnavailable
from flowkeep.extraction.sources.base import (
    DATABASE_REFUSED,
    SOURCE_CHANGED,
    SOURCE_REFUSED,
    SOURCE_REGEX,
    SOURCE_VERSION,
)

if TYPE_CHECKING:
    import psycopg

_RETRYABLE_CLASSES = ("08", "40", "53", "55", "57", "58", "XX")
"""Connection, transaction rollback, resources, object state, intervention, system, internal."""

_DATABASE_REFUSES = (
    (r"database \".*\" does not exist", "create the database, or name another one"),
    (r"permission denied for database", "grant CONNECT on the database to this role"),
    (r"not currently accepting connections", "name a database that allows connections"),
    (
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        "allow this client in the server's pg_hba.conf",
    ),
)
_WRONG_LOGIN = (
    (r"password authentication failed|no password supplied", "check user and password"),
    (r"role \".*\" does not exist", "create the role, or name another user"),
    (r"is not permitted to log in", "give the role LOGIN, or name another user"),
    (r"authentication failed|authentication method", "check how this role must log in"),
    (r"SSL|certificate|sslmode", "check sslmode and certificates in credentials.extra"),
    (r"invalid connection option|invalid .* value|missing \"=\"", "correct credentials.extra"),
)
_VANISHED = r"could not open relation with OID|cache lookup failed for"
_NO_SUCH_HOST = frozenset(
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)
)


def connection_error(error: "psycopg.Error", target: str, text: str) -> FlowkeepError:
    """Classify why a connection could not be made.

    Args:
        error: What the driver raised.
        target: Host, port, database and role, for the message.
        text: The driver's text, without secrets.
    """
    text = text.removeprefix("connection failed: ").strip()
    number = re.search(r"failed to resolve host .*\[Errno (-?\d+)\]", text)
    if number and int(number[1]) in _NO_SUCH_HOST:
        return unknown_host(target)
    for pattern, hint in _DATABASE_REFUSES:
        if re.search(pattern, text):
            return _refused(target, text, hint, DATABASE_REFUSED)
    if error.sqlstate is not None and not error.sqlstate.startswith(_RETRYABLE_CLASSES):
        return _refused(target, text, "check credentials and rights")
    for pattern, hint in _WRONG_LOGIN:
        if re.search(pattern, text):
            return _refused(target, text, hint)
    return SourceUnavailable(
        f"cannot connect to {target}: {text}", hint="check that the server runs and is reachable"
    )


def too_old(target: str, version: str | None, oldest: int) -> ConfigurationError:
    """Return the error for a server that is older than the statements.

    Args:
        target: Host, port, database and role, for the message.
        version: What the server calls its version.
        oldest: Oldest major version that can be read.
    """
    return ConfigurationError(
        f"cannot read {target}: PostgreSQL {version or 'of unknown version'} is too old",
        hint=f"PostgreSQL {oldest} or later is needed",
        code=SOURCE_VERSION,
    )


def unknown_host(target: str) -> ConfigurationError:
    """Return the error for a host name that does not exist."""
    return ConfigurationError(
        f"cannot connect to {target}: the host name is unknown",
        hint="check credentials.host",
        code="SOURCE_UNKNOWN_HOST",
    )


def statement_error(error: "psycopg.Error", target: str, text: str) -> FlowkeepError:
    """Classify why a statement failed on an open connection.

    Args:
        error: What the driver raised.
        target: Host, port, database and role, for the message.
        text: The driver's text, without secrets.
    """
    state = error.sqlstate
    if state == "XX000" and re.search(_VANISHED, text):
        return SourceUnavailable(
            f"reading {target} failed: an object was dropped meanwhile: {text}",
            hint="try again when the schema changes less",
            code=SOURCE_CHANGED,
        )
    if state is None or state.startswith(_RETRYABLE_CLASSES):
        hint = "check that the server runs and is reachable"
        if state == "57014":
            hint = "raise metadata.statement_timeout_seconds if the server needs longer"
        elif state == "55P03":
            hint = "another session holds a lock on a catalogue object; try again when it is done"
        return SourceUnavailable(f"reading {target} failed: {text}", hint=hint)
    if state == "42501":
        return _refused(target, text, "grant the role what the statement reads", DATABASE_REFUSED)
    if state == "2201B":
        return ConfigurationError(
            f"{target} rejected a regular expression: {text}",
            hint="simplify the regular expressions of metadata.filters; the preflight names which",
            code=SOURCE_REGEX,
        )
    if state in ("22021", "22P05"):
        return ConfigurationError(
            f"reading {target} failed: {text}",
            hint="rename what cannot be told in the client encoding, UTF-8, or leave it out",
            code="SOURCE_ENCODING",
        )
    return ConfigurationError(
        f"{target} rejected the statement: {text}",
        hint="correct the SQL of this kind",
        code="SOURCE_STATEMENT",
    )


def _refused(target: str, text: str, hint: str, code: str = SOURCE_REFUSED) -> ConfigurationError:
    return ConfigurationError(f"cannot connect to {target}: {text}", hint=hint, code=code)
