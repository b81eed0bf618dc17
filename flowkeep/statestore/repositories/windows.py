"""Spans of time as callers name them: windows, days and zones."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flowkeep.errors import InvalidInput
from flowkeep.statestore.repositories import inputs

LONGEST = timedelta(days=3660)
"""Longest span that statistics look back over."""

BUCKET = timedelta(minutes=15)
"""Runs are counted per quarter of an hour in which they were created."""

_ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)
_WINDOW = re.compile(r"([0-9]{1,9})([dhms])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_USUAL = timedelta(days=30)


def window(value: str | timedelta) -> timedelta:
    """Return how far a window reaches back: `7d`, `4h`, `30m`, `30s`, or a timedelta.

    Raises:
        InvalidInput: If it is neither, not above zero, or longer than 3660 days.
    """
    span = value
    if isinstance(value, str) and (found := _WINDOW.fullmatch(value)):
        try:
            span = timedelta(**{_UNITS[found[2]]: int(found[1])})
        except OverflowError:
            span = timedelta.max
    if not isinstance(span, timedelta):
        raise InvalidInput(
            f"window is {str(value)[:80]!r}", hint="use a number and d, h, m or s: 7d, 4h, 30m, 30s"
        )
    if not timedelta(0) < span <= LONGEST:
        raise InvalidInput(
            f"window is {str(value)[:80]!r}", hint="it must be above zero and at most 3660 days"
        )
    return span


def bucket(moment: datetime) -> datetime:
    """Return the beginning of the quarter of an hour in which a moment lies, in UTC."""
    return moment.astimezone(UTC) - (moment - _ORIGIN) % BUCKET


def period(since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    """Return a period in whole quarters of an hour: `since` rounded down, `until` rounded up.

    Args:
        since: Its beginning; 30 days before its end when None.
        until: Its end; now when None.

    Raises:
        InvalidInput: If a time has no zone, or the period is empty or longer than 3660 days.
    """
    end = inputs.instant(until, "until") or datetime.now(UTC)
    try:
        begin = inputs.instant(since, "since") or end - _USUAL
        begin, end = bucket(begin), bucket(end + BUCKET - timedelta(microseconds=1))
    except OverflowError:
        raise InvalidInput("since or until is too far away", hint="use years 2 to 9998") from None
    if begin >= end:
        raise InvalidInput(f"since {begin:%Y-%m-%d %H:%M} is not before until")
    if end - begin > LONGEST:
        raise InvalidInput(
            f"the period from {begin:%Y-%m-%d} to {end:%Y-%m-%d} is too long",
            hint="ask for at most 3660 days at a time",
        )
    return begin, end


def zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name, for example `Europe/Berlin`.

    Raises:
        InvalidInput: If there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, TypeError, OSError):
        raise InvalidInput(
            f"time_zone is {str(name)[:80]!r}", hint="use an IANA name such as Europe/Berlin or UTC"
        ) from None


def days(
    since: datetime, until: datetime, time_zone: ZoneInfo
) -> list[tuple[date, datetime, datetime]]:
    """Return the days of a zone that a period touches, each with its part of the period.

    Args:
        since: Beginning of a bucket.
        until: End of a bucket.
        time_zone: Whose midnights.
    """
    found = []
    day = since.astimezone(time_zone).date()
    last = (until - timedelta(microseconds=1)).astimezone(time_zone).date()
    while day <= last:
        begin, end = _midnight(day, time_zone), _midnight(day + timedelta(days=1), time_zone)
        found.append((day, max(begin, since), max(min(end, until), since)))
        day += timedelta(days=1)
    return found


def _midnight(day: date, time_zone: ZoneInfo) -> datetime:
    # Where clocks skip midnight, this is the moment of the change.
    return bucket(datetime.combine(day, time(), tzinfo=time_zone))
