"""Errors of the driver and of SQLAlchemy, told as flowkeep's own."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import exc

from flowkeep.errors import (
    ConfigurationError,
    Conflict,
    FlowkeepError,
    InvalidInput,
    LedgerUnavailable,
)
from flowkeep.redaction import redact

# SQLSTATE classes and codes: PostgreSQL documentation, appendix A.
_WRONG_MIGRATION = {"42P01", "42703", "3F000", "42883"}
_CREDENTIALS = {"28000", "28P01"}
_AWAY_CLASSES = ("08", "53", "57", "58")
_AWAY = {"55P03", "40001", "40P01", "25006", "25P03"}
_LOGIN_TEXTS = ("authentication failed", "no password supplied", "no pg_hba.conf entry")


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn what goes wrong inside into an error of ours; the cause is dropped, it holds data.

    Args:
        where: The server and database, for messages.

    Raises:
        LedgerUnavailable: Connection lost or refused, shutdown, time-out, no free connection,
            deadlock: trying again may help.
        ConfigurationError: Wrong password or database, missing schema, table or right.
        Conflict: A unique or foreign key says no.
        InvalidInput: A value that PostgreSQL cannot store.
    """
    try:
        yield
    except exc.DBAPIError as error:
        raise translate(error.orig, where, lost=error.connection_invalidated) from None
    except exc.TimeoutError:
        raise LedgerUnavailable(
            f"no connection to the ledger at {where} became free in time",
            hint="raise FLOWKEEP_DATABASE_POOL_SIZE or use fewer concurrent calls",
        ) from None
    except psycopg.Error as error:
        raise translate(error, where) from None


def translate(error: BaseException | None, where: str, *, lost: bool = False) -> FlowkeepError:
    """Choose our error for one of the driver's; see `translated`."""
    state = getattr(error, "sqlstate", None)
    text = _text(error)
    if state is None:
        return _without_state(error, text, where)
    if lost or state in _AWAY or state[:2] in _AWAY_CLASSES:
        return LedgerUnavailable(f"the ledger at {where} cannot answer: {text}")
    return _with_state(state, text, where)


def _with_state(state: str, text: str, where: str) -> FlowkeepError:
    if state in _WRONG_MIGRATION:
        return ConfigurationError(
            f"the ledger at {where} has other tables than this version needs: {text}",
            hint="run `flowkeep db upgrade`",
        )
    if state in _CREDENTIALS:
        return _login(text, where)
    if state == "3D000":
        return _no_database(text, where)
    if state == "42501":
        return ConfigurationError(
            f"the ledger's user lacks a right at {where}: {text}",
            hint="grant it, or use the owner of the schema",
        )
    if state.startswith("23"):
        return Conflict(f"the ledger refused the change: {text}")
    if state.startswith("22") or state == "54000":
        return InvalidInput(f"a value cannot be stored in the ledger: {text}")
    return FlowkeepError(f"the ledger at {where} reports {state}: {text}", code="DATABASE_ERROR")


def _without_state(error: BaseException | None, text: str, where: str) -> FlowkeepError:
    """Judge failures to connect: libpq gives them no SQLSTATE, only the server's words."""
    if any(words in text for words in _LOGIN_TEXTS):
        return _login(text, where)
    if 'database "' in text and "does not exist" in text:
        return _no_database(text, where)
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return LedgerUnavailable(f"the ledger at {where} cannot be reached: {text}")
    if isinstance(error, psycopg.DataError):
        return InvalidInput(f"a value cannot be stored in the ledger: {text}")
    return FlowkeepError(f"the ledger at {where} fails: {text}", code="DATABASE_ERROR")


def _login(text: str, where: str) -> ConfigurationError:
    return ConfigurationError(
        f"the ledger at {where} refuses the login: {text}",
        hint="check user and password in FLOWKEEP_DATABASE_URL",
    )


def _no_database(text: str, where: str) -> ConfigurationError:
    return ConfigurationError(
        f"the ledger's database is missing at {where}: {text}",
        hint="create it with `createdb`, or correct FLOWKEEP_DATABASE_URL",
    )


def _text(error: BaseException | None) -> str:
    """Return the server's own first line: its details repeat data."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    text = primary or str(error or "unknown error")
    return redact(" ".join(text.split()))[:500]
