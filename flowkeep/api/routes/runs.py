"""`/runs`: lists, starts, changes and deletion."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import TypeAdapter

from flowkeep.api.answers import as_found, as_json, is_known
from flowkeep.api.context import Client, Expected, etag
from flowkeep.api.problems import documented
from flowkeep.contracts import Run, RunSummary
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.run_query import RunCounts, RunQuery
from flowkeep.contracts.api.runs import (
    DeletedRuns,
    RerunPreview,
    RerunRequest,
    RunDeletion,
    RunPatch,
    RunStart,
    StartedRun,
)
from flowkeep.contracts.api.texts import Text

router = APIRouter(prefix="/runs", tags=["runs"], responses=documented())

_RUN = TypeAdapter(Run)
_RUNS = TypeAdapter(Listing[RunSummary])
_STARTED = TypeAdapter(StartedRun)
_UNCHANGED: dict[int | str, dict[str, str]] = {304: {"description": "Not Modified"}}


@router.post(
    "",
    status_code=202,
    response_model=StartedRun,
    responses=documented(409) | {201: {"model": StartedRun, "description": "Recorded"}},
)
async def start_run(request: Request, client: Client, body: RunStart) -> Response:
    """Start a run of a workflow class; with `external`, record one that runs outside Temporal.

    The answer comes when Temporal has accepted the run, not when it has ended. Repeating the
    request with the same `workflow_id` while the run is open answers with the same run.
    """
    started = await client.runs.start(body)
    place = {"Location": f"{request.url.path.rstrip('/')}/{started.run_id}"}
    return as_json(_STARTED, started, status=201 if body.external else 202, headers=place)


@router.get("", response_model=Listing[RunSummary])
async def list_runs(
    request: Request, client: Client, query: Annotated[RunQuery, Query()]
) -> Response:
    """List the runs that you may see, archived ones included, newest first."""
    return as_found(request, _RUNS, *await client.runs.found(query))


@router.get("/counts")
async def count_runs(
    client: Client,
    window: Annotated[
        str, Query(max_length=20, description="How far back: a number and d, h, m or s.")
    ] = "1d",
    app_id: Annotated[Text | None, Query(description="Only this app's.")] = None,
) -> RunCounts:
    """Count the runs of the last while by status; for staff, who sees everybody's."""
    return await client.runs.count(window, app_id=app_id)


@router.post("/delete", responses=documented(409))
async def delete_runs(client: Client, body: RunDeletion) -> DeletedRuns:
    """Delete runs with everything that is theirs, all or none; for staff."""
    return await client.runs.delete_many(body)


@router.get("/{run_id}", response_model=Run, responses=_UNCHANGED)
async def get_run(request: Request, client: Client, run_id: UUID) -> Response:
    """Return a run with its inputs and outputs.

    The ETag is the run's revision, which every change of the run itself moves. The counters of its
    tasks move without it: `/progress` shows these.
    """
    run = await client.runs.get(run_id)
    tag = etag(run.revision)
    if is_known(request, tag):
        return Response(status_code=304, headers={"ETag": tag})
    return as_json(_RUN, run, headers={"ETag": tag})


@router.patch("/{run_id}", response_model=Run, responses=documented(409, 412))
async def update_run(client: Client, run_id: UUID, body: RunPatch, expected: Expected) -> Response:
    """Change labels, state, owner or hold; of an external run also status, outputs and error.

    A run that Temporal executes is moved by `cancel` and `terminate` alone.
    """
    changed = await client.runs.update(run_id, body, expected)
    return as_json(_RUN, changed, headers={"ETag": etag(changed.revision)})


@router.delete("/{run_id}", status_code=204, response_class=Response, responses=documented(409))
async def delete_run(
    client: Client,
    run_id: UUID,
    force: Annotated[bool, Query(description="Terminate it where it is open.")] = False,
) -> None:
    """Delete a run with everything that is its own; for staff."""
    await client.runs.delete(run_id, force=force)


@router.get("/{run_id}/rerun-preview", responses=documented(409))
async def preview_rerun(
    client: Client,
    run_id: UUID,
    task: Annotated[
        list[Text] | None,
        Query(max_length=1000, description="Begin with these; else with what did not succeed."),
    ] = None,
    newest: Annotated[bool, Query(description="The newest version of the definition.")] = False,
) -> RerunPreview:
    """Tell what a rerun of a definition's run would take over, and what it would do again."""
    return await client.runs.preview_rerun(run_id, RerunRequest(tasks=task, newest=newest))


async def rerun_run(
    request: Request, client: Client, run_id: UUID, body: RerunRequest | None = None
) -> Response:
    """Repeat a run that has ended as a new one.

    A run of a definition takes over what succeeded and does not depend on what is done again; a run
    of a workflow class has the same arguments.
    """
    started = await client.runs.rerun(run_id, body or RerunRequest())
    runs = request.url.path.rsplit("/", 2)[0]
    return as_json(_STARTED, started, status=202, headers={"Location": f"{runs}/{started.run_id}"})


for _verb in ("rerun", "retry"):
    router.add_api_route(
        f"/{{run_id}}/{_verb}",
        rerun_run,
        methods=["POST"],
        status_code=202,
        response_model=StartedRun,
        responses=documented(409),
        name=f"{_verb}_run",
        operation_id=f"{_verb}_run",
    )
