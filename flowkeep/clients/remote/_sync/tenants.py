# Made from the file of this name in `_async` by tools/sync_client; do not edit.
"""Tenants as wholes; for system admins."""

from pydantic import TypeAdapter

from flowkeep.clients.remote._sync.transport import Transport
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.tenants import ErasedTenant, TenantErasure

_NAMES = TypeAdapter(Listing[str])
_ERASED = TypeAdapter(ErasedTenant)


class Tenants:
    """Tenants; it is `client.tenants`. For system admins.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, limit: int = 100, cursor: str | None = None) -> Listing[str]:
        """Return a page of the tenants that have anything in the ledger, by name."""
        query = {"limit": limit, "cursor": cursor}
        return self._transport.call("GET", "/tenants", _NAMES, query=query)

    def erase(self, tenant_id: str, erasure: TenantErasure) -> ErasedTenant:
        """Erase everything of a tenant for some seconds; repeat it until it is `done`."""
        query = {"tenant": tenant_id}
        return self._transport.call("POST", "/tenants/erase", _ERASED, query=query, body=erasure)
