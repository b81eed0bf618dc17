"""`/tenants`; for system admins."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import TypeAdapter

from flowkeep.api.answers import as_page
from flowkeep.api.context import Client, Limit
from flowkeep.api.problems import documented
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.tenants import ErasedTenant, TenantErasure, TenantName

router = APIRouter(prefix="/tenants", tags=["tenants"], responses=documented())

Name = Annotated[TenantName, Query(description="The tenant.")]
NameCursor = Annotated[TenantName | None, Query(description="`next` of the page before.")]

_NAMES = TypeAdapter(Listing[str])


@router.get("", response_model=Listing[str])
async def list_tenants(
    request: Request, client: Client, limit: Limit = 100, cursor: NameCursor = None
) -> Response:
    """List the tenants that have anything in the ledger, by name."""
    page = await client.tenants.list(limit=limit, cursor=cursor)
    return as_page(request, _NAMES, page)


@router.post("/erase", responses=documented(409))
async def erase_tenant(client: Client, tenant: Name, body: TenantErasure) -> ErasedTenant:
    """Erase everything of a tenant for some seconds; repeat it until it is `done`.

    The body repeats the tenant's name as `confirm`, unless it is a dry run.
    """
    return await client.tenants.erase(tenant, body)
