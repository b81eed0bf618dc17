"""Reading the time of a record."""

import re
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flowkeep.errors import ConfigurationError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNIVERSAL = frozenset({"UTC", "GMT", "Z"})
_OFFSET = re.compile(r"([+-])(\d\d)(?::?(\d\d)(?::?(\d\d))?)?")
_MILLISECONDS = {f"{number:03}": number * 1000 for number in range(1000)}
"""Three digits to microseconds."""


class UnknownTimezone(ValueError):
    """The abbreviation of a time zone means nothing here, or more than one thing."""


class LogTime:
    """Turns logged times into microseconds since 1970 UTC. Not safe to share between threads.

    Args:
        zone: IANA name of the zone whose abbreviations the log uses; `UTC`, `GMT` and numeric
            offsets need none.

    Raises:
        ConfigurationError: If there is no such zone.
    """

    def __init__(self, zone: str | None = None) -> None:
        self._second = self._abbreviation = ""
        self._whole = 0
        try:
            self._zone = ZoneInfo(zone) if zone else None
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ConfigurationError(
                f"timezone {zone!r} is not known here",
                hint="write an IANA name such as Europe/Berlin, the server's log_timezone",
            ) from None

    def logged(self, text: str) -> int:
        """Read a time as PostgreSQL's csvlog and jsonlog write it.

        Args:
            text: For example `2026-11-22 10:00:00.123 CET`.

        Raises:
            UnknownTimezone: If the zone cannot be told from its abbreviation.
            ValueError: If it is no such time.
        """
        second, zone = text[:20], text[23:]
        if second != self._second or zone != self._abbreviation:  # records of a second follow
            if second[19:] != "." or zone[:1] != " ":
                raise ValueError("no time with milliseconds")
            local = self._placed(datetime.fromisoformat(second[:19]), zone[1:])
            self._whole = _microseconds(local)
            self._second, self._abbreviation = second, zone
        milliseconds = _MILLISECONDS.get(text[20:23])
        if milliseconds is None:
            raise ValueError("no milliseconds")
        return self._whole + milliseconds

    def read(self, text: str) -> int:
        """Read a time as ISO 8601 writes it, or as PostgreSQL logs it.

        One without an offset is in the zone.

        Raises:
            UnknownTimezone: If it has no offset, and no zone was given.
            ValueError: If it is no such time.
        """
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            return self.logged(text)
        if time.tzinfo is None:
            if self._zone is None:
                raise UnknownTimezone("a time without an offset")
            time = time.replace(tzinfo=self._zone)
        return _microseconds(time)

    def _placed(self, local: datetime, abbreviation: str) -> datetime:
        if abbreviation in _UNIVERSAL:
            return local.replace(tzinfo=UTC)
        if offset := _OFFSET.fullmatch(abbreviation):
            hours, minutes, seconds = (int(part or 0) for part in offset.groups()[1:])
            shift = timedelta(hours=hours, minutes=minutes, seconds=seconds)
            return local.replace(tzinfo=timezone(-shift if offset[1] == "-" else shift))
        for fold in (0, 1):  # an hour comes twice when clocks go back: the abbreviation tells
            time = local.replace(tzinfo=self._zone, fold=fold)
            if self._zone is not None and time.tzname() == abbreviation:
                return time
        raise UnknownTimezone("an abbreviation of no known zone")


def _microseconds(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND
