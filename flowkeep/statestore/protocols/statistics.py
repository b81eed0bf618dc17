"""What can be asked about many runs at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, Protocol
from uuid import UUID

from flowkeep.contracts.page import Page
from flowkeep.contracts.statistics import (
    DayCounts,
    Durations,
    ExecutedCounts,
    Figures,
    TenantCounts,
    UsageCounts,
)
from flowkeep.contracts.status import RunStatus


class RunCounts(Protocol):
    """Counts of runs."""

    async def count_by_status(
        self, tenant_id: str, window: str | timedelta, *, app_id: str | None = None
    ) -> Mapping[RunStatus, int]:
        """Return how many runs created in the last `window` are in each status; all are named.

        Exact at the moment of the call. Archived runs are counted. So are deleted ones, as they
        were when they left, but not those of the first, partial quarter of an hour of the window.
        Chunks of a map are not.

        Args:
            tenant_id: Whose runs.
            window: `7d`, `4h`, `30m`, `30s` or a timedelta; above zero, at most 3660 days.
            app_id: Only runs of this app.

        Raises:
            InvalidInput: If the window is malformed or out of bounds.
        """
        ...


class StatisticsRepository(Protocol):
    """Statistics of a tenant's runs, archived and deleted ones included, chunks of a map not.

    A run counts for the moment at which it was created. Periods are rounded to quarters of an
    hour, outwards; without `since` they begin 30 days before their end, without `until` they end
    now; 3660 days are the longest. Reads bring the counts up to date when that was last done more
    than 15 seconds ago; `Figures.as_of` says up to when they are complete.

    Raises, alike in all:
        InvalidInput: If a period, a name or a limit cannot be used.
    """

    async def per_day(
        self,
        tenant_id: str,
        time_zone: str = "UTC",
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        app_id: str | None = None,
        definition_id: UUID | None = None,
        workflow_type: str | None = None,
    ) -> Figures[Sequence[DayCounts]]:
        """Return the runs created on each day of a period, days without runs included.

        Args:
            tenant_id: Whose runs.
            time_zone: IANA name of the zone whose midnights part the days. Its days may have 23
                or 25 hours.
            since: Beginning of the period.
            until: End of the period.
            app_id: Only runs of this app.
            definition_id: Only runs of this definition.
            workflow_type: Only runs of this workflow type.
        """
        ...

    async def durations(
        self,
        tenant_id: str,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        app_id: str | None = None,
        definition_id: UUID | None = None,
        workflow_type: str | None = None,
    ) -> Figures[Durations]:
        """Return how long the runs of a period took from start to end; off by less than 4.4 %."""
        ...

    async def most_executed(
        self,
        tenant_id: str,
        limit: int = 20,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        by: Literal["definition", "workflow_type"] = "definition",
        app_id: str | None = None,
    ) -> Figures[Sequence[ExecutedCounts]]:
        """Return the definitions or workflow types with most runs, most first.

        Args:
            tenant_id: Whose runs.
            limit: At most so many, 1 to 100.
            since: Beginning of the period.
            until: End of the period.
            by: What is counted.
            app_id: Only runs of this app.
        """
        ...

    async def usage(
        self,
        tenant_id: str,
        limit: int = 20,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        by: Literal["module", "step"] = "module",
        app_id: str | None = None,
    ) -> Figures[Sequence[UsageCounts]]:
        """Return the modules or steps whose definitions have most runs, most first.

        A run counts once for each module or step that its definition has now, however often the
        definition uses it.

        Args:
            tenant_id: Whose runs.
            limit: At most so many, 1 to 100.
            since: Beginning of the period.
            until: End of the period.
            by: What is counted.
            app_id: Only runs of this app.
        """
        ...


class SystemStatisticsRepository(Protocol):
    """Statistics over all tenants, for operators; see `StatisticsRepository`."""

    async def per_tenant(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        limit: int = 100,
        after: str | None = None,
    ) -> Figures[Page[TenantCounts]]:
        """Return a page of the tenants with runs in a period, in the order of their ids.

        Args:
            since: Beginning of the period.
            until: End of the period.
            limit: Page size, 1 to 100.
            after: The tenant that the page before ended with.
        """
        ...

    async def per_day(
        self,
        time_zone: str = "UTC",
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Figures[Sequence[DayCounts]]:
        """Return the runs of all tenants created on each day of a period."""
        ...

    async def durations(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> Figures[Durations]:
        """Return how long runs of all tenants took."""
        ...

    async def most_executed(
        self,
        limit: int = 20,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        by: Literal["definition", "workflow_type"] = "definition",
    ) -> Figures[Sequence[ExecutedCounts]]:
        """Return the definitions or workflow types with most runs of all tenants."""
        ...

    async def usage(
        self,
        limit: int = 20,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        by: Literal["module", "step"] = "module",
    ) -> Figures[Sequence[UsageCounts]]:
        """Return the modules or steps whose definitions have most runs of all tenants."""
        ...

    async def fold_rollups(self, *, rebuild: bool = False) -> bool:
        """Bring the counts up to date now, in short transactions.

        Args:
            rebuild: Count all runs anew; a rebuild that was stopped goes on with the next call.

        Returns:
            Whether everything is counted: false when another process counts just now.
        """
        ...
