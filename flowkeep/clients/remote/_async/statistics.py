"""Statistics: how many runs there were, how they ended and how long they took."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import TypeAdapter

from flowkeep.clients.remote._async.transport import AsyncTransport
from flowkeep.contracts.api.statistics import TenantFigures, WindowSummary
from flowkeep.contracts.statistics import (
    DayCounts,
    Durations,
    ExecutedCounts,
    Figures,
    UsageCounts,
)

_SUMMARY = TypeAdapter(WindowSummary)
_DAYS = TypeAdapter(Figures[Sequence[DayCounts]])
_DURATIONS = TypeAdapter(Figures[Durations])
_EXECUTED = TypeAdapter(Figures[Sequence[ExecutedCounts]])
_USAGE = TypeAdapter(Figures[Sequence[UsageCounts]])
_TENANTS = TypeAdapter(TenantFigures)


class AsyncStatistics:
    """Statistics; it is `client.statistics`. Archived and deleted runs are counted, too.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def summary(self, window: str = "24h", *, app_id: str | None = None) -> WindowSummary:
        """Return how many runs of the last `window` are in each status, and how long they took."""
        query = {"window": window, "app_id": app_id}
        return await self._transport.call("GET", "/stats", _SUMMARY, query=query)

    async def per_day(
        self,
        time_zone: str = "UTC",
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        app_id: str | None = None,
        definition_id: UUID | None = None,
        workflow_type: str | None = None,
        all_tenants: bool = False,
    ) -> Figures[Sequence[DayCounts]]:
        """Return runs by the day on which they were created, days without runs included."""
        query = {
            "time_zone": time_zone,
            "app_id": app_id,
            "definition_id": definition_id,
            "workflow_type": workflow_type,
            **_period(since, until, all_tenants),
        }
        return await self._transport.call("GET", "/stats/days", _DAYS, query=query)

    async def durations(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        app_id: str | None = None,
        definition_id: UUID | None = None,
        workflow_type: str | None = None,
        all_tenants: bool = False,
    ) -> Figures[Durations]:
        """Return how long runs took, in seconds."""
        query = {
            "app_id": app_id,
            "definition_id": definition_id,
            "workflow_type": workflow_type,
            **_period(since, until, all_tenants),
        }
        return await self._transport.call("GET", "/stats/durations", _DURATIONS, query=query)

    async def most_executed(
        self,
        limit: int = 20,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        by: Literal["definition", "workflow_type"] = "definition",
        app_id: str | None = None,
        all_tenants: bool = False,
    ) -> Figures[Sequence[ExecutedCounts]]:
        """Return the definitions or workflow types with most runs."""
        query = {
            "limit": limit,
            "by": by,
            "app_id": app_id,
            **_period(since, until, all_tenants),
        }
        return await self._transport.call("GET", "/stats/top", _EXECUTED, query=query)

    async def usage(
        self,
        limit: int = 20,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        by: Literal["module", "step"] = "module",
        app_id: str | None = None,
        all_tenants: bool = False,
    ) -> Figures[Sequence[UsageCounts]]:
        """Return the modules or steps whose definitions have most runs."""
        query = {
            "limit": limit,
            "by": by,
            "app_id": app_id,
            **_period(since, until, all_tenants),
        }
        return await self._transport.call("GET", "/stats/usage", _USAGE, query=query)

    async def tenants(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        limit: int = 20,
        cursor: str | None = None,
    ) -> TenantFigures:
        """Return a page of tenants with their runs, by tenant."""
        query = {"limit": limit, "cursor": cursor, **_period(since, until)}
        return await self._transport.call("GET", "/stats/tenants", _TENANTS, query=query)


def _period(
    since: datetime | None, until: datetime | None, all_tenants: bool | None = None
) -> Mapping[str, Any]:
    return {
        "since": None if since is None else since.isoformat(),
        "until": None if until is None else until.isoformat(),
        "all_tenants": all_tenants or None,
    }
