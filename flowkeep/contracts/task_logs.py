"""Log lines of tasks."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from flowkeep.contracts.record import Record


class LogLevel(StrEnum):
    """How grave a line is, as the standard library orders levels."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"

    @property
    def number(self) -> int:
        """The standard library's number."""
        return _NUMBERS[self]

    @classmethod
    def of(cls, number: int) -> "LogLevel":
        """Return the level of a number; one between two levels is the lower one."""
        return next((one for one in reversed(cls) if one.number <= number), cls.DEBUG)


_NUMBERS = {one: 10 * place for place, one in enumerate(LogLevel, 1)}


class LogLine(Record):
    """A line that the code of an attempt logged.

    Attributes:
        seq: Its place in the order of lists.
        temporal_run_id: The execution it belongs to.
        activity_id: The task.
        attempt: From 1.
        at: When it was logged.
        level: How grave it is.
        logger: Who logged it.
        message: What it says, without secrets.
        fields: What it says beside; null for nothing. In the line that tells how many were not
            kept, `not_kept`.
    """

    seq: int
    temporal_run_id: str
    activity_id: str
    attempt: int
    at: datetime
    level: LogLevel
    logger: str
    message: str
    fields: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class NewLogLine:
    """A line on its way to the ledger.

    Attributes:
        level: As the standard library numbers it.
        fields: Plain JSON.
    """

    run_id: UUID
    tenant_id: str
    temporal_run_id: str
    activity_id: str
    attempt: int
    at: datetime
    level: int
    logger: str
    message: str
    fields: dict[str, Any] | None
