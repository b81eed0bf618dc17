"""`/definitions`: found, made, changed, removed."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from flowkeep.api.context import Client, Cursor, Expected, Limit, etag
from flowkeep.api.definition_body import WRITTEN, Document, Written
from flowkeep.api.definition_paths import Name, Revision
from flowkeep.api.problems import documented
from flowkeep.contracts import DefinitionSummary
from flowkeep.contracts.api.definition_answers import (
    AppliedDefinition,
    DefinitionAnswer,
    DefinitionDifferences,
    DefinitionReport,
    DeletedDefinition,
    Execution,
)
from flowkeep.contracts.api.definitions import (
    CanvasImport,
    DefinitionChange,
    ExecuteRequest,
    Order,
    Word,
)
from flowkeep.contracts.api.listing import Listing
from flowkeep.errors import InvalidInput

router = APIRouter(prefix="/definitions", tags=["definitions"], responses=documented())


@router.post("", status_code=201, responses=documented(409), openapi_extra=WRITTEN)
async def create_definition(client: Client, body: Written, response: Response) -> DefinitionAnswer:
    """Store a new definition; a missing ref or slug is made from its name."""
    made = await client.definitions.create(body)
    response.headers["ETag"] = etag(made.revision)
    response.headers["Location"] = f"/api/v1/definitions/{made.id}"
    return made


@router.put("", responses=documented(409, 412), openapi_extra=WRITTEN)
async def apply_definition(
    client: Client, body: Document, expected: Expected, response: Response
) -> AppliedDefinition:
    """Store a document as the definition of its ref: a new one, or a new version of it."""
    done = await client.definitions.apply(body, expected_revision=expected)
    response.headers["ETag"] = etag(done.definition.revision)
    return done


async def _app(
    app_id: Annotated[Word | None, Query(description="Only definitions of this app.")] = None,
    project_id: Annotated[Word | None, Query(description="The same as app_id.")] = None,
) -> str | None:
    if None not in (app_id, project_id) and app_id != project_id:
        raise InvalidInput("app_id and project_id are the same thing", hint="give one of them")
    return app_id if project_id is None else project_id


@router.get("")
async def list_definitions(
    client: Client,
    app_id: Annotated[str | None, Depends(_app)],
    app_name: Annotated[Word | None, Query(description="Only of apps with this name.")] = None,
    parent: Annotated[Word | None, Query(description="Only of apps that belong to this.")] = None,
    owner: Annotated[Word | None, Query(description="Only this owner's.")] = None,
    tag: Annotated[Word | None, Query(description="Only with this tag.")] = None,
    enabled: Annotated[bool | None, Query(description="Only enabled, or disabled ones.")] = None,
    draft: Annotated[bool | None, Query(description="Only drafts, or none.")] = None,
    module: Annotated[Word | None, Query(description="Only those that use this module.")] = None,
    step: Annotated[
        Word | None, Query(description="Only those that use this step, in the module if given.")
    ] = None,
    text: Annotated[
        Word | None, Query(description="Only with this text in name, ref or description.")
    ] = None,
    include_shared: Annotated[bool, Query(description="Also what other tenants share.")] = False,
    order: Annotated[
        Order, Query(description="Most executed: one page, by app at most.")
    ] = "newest",
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Listing[DefinitionSummary]:
    """List the definitions that the caller may see."""
    return await client.definitions.list(
        app_id=app_id,
        app_name=app_name,
        parent=parent,
        owner=owner,
        tag=tag,
        enabled=enabled,
        draft=draft,
        module=module,
        step=step,
        text=text,
        include_shared=include_shared,
        order=order,
        limit=limit,
        cursor=cursor,
    )


@router.post("/validate", openapi_extra=WRITTEN)
async def validate_definition(client: Client, body: Written) -> DefinitionReport:
    """Return everything that is wrong with a definition; nothing is stored."""
    return await client.definitions.validate(body)


@router.post("/diff", openapi_extra=WRITTEN)
async def diff_definition(
    client: Client,
    body: Document,
    revision: Annotated[
        int | None, Query(ge=0, lt=2**63, description="What is stored now when left out.")
    ] = None,
) -> DefinitionDifferences:
    """Tell what applying a document would change."""
    return await client.definitions.diff(body, revision=revision)


@router.post("/import-canvas", responses=documented(409, 412))
async def import_canvas(
    client: Client, body: CanvasImport, expected: Expected, response: Response
) -> AppliedDefinition:
    """Store what a canvas draws as the definition of a ref."""
    done = await client.definitions.import_canvas(body, expected_revision=expected)
    response.headers["ETag"] = etag(done.definition.revision)
    return done


@router.get("/{definition}")
async def get_definition(client: Client, definition: Name, response: Response) -> DefinitionAnswer:
    """Return a definition with its newest content."""
    found = await client.definitions.get(definition)
    response.headers["ETag"] = etag(found.revision)
    return found


@router.put("/{definition}", responses=documented(409, 412), openapi_extra=WRITTEN)
async def replace_definition(
    client: Client, definition: Name, body: Document, expected: Expected, response: Response
) -> AppliedDefinition:
    """Replace the content of a definition by a document with the same ref."""
    done = await client.definitions.apply(body, definition, expected_revision=expected)
    response.headers["ETag"] = etag(done.definition.revision)
    return done


@router.patch("/{definition}", responses=documented(409, 412))
async def update_definition(
    client: Client,
    definition: Name,
    body: DefinitionChange,
    expected: Expected,
    response: Response,
) -> DefinitionAnswer:
    """Change the fields that are given; null clears."""
    changed = await client.definitions.update(definition, body, expected_revision=expected)
    response.headers["ETag"] = etag(changed.revision)
    return changed


@router.delete("/{definition}", responses=documented(409, 412))
async def delete_definition(
    client: Client,
    definition: Name,
    expected: Expected,
    force: Annotated[bool, Query(description="Unlink the actions that stand for it.")] = False,
) -> DeletedDefinition:
    """Remove a definition, or hide it while runs pin it."""
    return await client.definitions.delete(definition, force=force, expected_revision=expected)


@router.post("/{definition}/execute", status_code=202, responses=documented(409))
async def execute_definition(
    client: Client, definition: Name, body: ExecuteRequest | None = None
) -> Execution:
    """Start a run of a definition; without a body with the parameters' defaults."""
    return await client.definitions.execute(definition, body)


@router.get("/{definition}/diff")
async def diff_revisions(
    client: Client,
    definition: Name,
    old: Revision,
    new: Annotated[
        int | None, Query(ge=0, lt=2**63, description="What is stored now when left out.")
    ] = None,
) -> DefinitionDifferences:
    """Tell what changed from one version to another, or to what is stored now."""
    return await client.definitions.diff_revisions(definition, old, new)
