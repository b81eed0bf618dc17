"""`/definitions/{definition}/…`: versions, canvas, runs, switches; `/definition-usage`."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response

from flowkeep.api.context import Client, Cursor, Expected, Limit, etag
from flowkeep.api.definition_paths import Name, Revision
from flowkeep.api.problems import documented
from flowkeep.contracts import DefinitionVersion, RunSummary, VersionSummary
from flowkeep.contracts.api.definition_answers import AppliedDefinition, DefinitionUsage
from flowkeep.contracts.api.definitions import Word
from flowkeep.contracts.api.listing import Listing

router = APIRouter(tags=["definitions"], responses=documented())


@router.get("/definitions/{definition}/versions")
async def list_versions(
    client: Client, definition: Name, limit: Limit = 20, cursor: Cursor = None
) -> Listing[VersionSummary]:
    """List the versions of a definition, newest first."""
    return await client.definitions.versions(definition, limit=limit, cursor=cursor)


@router.get("/definitions/{definition}/versions/{revision}")
async def get_version(
    client: Client, definition: Name, revision: Annotated[int, Path(ge=0, lt=2**63)]
) -> DefinitionVersion:
    """Return one version, whole."""
    return await client.definitions.version(definition, revision)


@router.post("/definitions/{definition}/rollback", responses=documented(409, 412))
async def rollback_definition(
    client: Client, definition: Name, to: Revision, expected: Expected, response: Response
) -> AppliedDefinition:
    """Make the content of an earlier version the newest version."""
    done = await client.definitions.rollback(definition, to, expected_revision=expected)
    response.headers["ETag"] = etag(done.definition.revision)
    return done


@router.post("/definitions/{definition}/enable", responses=documented(409))
async def enable_definition(client: Client, definition: Name) -> AppliedDefinition:
    """Let runs of a definition start."""
    return await client.definitions.set_enabled(definition, True)


@router.post("/definitions/{definition}/disable", responses=documented(409))
async def disable_definition(client: Client, definition: Name) -> AppliedDefinition:
    """Refuse new runs of a definition; those that are open go on."""
    return await client.definitions.set_enabled(definition, False)


@router.get("/definitions/{definition}/canvas")
async def export_canvas(
    client: Client,
    definition: Name,
    revision: Annotated[
        int | None, Query(ge=0, lt=2**63, description="The newest version when left out.")
    ] = None,
) -> Any:
    """Return the canvas that a definition was made from, unchanged."""
    return await client.definitions.canvas(definition, revision=revision)


@router.get("/definitions/{definition}/runs")
async def list_runs_of_definition(
    client: Client, definition: Name, limit: Limit = 20, cursor: Cursor = None
) -> Listing[RunSummary]:
    """List the runs of a definition that the caller may see, newest first."""
    return await client.definitions.runs(definition, limit=limit, cursor=cursor)


@router.get("/definition-usage")
async def definition_usage(
    client: Client,
    by: Annotated[Literal["module", "step"], Query(description="What is counted.")] = "module",
    app_id: Annotated[Word | None, Query(description="Only the runs of this app.")] = None,
    limit: Limit = 20,
) -> DefinitionUsage:
    """Return the modules or steps whose definitions have most runs; for staff."""
    return await client.definitions.usage(by=by, app_id=app_id, limit=limit)
