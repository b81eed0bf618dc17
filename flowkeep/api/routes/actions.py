"""`/actions`: what tasks of definitions can call."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from flowkeep.api.context import Client, Cursor, Expected, Limit, etag
from flowkeep.api.problems import documented
from flowkeep.contracts import Action, ActionPatch, NewAction
from flowkeep.contracts.api.actions import ActionLink
from flowkeep.contracts.api.definitions import Word
from flowkeep.contracts.api.listing import Listing

router = APIRouter(prefix="/actions", tags=["actions"], responses=documented())

ActionName = Annotated[str, Path(max_length=800, description="Its id or its ref.")]


@router.post("", status_code=201, responses=documented(409))
async def create_action(client: Client, body: NewAction, response: Response) -> Action:
    """Record something that a task can call; the same one again is no error."""
    made = await client.actions.create(body)
    response.headers["ETag"] = etag(made.revision)
    return made


@router.get("")
async def list_actions(
    client: Client,
    app_id: Annotated[Word | None, Query(description="Only this app's.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Listing[Action]:
    """List actions, newest first."""
    return await client.actions.list(app_id=app_id, limit=limit, cursor=cursor)


@router.get("/{action}")
async def get_action(client: Client, action: ActionName, response: Response) -> Action:
    """Return an action."""
    found = await client.actions.get(action)
    response.headers["ETag"] = etag(found.revision)
    return found


@router.patch("/{action}", responses=documented(409, 412))
async def update_action(
    client: Client, action: ActionName, body: ActionPatch, expected: Expected, response: Response
) -> Action:
    """Change the fields that are given; null clears."""
    changed = await client.actions.update(action, body, expected_revision=expected)
    response.headers["ETag"] = etag(changed.revision)
    return changed


@router.put("/{action}/definition", responses=documented(409, 412))
async def link_action(
    client: Client, action: ActionName, body: ActionLink, expected: Expected, response: Response
) -> Action:
    """Let an action stand for a definition, or for none."""
    changed = await client.actions.link(action, body.definition, expected_revision=expected)
    response.headers["ETag"] = etag(changed.revision)
    return changed


@router.delete("/{action}", status_code=204, response_class=Response)
async def delete_action(client: Client, action: ActionName) -> None:
    """Remove an action; a worker that serves it records it again."""
    await client.actions.delete(action)
