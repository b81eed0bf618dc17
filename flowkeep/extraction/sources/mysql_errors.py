"""Which errors of MySQL and MariaDB a retry can help, and what to do about the others.

Numbers up to 1999 and from 3000 are the servers' own (MySQL's and MariaDB's manuals, "Server Error
Message Reference" and "Error Codes"); those from 2000 to 2999 come from the driver, named as in
MySQL's client library.
"""

import socket
import ssl
from typing import TYPE_CHECKING

from flowkeep.errors import ConfigurationError, FlowkeepError, SourceUnavailable
from flowkeep.extraction.sources.base import SOURCE_CHANGED, SOURCE_REGEX

if TYPE_CHECKING:
    import pymysql

_WRONG_LOGIN = {
    1044: "grant the role access to this schema, or name another one",
    1045: "check user and password",
    1049: "create the schema, or name another one in credentials.database",
    1129: "let an administrator run FLUSH HOSTS on the server",
    1130: "let the server accept this role from this host",
    1251: "give the role an authentication method that the driver knows",
    1524: "give the role an authentication method that the server knows",
    1698: "check user and password; this role may log in without one only on the server itself",
    1862: "set a new password for the role",
    2026: "check ssl_mode and certificates in credentials.extra",
    2059: "give the role an authentication method that the driver knows",
    2061: "give the role an authentication method that the driver knows",
    3118: "unlock the account",
    3159: "set ssl_mode in credentials.extra: the server demands encryption",
    4151: "unlock the account",
}
_NO_RIGHT = frozenset({1044, 1142, 1143, 1227, 1370})
# What MariaDB and what MySQL say of a regular expression they cannot use.
_REGEX = frozenset({1139, *range(3685, 3700), 3887})
_ENCODING = frozenset({1366, 3854})
_TIMEOUT = frozenset({1969, 3024})
_MAY_PASS = _TIMEOUT | {
    *(1020, 1021, 1037, 1038, 1040, 1041, 1053, 1105, 1114, 1152, 1158, 1159, 1160, 1161),
    *(1203, 1205, 1213, 1226, 1317, 1927, 2002, 2003, 2005, 2006, 2012, 2013, 2014, 2027),
}
_RUN_AGAIN = frozenset({1146, 1356, 1412})
_NO_SUCH_HOST = frozenset(
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)
)


def number_of(error: Exception) -> int:
    """Return the number of an error, 0 when it has none."""
    first = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0


def connection_error(error: "pymysql.MySQLError", target: str, text: str) -> FlowkeepError:
    """Classify why a connection could not be made.

    Args:
        error: What the driver raised.
        target: Host, port and role, for the message.
        text: The driver's text, without secrets.
    """
    number = number_of(error)
    cause = getattr(error, "original_exception", None)
    if isinstance(cause, ssl.SSLError):
        number = 2026
    if number in _WRONG_LOGIN:
        return _refused(target, text, _WRONG_LOGIN[number])
    if number and number not in _MAY_PASS:
        return _refused(target, text, "check credentials and rights")
    return unreachable(target, text)


def socket_error(error: OSError, target: str) -> FlowkeepError:
    """Classify why the server could not be reached at all."""
    if isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_HOST:
        return unknown_host(target)
    return unreachable(target, str(error))


def unreachable(target: str, text: str) -> FlowkeepError:
    """Return the error for a server that does not answer now."""
    return SourceUnavailable(
        f"cannot connect to {target}: {text}", hint="check that the server runs and is reachable"
    )


def unknown_host(target: str) -> ConfigurationError:
    """Return the error for a host name that does not exist."""
    return ConfigurationError(
        f"cannot connect to {target}: the host name is unknown",
        hint="check credentials.host",
        code="SOURCE_UNKNOWN_HOST",
    )


def statement_error(error: "pymysql.MySQLError", target: str, text: str) -> FlowkeepError:
    """Classify why a statement failed on an open connection.

    Args:
        error: What the driver raised.
        target: Host, port and role, for the message.
        text: The driver's text, without secrets.
    """
    number = number_of(error)
    if number in _RUN_AGAIN and "information_schema" not in text.lower():
        return SourceUnavailable(
            f"reading {target} failed: an object was dropped meanwhile: {text}",
            hint="try again when the schema changes less, or correct the SQL of this kind",
            code=SOURCE_CHANGED,
        )
    if not number or number in _MAY_PASS:
        hint = "check that the server runs and is reachable"
        if number in _TIMEOUT:
            hint = "raise metadata.statement_timeout_seconds if the server needs longer"
        return SourceUnavailable(f"reading {target} failed: {text}", hint=hint)
    if number in _NO_RIGHT:
        return _refused(target, text, "grant the role what the statement reads")
    if number in _REGEX:
        return ConfigurationError(
            f"{target} rejected a regular expression: {text}",
            hint="simplify the regular expressions of metadata.filters; the preflight names which",
            code=SOURCE_REGEX,
        )
    if number in _ENCODING:
        return ConfigurationError(
            f"reading {target} failed: {text}",
            hint="rename what cannot be told as UTF-8, or leave it out",
            code="SOURCE_ENCODING",
        )
    return ConfigurationError(
        f"{target} rejected the statement: {text}",
        hint="correct the SQL of this kind",
        code="SOURCE_STATEMENT",
    )


def _refused(target: str, text: str, hint: str) -> ConfigurationError:
    return ConfigurationError(
        f"cannot connect to {target}: {text}", hint=hint, code="SOURCE_REFUSED"
    )
