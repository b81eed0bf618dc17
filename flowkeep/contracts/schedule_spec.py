"""When a schedule fires: Temporal's own way to say it, checked field by field."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, field_validator, model_validator

from flowkeep.contracts.api.texts import Time
from flowkeep.contracts.cron import cron_problem
from flowkeep.contracts.record import Record

MOST_SECONDS = 366 * 24 * 3600
"""A year: longest interval, offset, jitter and catch-up."""
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _bounded(value: datetime) -> datetime:
    if not _FIRST <= value < _LAST:
        raise ValueError("it must lie in the years 1970 to 2199")
    return value


Moment = Annotated[Time, AfterValidator(_bounded)]
"""A time with a zone that Temporal's server can count with."""
Note = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]


class Overlap(StrEnum):
    """What happens when a schedule fires while a run of it is open."""

    SKIP = "skip"
    """It does not start another one."""
    BUFFER_ONE = "buffer_one"
    """One starts as soon as the open one ends; further ones do not."""
    BUFFER_ALL = "buffer_all"
    """Each starts as soon as those before have ended."""
    CANCEL_OTHER = "cancel_other"
    """The open one is cancelled, and the next starts when it has ended."""
    TERMINATE_OTHER = "terminate_other"
    """The open one is terminated at once."""
    ALLOW_ALL = "allow_all"
    """All run at the same time."""


class Interval(Record):
    """Every so often, counted from 1970-01-01 00:00 UTC.

    Attributes:
        every_seconds: Time between two firings.
        offset_seconds: Shifts all of them; less than `every_seconds`.
    """

    every_seconds: int = Field(ge=1, le=MOST_SECONDS)
    offset_seconds: int = Field(default=0, ge=0, le=MOST_SECONDS)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.offset_seconds >= self.every_seconds:
            raise ValueError("offset_seconds must be less than every_seconds")
        return self


class Range(Record):
    """Numbers from `start` to `end`, every `step`-th.

    Attributes:
        start: The first.
        end: The last; `start` when left out.
        step: Distance of two.
    """

    start: int = Field(ge=0, le=2100)
    end: int | None = Field(default=None, ge=0, le=2100)
    step: int = Field(default=1, ge=1, le=2100)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.end is not None and self.end < self.start:
            raise ValueError("end lies before start")
        return self


Ranges = Annotated[tuple[Range, ...], Field(max_length=60)]
_BOUNDS = {
    "second": (0, 59),
    "minute": (0, 59),
    "hour": (0, 23),
    "day_of_month": (1, 31),
    "month": (1, 12),
    "year": (2000, 2100),
    "day_of_week": (0, 6),
}


class Calendar(Record):
    """Moments at which every field matches, in the schedule's time zone.

    Attributes:
        second: 0 to 59; 0 when left out.
        minute: 0 to 59; 0 when left out.
        hour: 0 to 23; 0 when left out.
        day_of_month: 1 to 31; every one when left out.
        month: 1 to 12; every one when left out.
        year: 2000 to 2100; every one when left out.
        day_of_week: 0 (Sunday) to 6; every one when left out.
        comment: For people.
    """

    second: Ranges = (Range(start=0),)
    minute: Ranges = (Range(start=0),)
    hour: Ranges = (Range(start=0),)
    day_of_month: Ranges = (Range(start=1, end=31),)
    month: Ranges = (Range(start=1, end=12),)
    year: Ranges = ()
    day_of_week: Ranges = (Range(start=0, end=6),)
    comment: Note | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name, (least, most) in _BOUNDS.items():
            ranges: tuple[Range, ...] = getattr(self, name)
            if not ranges and name != "year":
                raise ValueError(f"{name} is empty, so it would never match")
            for one in ranges:
                if one.start < least or (one.end or one.start) > most:
                    raise ValueError(f"{name} is outside {least} to {most}")
        return self


class ScheduleSpec(Record):
    """When a schedule fires: whenever one of its parts says so.

    Attributes:
        cron: Cron expressions, with `@daily` and `@every 15m` among them.
        intervals: Every so often.
        calendars: Moments whose fields match.
        skip: Moments at which it does not fire, whatever the others say.
        start_at: It does not fire earlier.
        end_at: It does not fire later.
        jitter_seconds: Each firing comes late by a random time up to this.
        time_zone: IANA name of the zone of `cron`, `calendars` and `skip`. Where a clock is put
            forward, times that do not exist are left out; where it is put back, those that come
            twice fire twice, as Temporal's server has it.
    """

    cron: tuple[Annotated[str, Field(max_length=200)], ...] = Field(default=(), max_length=20)
    intervals: tuple[Interval, ...] = Field(default=(), max_length=20)
    calendars: tuple[Calendar, ...] = Field(default=(), max_length=20)
    skip: tuple[Calendar, ...] = Field(default=(), max_length=20)
    start_at: Moment | None = None
    end_at: Moment | None = None
    jitter_seconds: int = Field(default=0, ge=0, le=MOST_SECONDS)
    time_zone: str = Field(default="UTC", max_length=100)

    @field_validator("cron")
    @classmethod
    def _cron(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for expression in value:
            problem = cron_problem(expression)
            if problem is not None:
                raise ValueError(f"cron expression {expression!r}: {problem}")
        return value

    @field_validator("time_zone")
    @classmethod
    def _time_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            if value != "UTC" and available_timezones():
                raise ValueError(f"there is no time zone {value!r}; use an IANA name") from None
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not (self.cron or self.intervals or self.calendars):
            raise ValueError("it never fires: give cron, intervals or calendars")
        if self.start_at is not None and self.end_at is not None and self.end_at <= self.start_at:
            raise ValueError("end_at must lie behind start_at")
        return self


class SchedulePolicy(Record):
    """How a schedule deals with what goes another way.

    Attributes:
        overlap: What happens when it fires while a run of it is open.
        catchup_seconds: Firings that the server missed, because it was away, are made up for if
            they are not older; 10 at least.
        pause_on_failure: Whether it pauses when a run of it fails or times out.
    """

    overlap: Overlap = Overlap.SKIP
    catchup_seconds: int = Field(default=86_400, ge=10, le=MOST_SECONDS)
    pause_on_failure: bool = False

    @property
    def catchup(self) -> timedelta:
        """`catchup_seconds` as a duration."""
        return timedelta(seconds=self.catchup_seconds)
