"""`/secrets`. Names travel in queries and bodies, where every letter is just a letter."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import TypeAdapter

from flowkeep.api.answers import as_page
from flowkeep.api.context import Client, Limit
from flowkeep.api.problems import documented
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.secrets import NewSecret, SecretInfo, SecretName

router = APIRouter(prefix="/secrets", tags=["secrets"], responses=documented())

Name = Annotated[SecretName, Query(description="Its name, or its id.")]
NameCursor = Annotated[SecretName | None, Query(description="`next` of the page before.")]

_SECRETS = TypeAdapter(Listing[SecretInfo])


@router.get("", response_model=Listing[SecretInfo])
async def list_secrets(
    request: Request, client: Client, limit: Limit = 20, cursor: NameCursor = None
) -> Response:
    """List the secrets that have names, by name; values are never told."""
    page = await client.secrets.list(limit=limit, cursor=cursor)
    return as_page(request, _SECRETS, page)


@router.put("", status_code=204, response_class=Response)
async def set_secret(client: Client, body: NewSecret) -> None:
    """Store a value under a name, in the place of the one before."""
    await client.secrets.set(body.name, body.value)


@router.delete("", status_code=204, response_class=Response)
async def delete_secret(client: Client, name: Name) -> None:
    """Remove a secret."""
    await client.secrets.delete(name)
