"""`/runs/{run_id}/logs`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import TypeAdapter

from flowkeep.api.answers import as_page
from flowkeep.api.context import Client, Cursor
from flowkeep.api.problems import documented
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.texts import TemporalName
from flowkeep.contracts.task_logs import LogLevel, LogLine

router = APIRouter(prefix="/runs/{run_id}/logs", tags=["runs"], responses=documented())

_LINES = TypeAdapter(Listing[LogLine])


@router.get("", response_model=Listing[LogLine])
async def list_run_logs(
    request: Request,
    client: Client,
    run_id: UUID,
    activity_id: Annotated[TemporalName | None, Query(description="Only this task's.")] = None,
    attempt: Annotated[
        int | None, Query(ge=1, lt=2**31, description="Only attempts with this number.")
    ] = None,
    level: Annotated[
        LogLevel | None, Query(description="Only lines that are at least as grave.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Rows per page.")] = 100,
    cursor: Cursor = None,
) -> Response:
    """List what the code of a run's tasks logged, in the order in which it was written."""
    page = await client.run_logs.list(
        run_id,
        activity_id=activity_id,
        attempt=attempt,
        level=level,
        limit=limit,
        cursor=cursor,
    )
    return as_page(request, _LINES, page)
