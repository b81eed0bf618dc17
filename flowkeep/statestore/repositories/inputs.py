"""Checks of what callers pass, alike in every repository."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from flowkeep.errors import InvalidInput

MOST_ROWS = 100
"""Largest page."""
MOST_BYTES = 800
"""Longest name, in UTF-8: an entry of an index holds 2,704 bytes, and three names may share one."""
TEMPORAL_BYTES = 1000
"""Longest id or type that Temporal takes by default; no index holds two of them and one above."""

_EVENT_KIND = re.compile(r"[a-z][a-z0-9_.]{0,63}")


def page_limit(limit: int) -> int:
    """Return a page size of 1 to 100.

    Raises:
        InvalidInput: If it is anything else.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST_ROWS:
        raise InvalidInput(f"limit is {limit!r}", hint=f"use 1 to {MOST_ROWS}")
    return limit


def tenant(tenant_id: str) -> str:
    """Return a tenant id.

    Raises:
        InvalidInput: If it is not text, empty, or holds what PostgreSQL cannot store.
    """
    return name(tenant_id, "tenant_id")


def name(value: str, field: str, most_bytes: int = MOST_BYTES) -> str:
    """Return a short text that names something.

    Args:
        value: The text.
        field: What the error calls it.
        most_bytes: Longest it may be, in UTF-8.

    Raises:
        InvalidInput: If it is not text, empty, too long, or holds what PostgreSQL cannot store.
    """
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{field} is {value!r}", hint="it must be text that is not empty")
    if not value.isprintable():  # nor are NUL and lone surrogates
        raise InvalidInput(f"{field} holds control characters")
    return short(value, field, most_bytes)


def short(value: str, field: str, most_bytes: int = MOST_BYTES) -> str:
    """Return a text that an index can hold, whatever its characters are.

    Raises:
        InvalidInput: If it is too long.
    """
    if len(value.encode(errors="replace")) > most_bytes:
        raise InvalidInput(f"{field} is longer than {most_bytes} bytes", hint="use a shorter one")
    return value


def run_id(value: UUID | str, field: str = "run_id") -> UUID:
    """Return a run's id as UUID.

    Raises:
        InvalidInput: If it is none.
    """
    if isinstance(value, UUID):
        return value
    try:
        return UUID(str(value))
    except ValueError:
        raise InvalidInput(f"{field} is {str(value)[:80]!r}", hint="it must be a UUID") from None


def text(value: str, field: str) -> str:
    """Return a text to look for.

    Raises:
        InvalidInput: If it is not text, or holds what PostgreSQL cannot compare with.
    """
    if not isinstance(value, str) or "\x00" in value:
        raise InvalidInput(f"{field} is {str(value)[:100]!r}", hint="it must be text without NUL")
    return value


def attempt(value: int) -> int:
    """Return the number of an attempt.

    Raises:
        InvalidInput: If it is no number from 1 that the ledger can hold.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
        raise InvalidInput(f"attempt is {value!r}", hint="attempts count from 1")
    return value


def batch_size(value: int, most: int = 10_000) -> int:
    """Return how many objects one transaction of a long job takes.

    Raises:
        InvalidInput: If it is no number from 1 to `most`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InvalidInput(f"batch_size is {value!r}", hint=f"use 1 to {most}")
    return value


def instant(value: datetime | None, field: str) -> datetime | None:
    """Return a time with a zone, or None.

    Raises:
        InvalidInput: If it is no time, or has no time zone.
    """
    if value is not None and not isinstance(value, datetime):
        raise InvalidInput(f"{field} is {str(value)[:80]!r}", hint="pass a datetime")
    if value is not None and value.tzinfo is None:
        raise InvalidInput(f"{field} has no time zone", hint="use datetime.now(UTC) or the like")
    return value


def event_kind(kind: Any) -> str:
    """Return the kind of an event: snake_case in the past tense.

    Raises:
        InvalidInput: If it is no such name.
    """
    if not isinstance(kind, str) or not _EVENT_KIND.fullmatch(kind):
        raise InvalidInput(f"event kind {str(kind)[:80]!r} is not a name in snake_case")
    return str(kind)


def array(ids: Iterable[UUID]) -> str:
    """Return ids as one array literal: adapting a list for each statement costs more."""
    return "{" + ",".join(map(str, ids)) + "}"
