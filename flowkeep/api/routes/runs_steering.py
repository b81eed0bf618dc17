"""`/runs/{run_id}/pause` and the like, and `/watch`."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter

from flowkeep.api.answers import as_json
from flowkeep.api.context import Client, etag
from flowkeep.api.problems import documented
from flowkeep.api.streams import frames, stream_place
from flowkeep.clients.direct.watching import updates_of
from flowkeep.contracts import Run
from flowkeep.contracts.api.runs import Reason, Resumption

router = APIRouter(prefix="/runs/{run_id}", tags=["runs"], responses=documented(409))

_RUN = TypeAdapter(Run)
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Server-sent events", "content": {"text/event-stream": {"schema": {}}}}
}
Number = Annotated[int | None, Query(ge=0, lt=2**63, description="Number of the last event known.")]
LastEvent = Annotated[int | None, Header(alias="Last-Event-ID", ge=0, lt=2**63)]


def _moved(run: Run) -> Response:
    return as_json(_RUN, run, headers={"ETag": etag(run.revision)})


@router.post("/pause", response_model=Run)
async def pause_run(client: Client, run_id: UUID, body: Reason | None = None) -> Response:
    """Let no further task of a run start; those under way go on."""
    return _moved(await client.runs.pause(run_id, (body or Reason()).reason))


@router.post("/resume", response_model=Run)
async def resume_run(client: Client, run_id: UUID, body: Resumption | None = None) -> Response:
    """Let a paused run go on."""
    return _moved(await client.runs.resume(run_id, (body or Resumption()).patch))


@router.post("/cancel", response_model=Run)
async def cancel_run(client: Client, run_id: UUID, body: Reason | None = None) -> Response:
    """Ask a run to stop; its workflow may clean up first."""
    return _moved(await client.runs.cancel(run_id, (body or Reason()).reason))


@router.post("/terminate", response_model=Run)
async def terminate_run(client: Client, run_id: UUID, body: Reason | None = None) -> Response:
    """End a run at once, without any clean-up."""
    return _moved(await client.runs.terminate(run_id, (body or Reason()).reason))


@router.get(
    "/watch",
    response_class=StreamingResponse,
    responses=_STREAM,
    dependencies=[Depends(stream_place)],
)
async def watch_run(
    request: Request,
    client: Client,
    run_id: UUID,
    after: Number = None,
    interval: Annotated[float, Query(ge=0.05, le=60, description="Seconds between looks.")] = 0.5,
    last_event_id: LastEvent = None,
) -> StreamingResponse:
    """Follow a run by server-sent events until it has ended.

    `progress` carries a snapshot (its run comes without inputs, outputs and state), `event` an
    audit event with its number as `id`, `end` the last snapshot with the whole run, `problem` why
    nothing more is told: the key was revoked, or has expired. With `Last-Event-ID` the audit events
    behind that number come first.
    """
    known = after if last_event_id is None else last_event_id
    updates = await updates_of(client, run_id, after=known, interval_seconds=interval)
    return StreamingResponse(
        frames(request, client, updates),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
