"""`/apps`."""

from fastapi import APIRouter, Query, Response

from flowkeep.api.context import Client, Cursor, Limit
from flowkeep.api.problems import documented
from flowkeep.contracts import App, AppPatch, NewApp
from flowkeep.contracts.api.listing import Listing

router = APIRouter(prefix="/apps", tags=["apps"], responses=documented())


@router.post("", status_code=201, responses=documented(409))
async def create_app(client: Client, body: NewApp) -> App:
    """Record an app; the same one again is no error."""
    return await client.apps.create(body)


@router.get("")
async def list_apps(
    client: Client,
    parent: str | None = Query(None, max_length=255, description="Only those that belong to it."),
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Listing[App]:
    """List apps, by id."""
    return await client.apps.list(parent=parent, limit=limit, cursor=cursor)


@router.get("/{app_id}")
async def get_app(client: Client, app_id: str) -> App:
    """Return an app."""
    return await client.apps.get(app_id)


@router.patch("/{app_id}", responses=documented(409))
async def update_app(client: Client, app_id: str, body: AppPatch) -> App:
    """Change the fields that are given."""
    return await client.apps.update(app_id, body)


@router.delete("/{app_id}", status_code=204, response_class=Response, responses=documented(409))
async def delete_app(client: Client, app_id: str) -> None:
    """Remove an app that is empty."""
    await client.apps.delete(app_id)
