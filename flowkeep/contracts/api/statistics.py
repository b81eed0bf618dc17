"""Statistics: what answers have beside `flowkeep.contracts.statistics`."""

from datetime import datetime

from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.record import Record
from flowkeep.contracts.statistics import Durations, TenantCounts
from flowkeep.contracts.status import RunStatus


class WindowSummary(Record):
    """How the runs of the last hours or days stand.

    Attributes:
        window: How far it looks back: a number and d, h, m or s.
        by_status: Runs created in it, by status; statuses without runs too. Exact to the moment.
        durations: How long those that ended took.
        as_of: Up to when the durations are complete; null while runs are counted for the first
            time.
    """

    window: str
    by_status: dict[RunStatus, int]
    durations: Durations
    as_of: datetime | None


class TenantFigures(Listing[TenantCounts]):
    """A page of tenants with their runs, by tenant.

    Attributes:
        as_of: Up to when the counts are complete; null while runs are counted for the first time.
    """

    as_of: datetime | None
