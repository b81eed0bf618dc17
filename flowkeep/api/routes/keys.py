"""`/api-keys`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from flowkeep.api.context import Client, Limit
from flowkeep.api.idempotency import withhold_answer
from flowkeep.api.problems import documented
from flowkeep.contracts.api.keys import ApiKey, IssuedKey, KeyPatch, NewApiKey
from flowkeep.contracts.api.listing import Listing

Subject = Annotated[
    str | None,
    Query(max_length=200, pattern=r"^[^\x00]*$", description="Only those that stand for it."),
]
KeyCursor = Annotated[UUID | None, Query(description="`next` of the page before.")]

router = APIRouter(prefix="/api-keys", tags=["keys"], responses=documented())


@router.post("", status_code=201, dependencies=[Depends(withhold_answer)])
async def create_key(client: Client, body: NewApiKey) -> IssuedKey:
    """Make a key; its `secret` is shown this once."""
    return await client.keys.create(body)


@router.get("")
async def list_keys(
    client: Client,
    subject: Subject = None,
    limit: Limit = 20,
    cursor: KeyCursor = None,
) -> Listing[ApiKey]:
    """List keys, newest first, ended ones included; who is no admin sees their own."""
    return await client.keys.list(subject=subject, limit=limit, cursor=cursor)


@router.get("/{key_id}")
async def get_key(client: Client, key_id: UUID) -> ApiKey:
    """Return a key, without its secret."""
    return await client.keys.get(key_id)


@router.patch("/{key_id}")
async def update_key(client: Client, key_id: UUID, body: KeyPatch) -> ApiKey:
    """Rename a key."""
    return await client.keys.update(key_id, body)


@router.post("/{key_id}/revoke")
async def revoke_key(client: Client, key_id: UUID) -> ApiKey:
    """End a key, within five seconds everywhere."""
    return await client.keys.revoke(key_id)
