"""`/stats`."""

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import TypeAdapter

from flowkeep.api.answers import as_json, next_link
from flowkeep.api.context import Client, Cursor, Limit
from flowkeep.api.problems import documented
from flowkeep.contracts.api.statistics import TenantFigures, WindowSummary
from flowkeep.contracts.api.texts import TemporalName, Text, Time
from flowkeep.contracts.statistics import (
    DayCounts,
    Durations,
    ExecutedCounts,
    Figures,
    UsageCounts,
)

router = APIRouter(prefix="/stats", tags=["statistics"], responses=documented())

App = Annotated[
    Text | None, Query(description="Only this app's; who has roles in apps only names one.")
]
DefinitionId = Annotated[UUID | None, Query(description="Only runs of this definition.")]
WorkflowType = Annotated[TemporalName | None, Query(description="Only runs of this type.")]
Since = Annotated[Time | None, Query(description="Created then or later; else 30 days back.")]
Until = Annotated[Time | None, Query(description="Created before; else now.")]
AllTenants = Annotated[
    bool, Query(description="Of all tenants; for system admins, without other filters.")
]
Window = Annotated[
    str, Query(max_length=20, description="How far back: a number and d, h, m or s.")
]
TimeZone = Annotated[str, Query(max_length=100, description="IANA name, like Europe/Berlin.")]

_TENANTS = TypeAdapter(TenantFigures)


@router.get("")
async def get_summary(client: Client, window: Window = "24h", app_id: App = None) -> WindowSummary:
    """Count the runs of the last hours or days by status, and tell how long they took."""
    return await client.statistics.summary(window, app_id=app_id)


@router.get("/days")
async def get_days(
    client: Client,
    time_zone: TimeZone = "UTC",
    since: Since = None,
    until: Until = None,
    app_id: App = None,
    definition_id: DefinitionId = None,
    workflow_type: WorkflowType = None,
    all_tenants: AllTenants = False,
) -> Figures[Sequence[DayCounts]]:
    """Count runs by the day on which they were created, days without runs included."""
    return await client.statistics.per_day(
        time_zone,
        since,
        until,
        app_id=app_id,
        definition_id=definition_id,
        workflow_type=workflow_type,
        all_tenants=all_tenants,
    )


@router.get("/durations")
async def get_durations(
    client: Client,
    since: Since = None,
    until: Until = None,
    app_id: App = None,
    definition_id: DefinitionId = None,
    workflow_type: WorkflowType = None,
    all_tenants: AllTenants = False,
) -> Figures[Durations]:
    """Tell how long runs took, in seconds: mean and percentiles, off by less than 4.4 %."""
    return await client.statistics.durations(
        since,
        until,
        app_id=app_id,
        definition_id=definition_id,
        workflow_type=workflow_type,
        all_tenants=all_tenants,
    )


@router.get("/top")
async def get_most_executed(
    client: Client,
    by: Annotated[
        Literal["definition", "workflow_type"], Query(description="What is counted.")
    ] = "definition",
    limit: Limit = 20,
    since: Since = None,
    until: Until = None,
    app_id: App = None,
    all_tenants: AllTenants = False,
) -> Figures[Sequence[ExecutedCounts]]:
    """Tell which definitions or workflow types have most runs."""
    return await client.statistics.most_executed(
        limit, since, until, by=by, app_id=app_id, all_tenants=all_tenants
    )


@router.get("/usage")
async def get_usage(
    client: Client,
    by: Annotated[Literal["module", "step"], Query(description="What is counted.")] = "module",
    limit: Limit = 20,
    since: Since = None,
    until: Until = None,
    app_id: App = None,
    all_tenants: AllTenants = False,
) -> Figures[Sequence[UsageCounts]]:
    """Tell which modules or steps are used by the definitions with most runs."""
    return await client.statistics.usage(
        limit, since, until, by=by, app_id=app_id, all_tenants=all_tenants
    )


@router.get("/tenants", response_model=TenantFigures)
async def get_tenant_figures(
    request: Request,
    client: Client,
    since: Since = None,
    until: Until = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """Count the runs of each tenant, by tenant; for system admins."""
    page = await client.statistics.tenants(since, until, limit=limit, cursor=cursor)
    return as_json(_TENANTS, page, headers=next_link(request, page.next))
