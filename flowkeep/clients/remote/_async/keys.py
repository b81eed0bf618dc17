"""API keys: what shows who calls."""

from uuid import UUID

from pydantic import TypeAdapter

from flowkeep.clients.remote._async.transport import AsyncTransport
from flowkeep.contracts.api.keys import ApiKey, IssuedKey, KeyPatch, NewApiKey
from flowkeep.contracts.api.listing import Listing

_KEY = TypeAdapter(ApiKey)
_KEYS = TypeAdapter(Listing[ApiKey])
_ISSUED = TypeAdapter(IssuedKey)


class AsyncKeys:
    """API keys; it is `client.keys`.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(self, new: NewApiKey) -> IssuedKey:
        """Make a key; its secret is in the answer and can never be read again."""
        return await self._transport.call("POST", "/api-keys", _ISSUED, body=new)

    async def get(self, key_id: UUID) -> ApiKey:
        """Return a key."""
        return await self._transport.call("GET", f"/api-keys/{key_id}", _KEY)

    async def list(
        self, *, subject: str | None = None, limit: int = 20, cursor: UUID | None = None
    ) -> Listing[ApiKey]:
        """Return a page of keys, newest first, ended ones included."""
        query = {"subject": subject, "limit": limit, "cursor": cursor}
        return await self._transport.call("GET", "/api-keys", _KEYS, query=query)

    async def update(self, key_id: UUID, patch: KeyPatch) -> ApiKey:
        """Change what people call a key."""
        return await self._transport.call("PATCH", f"/api-keys/{key_id}", _KEY, body=patch)

    async def revoke(self, key_id: UUID) -> ApiKey:
        """End a key, within five seconds everywhere; once more changes nothing."""
        return await self._transport.call("POST", f"/api-keys/{key_id}/revoke", _KEY)
