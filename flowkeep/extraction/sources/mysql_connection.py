"""Connecting to MySQL and MariaDB through PyMySQL, and stopping what runs on a connection."""

import os
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.credentials import SourceCredentials
from flowkeep.extraction.sources.mysql_errors import (
    connection_error,
    socket_error,
    statement_error,
    unknown_host,
)

if TYPE_CHECKING:
    import pymysql

    Connection = pymysql.Connection[Any]

DEFAULT_PORT = 3306
_CONNECT_SECONDS = 10
_READ_MARGIN_SECONDS = 30

_MODES = {
    "disable": "disabled",
    "disabled": "disabled",
    "prefer": "preferred",
    "preferred": "preferred",
    "require": "required",
    "required": "required",
    "verify-ca": "verify_ca",
    "verify_ca": "verify_ca",
    "verify-full": "verify_identity",
    "verify_identity": "verify_identity",
}
_TLS_NAMES = {
    "sslmode": "ssl_mode",
    "sslrootcert": "ssl_ca",
    "sslcert": "ssl_cert",
    "sslkey": "ssl_key",
}
_EXTRA = frozenset({"ssl_mode", "ssl_ca", "ssl_cert", "ssl_key", "unix_socket", "charset"})

_IDENTITY = """
    SHOW GLOBAL VARIABLES WHERE variable_name IN ('server_uid', 'server_uuid')
"""


class Link:
    """An open connection that another thread can end.

    Args:
        credentials: How to reach the server.
        target: Host, port and role, for messages.
        timeout_seconds: Longest that the server may be silent.

    Raises:
        ConfigurationError: If host, role, password or options are wrong.
        SourceUnavailable: If the server cannot be reached now.
    """

    def __init__(self, credentials: SourceCredentials, target: str, timeout_seconds: float) -> None:
        self._credentials = credentials
        self._target = target
        self._timeout = timeout_seconds
        extra = _extra(credentials.extra)
        line = _line(credentials, extra, target)
        self._line = socket.socket(fileno=os.dup(line.fileno()))
        try:
            self.connection = self._login(line, extra)
            self._thread, self.server_id = self._identify()
        except BaseException:
            line.close()
            self._line.close()
            raise

    def close(self) -> None:
        """Close the connection, whatever state it is in."""
        with suppress(Exception):
            self.connection.close()
        self._line.close()

    def hang_up(self) -> None:
        """Wake up whoever waits for this connection; it cannot be used any more."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """End the running statement on the server, then hang up.

        The server is asked through a second connection, which may, behind a proxy, lead to
        another server: there the number would name somebody else's.
        """
        with (
            suppress(Exception),
            closing(Link(self._credentials, self._target, _CONNECT_SECONDS)) as other,
            other.connection.cursor() as cursor,
        ):
            if other.server_id == self.server_id:
                cursor.execute(f"KILL QUERY {self._thread:d}")
        self.hang_up()

    def _identify(self) -> tuple[int, str]:
        """Return the number of the connection and the server's identifier."""
        import pymysql

        try:
            with self.connection.cursor() as cursor:
                cursor.execute("SELECT CONNECTION_ID()")
                thread = int(cursor.fetchall()[0][0])
                cursor.execute(_IDENTITY)
                found = sorted(str(value) for _, value in cursor.fetchall() if value)
        except pymysql.MySQLError as error:
            text = self._credentials.redact(error_text(error))
            raise statement_error(error, self._target, text) from None
        return thread, found[0] if found else ""

    def _login(self, line: socket.socket, extra: Mapping[str, Any]) -> "Connection":
        import pymysql
        from pymysql.cursors import Cursor

        login = self._credentials
        # A server that takes the connection and then says nothing is not waited for.
        impatience = threading.Timer(_CONNECT_SECONDS, self.hang_up)
        impatience.daemon = True
        impatience.start()
        try:
            connection: Connection = pymysql.Connection(
                host=login.host,
                user=login.username or None,
                # The driver would encode a text as Latin-1.
                password=login.password.get_secret_value().encode(),
                database=login.database or None,
                charset="utf8mb4",
                cursorclass=Cursor,
                read_timeout=self._timeout + _READ_MARGIN_SECONDS,
                write_timeout=_READ_MARGIN_SECONDS,
                autocommit=None,
                defer_connect=True,
                program_name="flowkeep",
                **_tls(extra),
            )
            connection.connect(line)
        except pymysql.MySQLError as error:
            raise connection_error(error, self._target, login.redact(_words(error))) from None
        finally:
            impatience.cancel()
        return connection


def _words(error: Exception) -> str:
    """Return the text of an error without its number."""
    return str(error.args[1] if len(error.args) > 1 else error).strip()


def forget_rows(cursor: Any) -> None:
    """Tell an unbuffered cursor that no more rows come.

    Else the driver reads on from the closed connection, whenever the cursor or its result is
    collected, and stumbles.
    """
    result = getattr(cursor, "_result", None)
    if result is not None:
        result.unbuffered_active = False


def error_text(error: Exception) -> str:
    """Return the text of the driver's error and its number, as the server's manual lists it."""
    number = error.args[0] if error.args else None
    return f"{_words(error)} [{number}]" if isinstance(number, int) else _words(error)


def _line(credentials: SourceCredentials, extra: Mapping[str, Any], target: str) -> socket.socket:
    """Return a connected socket that notices within a minute that the other side has gone."""
    try:
        if "unix_socket" in extra:
            line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                line.settimeout(_CONNECT_SECONDS)
                line.connect(str(extra["unix_socket"]))
            except OSError:
                line.close()
                raise
            return line
        address = (credentials.host, credentials.port or DEFAULT_PORT)
        line = socket.create_connection(address, _CONNECT_SECONDS)
    except UnicodeError:  # what the resolver's encoding of host names makes of some
        raise unknown_host(target) from None
    except OSError as error:
        raise socket_error(error, target) from None
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return line


def _extra(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the driver's options in one spelling.

    Raises:
        ConfigurationError: If one is unknown; names it.
    """
    found = {_TLS_NAMES.get(name, name): value for name, value in extra.items()}
    unknown = sorted(set(found) - _EXTRA)
    if unknown:
        raise ConfigurationError(
            f"credentials.extra.{unknown[0]} is not known for MySQL",
            hint=f"use {', '.join(sorted(_EXTRA))}",
        )
    mode = str(found.get("ssl_mode", "verify_ca" if "ssl_ca" in found else "preferred")).lower()
    if mode not in _MODES:
        raise ConfigurationError(
            f"credentials.extra.ssl_mode is {mode!r}",
            hint="use disabled, preferred, required, verify_ca or verify_identity",
        )
    found["ssl_mode"] = _MODES[mode]
    return found


def _tls(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the driver's arguments for encryption, as MySQL's own `--ssl-mode` means it."""
    mode = extra["ssl_mode"]
    if mode == "disabled":
        return {"ssl_disabled": True}
    if mode == "preferred" and not extra.keys() & {"ssl_ca", "ssl_cert", "ssl_key"}:
        return {}
    try:
        context = ssl.create_default_context(cafile=extra.get("ssl_ca"))
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # which the servers' own do not pass
        context.check_hostname = mode == "verify_identity"
        if mode not in ("verify_ca", "verify_identity"):
            context.verify_mode = ssl.CERT_NONE
        if "ssl_cert" in extra:
            context.load_cert_chain(str(extra["ssl_cert"]), extra.get("ssl_key"))
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"credentials.extra: a certificate cannot be read: {error}",
            hint="check ssl_ca, ssl_cert and ssl_key: paths of PEM files that the worker may read",
        ) from None
    return {"ssl": context}
