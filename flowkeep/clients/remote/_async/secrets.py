"""Secrets with names: stored, listed and removed, never read."""

from typing import Any

from pydantic import TypeAdapter

from flowkeep.clients.remote._async.transport import AsyncTransport
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.secrets import SecretInfo

_SECRETS = TypeAdapter(Listing[SecretInfo])
_NOTHING = TypeAdapter(None)


class AsyncSecrets:
    """Secrets; it is `client.secrets`. For admins of the tenant; values never come back.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(self, *, limit: int = 20, cursor: str | None = None) -> Listing[SecretInfo]:
        """Return a page of the secrets that have names, by name."""
        query = {"limit": limit, "cursor": cursor}
        return await self._transport.call("GET", "/secrets", _SECRETS, query=query)

    async def set(self, name: str, value: str | dict[str, Any]) -> None:
        """Store a value under a name, in the place of the one before."""
        body = {"name": name, "value": value}
        await self._transport.call("PUT", "/secrets", _NOTHING, body=body)

    async def delete(self, name: str) -> None:
        """Remove a secret by its name, or by its id."""
        await self._transport.call("DELETE", "/secrets", _NOTHING, query={"name": name})
