"""`/schedules`."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import TypeAdapter

from flowkeep.api.answers import as_json, as_page
from flowkeep.api.context import Client, Cursor, Expected, Limit, etag
from flowkeep.api.problems import documented
from flowkeep.contracts import RunSummary
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.schedules import ScheduleDetail, SchedulePause, ScheduleTrigger
from flowkeep.contracts.schedules import (
    Backfill,
    NewSchedule,
    Schedule,
    ScheduleContent,
    ScheduleName,
    ScheduleState,
    Short,
)

router = APIRouter(prefix="/schedules", tags=["schedules"], responses=documented())

Name = Annotated[ScheduleName, Path(description="Its name in the tenant.")]
_SCHEDULE = TypeAdapter(Schedule)
_DETAIL = TypeAdapter(ScheduleDetail)
_SCHEDULES = TypeAdapter(Listing[Schedule])
_RUNS = TypeAdapter(Listing[RunSummary])


@router.post("", status_code=201, response_model=Schedule, responses=documented(409))
async def create_schedule(client: Client, body: NewSchedule) -> Response:
    """Make a schedule of a definition or a workflow class; the same one again is no error."""
    return _tagged(await client.schedules.create(body), status=201)


@router.get("", response_model=Listing[Schedule])
async def list_schedules(
    request: Request,
    client: Client,
    app_id: Annotated[Short | None, Query(description="Only those of this app.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """List schedules, by name; who is no staff sees their own."""
    page = await client.schedules.list(app_id=app_id, limit=limit, cursor=cursor)
    return as_page(request, _SCHEDULES, page)


@router.get("/{name}", response_model=ScheduleDetail)
async def get_schedule(client: Client, name: Name) -> Response:
    """Return a schedule with its arguments; references stand in the place of secrets."""
    found = await client.schedules.get(name)
    return as_json(_DETAIL, found, headers={"ETag": etag(found.revision)})


@router.put("/{name}", response_model=Schedule, responses=documented(409, 412))
async def put_schedule(
    client: Client, name: Name, body: ScheduleContent, expected: Expected
) -> Response:
    """Make a schedule, or bring the one of that name to this content.

    It stays paused or not, and keeps its owner unless another is given.
    """
    return _tagged(await client.schedules.put(name, body, expected))


@router.delete("/{name}", status_code=204, response_class=Response, responses=documented(409, 412))
async def delete_schedule(client: Client, name: Name, expected: Expected) -> None:
    """Remove a schedule; open runs of it go on."""
    await client.schedules.delete(name, expected)


@router.get("/{name}/state")
async def describe_schedule(client: Client, name: Name) -> ScheduleState:
    """Return the next firings, the last ones and the open runs, as Temporal tells them."""
    return await client.schedules.describe(name)


@router.get("/{name}/runs", response_model=Listing[RunSummary])
async def list_schedule_runs(
    request: Request, client: Client, name: Name, limit: Limit = 20, cursor: Cursor = None
) -> Response:
    """List the runs of a schedule that you may see, newest first."""
    page = await client.schedules.runs(name, limit=limit, cursor=cursor)
    return as_page(request, _RUNS, page)


@router.post("/{name}/pause", response_model=Schedule, responses=documented(409, 412))
async def pause_schedule(
    client: Client, name: Name, expected: Expected, body: SchedulePause | None = None
) -> Response:
    """Let a schedule fire no more; open runs go on."""
    note = None if body is None else body.note
    return _tagged(await client.schedules.pause(name, note, expected))


@router.post("/{name}/resume", response_model=Schedule, responses=documented(409, 412))
async def resume_schedule(
    client: Client, name: Name, expected: Expected, body: SchedulePause | None = None
) -> Response:
    """Let a schedule fire again."""
    note = None if body is None else body.note
    return _tagged(await client.schedules.resume(name, note, expected))


@router.post("/{name}/trigger", status_code=202, response_class=Response, responses=documented(409))
async def trigger_schedule(client: Client, name: Name, body: ScheduleTrigger | None = None) -> None:
    """Let a schedule fire once, now, paused or not; its run is in `/runs` a moment later."""
    await client.schedules.trigger(name, None if body is None else body.overlap)


@router.post(
    "/{name}/backfill", status_code=202, response_class=Response, responses=documented(409)
)
async def backfill_schedule(client: Client, name: Name, body: Backfill) -> None:
    """Let a schedule fire now for each time between two moments at which it would have."""
    await client.schedules.backfill(name, body)


def _tagged(found: Schedule, *, status: int = 200) -> Response:
    return as_json(_SCHEDULE, found, status=status, headers={"ETag": etag(found.revision)})
