"""Counts and durations of runs, from the rollups: of runs that were deleted or archived too."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from flowkeep.contracts.statistics import (
    DayCounts,
    Durations,
    ExecutedCounts,
    Figures,
    UsageCounts,
)
from flowkeep.statestore.repositories import figures, inputs
from flowkeep.statestore.repositories.figures import Chosen
from flowkeep.statestore.session import Scope


class Statistics:
    """Statistics; see the Protocol `StatisticsRepository`.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

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
        """Return the runs created on each day of a period; see the Protocol."""
        chosen = Chosen.of(
            since,
            until,
            tenant_id=inputs.tenant(tenant_id),
            app_id=app_id,
            definition_id=definition_id,
            workflow_type=workflow_type,
        )
        return await figures.per_day(self._scope, chosen, time_zone)

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
        """Return how long runs took; see the Protocol."""
        chosen = Chosen.of(
            since,
            until,
            tenant_id=inputs.tenant(tenant_id),
            app_id=app_id,
            definition_id=definition_id,
            workflow_type=workflow_type,
        )
        return await figures.durations(self._scope, chosen)

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
        """Return the definitions or workflow types with most runs; see the Protocol."""
        chosen = Chosen.of(since, until, tenant_id=inputs.tenant(tenant_id), app_id=app_id)
        return await figures.most_executed(self._scope, chosen, by, limit)

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
        """Return the modules or steps whose definitions have most runs; see the Protocol."""
        chosen = Chosen.of(since, until, tenant_id=inputs.tenant(tenant_id), app_id=app_id)
        return await figures.usage(self._scope, chosen, by, limit)
