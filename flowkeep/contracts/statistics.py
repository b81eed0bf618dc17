"""What statistics answer with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar
from uuid import UUID

from flowkeep.contracts.record import Record
from flowkeep.contracts.status import RunStatus

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Figures(Generic[T]):
    """Statistics, and up to when they are complete.

    Attributes:
        data: The figures.
        as_of: Changes of runs before this time are counted, later ones perhaps not yet; None
            while the runs of the ledger are being counted for the first time.
    """

    data: T
    as_of: datetime | None


class Counts(Record):
    """How many runs there were.

    Attributes:
        runs: All of them.
        by_status: How many are in each status; a status without runs is left out.
    """

    runs: int
    by_status: Mapping[RunStatus, int]


class DayCounts(Counts):
    """Runs that were created on one day.

    Attributes:
        day: The day in the caller's time zone.
    """

    day: date


class ExecutedCounts(Counts):
    """Runs of one definition or one workflow type.

    Attributes:
        definition_id: The definition; None when types were counted.
        workflow_type: The workflow type; None when definitions were counted.
    """

    definition_id: UUID | None
    workflow_type: str | None


class UsageCounts(Counts):
    """Runs of the definitions that use a module, or one of its steps.

    Attributes:
        module: The module; None for steps that name none.
        step: The step; None when modules were counted.
        definitions: How many definitions with such runs use it.
    """

    module: str | None
    step: str | None
    definitions: int


class TenantCounts(Counts):
    """Runs of one tenant.

    Attributes:
        tenant_id: The tenant.
    """

    tenant_id: str


class Durations(Record):
    """How long runs took from their start to their end, in seconds.

    Times are kept in steps of 4.4 %, so a percentile is off by less than that. Without runs that
    ended, all but `count` is None.

    Attributes:
        count: Runs that started and ended.
        mean: Their average.
        p50: Half of them took no longer.
        p90: Nine tenths took no longer.
        p95: 95 % took no longer.
        p99: 99 % took no longer.
    """

    count: int
    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
