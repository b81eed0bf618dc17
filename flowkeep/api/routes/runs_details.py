"""`/runs/{run_id}/…`: tasks, events, executions, pauses, values and progress of a run."""

from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter

from flowkeep.api.answers import as_page
from flowkeep.api.context import Client, Cursor, Limit
from flowkeep.api.problems import documented
from flowkeep.clients.direct.runs_details import RunValue
from flowkeep.contracts import Event, Pause, Segment, Task
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.texts import TemporalName
from flowkeep.contracts.progress import RunProgress
from flowkeep.contracts.tasks import TaskLists

router = APIRouter(prefix="/runs/{run_id}", tags=["runs"], responses=documented())

_TASKS = TypeAdapter(Listing[Task])
_EVENTS = TypeAdapter(Listing[Event])
_VALUE = TypeAdapter(Any)
_PIECE = 64 * 1024
Execution = Annotated[
    TemporalName | None, Query(description="Only attempts of this Temporal execution.")
]


@router.get("/tasks", response_model=Listing[Task])
async def list_run_tasks(
    request: Request,
    client: Client,
    run_id: UUID,
    steps: Annotated[bool, Query(description="Show the steps of activities too.")] = True,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List a run's tasks, each by its newest attempt, in the order they were scheduled."""
    page = await client.runs.tasks(run_id, steps=steps, limit=limit, cursor=cursor)
    return as_page(request, _TASKS, page)


@router.get("/task-names")
async def list_task_names(client: Client, run_id: UUID) -> TaskLists:
    """List the names of a run's tasks by where they stand: current, completed, failed, skipped."""
    return await client.runs.task_names(run_id)


@router.get("/attempts", response_model=Listing[Task])
async def list_attempts(
    request: Request,
    client: Client,
    run_id: UUID,
    activity_id: Annotated[TemporalName | None, Query(description="Only this task's.")] = None,
    temporal_run_id: Execution = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List every attempt of a run's tasks, with input, output and error."""
    page = await client.runs.attempts(
        run_id, activity_id, temporal_run_id=temporal_run_id, limit=limit, cursor=cursor
    )
    return as_page(request, _TASKS, page)


@router.get("/tasks/{activity_id:path}/attempts/{attempt}")
async def get_attempt(
    client: Client,
    run_id: UUID,
    activity_id: str,
    attempt: int,
    temporal_run_id: Execution = None,
) -> Task:
    """Return one attempt of a task; of several executions the last that has it."""
    return await client.runs.attempt(run_id, activity_id, attempt, temporal_run_id=temporal_run_id)


@router.get("/events", response_model=Listing[Event])
async def list_run_events(
    request: Request,
    client: Client,
    run_id: UUID,
    limit: Annotated[int, Query(ge=1, le=1000, description="Rows per page.")] = 50,
    cursor: Cursor = None,
) -> Response:
    """List a run's audit events, newest first."""
    return as_page(request, _EVENTS, await client.runs.events(run_id, limit=limit, cursor=cursor))


@router.get("/segments")
async def list_segments(client: Client, run_id: UUID) -> Listing[Segment]:
    """List a run's Temporal executions, oldest first."""
    return await client.runs.segments(run_id)


@router.get("/pauses")
async def list_pauses(client: Client, run_id: UUID) -> Listing[Pause]:
    """List a run's pauses, newest first."""
    return await client.runs.pauses(run_id)


@router.get("/progress")
async def get_progress(client: Client, run_id: UUID) -> RunProgress:
    """Return how far a run is."""
    return await client.runs.progress(run_id)


@router.get(
    "/payloads/{name}",
    response_class=StreamingResponse,
    responses={200: {"description": "The value", "content": {"application/json": {}}}},
)
async def get_payload(client: Client, run_id: UUID, name: RunValue) -> StreamingResponse:
    """Download the inputs, outputs or state of a run as JSON, in pieces."""
    data = _VALUE.dump_json(await client.runs.value(run_id, name))
    headers = {
        "Content-Length": str(len(data)),
        "Content-Disposition": f'attachment; filename="{run_id}-{name}.json"',
    }
    return StreamingResponse(_pieces(data), headers=headers, media_type="application/json")


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _PIECE):
        yield data[start : start + _PIECE]
