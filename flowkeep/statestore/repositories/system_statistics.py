"""Statistics over all tenants, for operators."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from flowkeep.contracts.page import Page
from flowkeep.contracts.statistics import (
    DayCounts,
    Durations,
    ExecutedCounts,
    Figures,
    TenantCounts,
    UsageCounts,
)
from flowkeep.statestore.repositories import figures, folding, inputs
from flowkeep.statestore.repositories.figures import Chosen
from flowkeep.statestore.session import Scope


class SystemStatistics:
    """Statistics without a tenant; see the Protocol `SystemStatisticsRepository`.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def per_tenant(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        limit: int = 100,
        after: str | None = None,
    ) -> Figures[Page[TenantCounts]]:
        """Return a page of tenants with their runs, by tenant; see the Protocol."""
        behind = "" if after is None else inputs.name(after, "after")
        chosen = Chosen.of(since, until)
        return await figures.per_tenant(self._scope, chosen, inputs.page_limit(limit), behind)

    async def per_day(
        self,
        time_zone: str = "UTC",
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Figures[Sequence[DayCounts]]:
        """Return the runs of all tenants created on each day of a period."""
        return await figures.per_day(self._scope, Chosen.of(since, until), time_zone)

    async def durations(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> Figures[Durations]:
        """Return how long runs of all tenants took."""
        return await figures.durations(self._scope, Chosen.of(since, until))

    async def most_executed(
        self,
        limit: int = 20,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        by: Literal["definition", "workflow_type"] = "definition",
    ) -> Figures[Sequence[ExecutedCounts]]:
        """Return the definitions or workflow types with most runs of all tenants."""
        return await figures.most_executed(self._scope, Chosen.of(since, until), by, limit)

    async def usage(
        self,
        limit: int = 20,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        by: Literal["module", "step"] = "module",
    ) -> Figures[Sequence[UsageCounts]]:
        """Return the modules or steps whose definitions have most runs of all tenants."""
        return await figures.usage(self._scope, Chosen.of(since, until), by, limit)

    async def fold_rollups(self, *, rebuild: bool = False) -> bool:
        """Count what changed, or everything anew; see the Protocol."""
        return await (folding.rebuild if rebuild else folding.fold)(self._scope)
