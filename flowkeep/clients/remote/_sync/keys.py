# Made from the file of this name in `_async` by tools/sync_client; do not edit.
"""API keys: what shows who calls."""

from uuid import UUID

from pydantic import TypeAdapter

from flowkeep.clients.remote._sync.transport import Transport
from flowkeep.contracts.api.keys import ApiKey, IssuedKey, KeyPatch, NewApiKey
from flowkeep.contracts.api.listing import Listing

_KEY = TypeAdapter(ApiKey)
_KEYS = TypeAdapter(Listing[ApiKey])
_ISSUED = TypeAdapter(IssuedKey)


class Keys:
    """API keys; it is `client.keys`.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, new: NewApiKey) -> IssuedKey:
        """Make a key; its secret is in the answer and can never be read again."""
        return self._transport.call("POST", "/api-keys", _ISSUED, body=new)

    def get(self, key_id: UUID) -> ApiKey:
        """Return a key."""
        return self._transport.call("GET", f"/api-keys/{key_id}", _KEY)

    def list(
        self, *, subject: str | None = None, limit: int = 20, cursor: UUID | None = None
    ) -> Listing[ApiKey]:
        """Return a page of keys, newest first, ended ones included."""
        query = {"subject": subject, "limit": limit, "cursor": cursor}
        return self._transport.call("GET", "/api-keys", _KEYS, query=query)

    def update(self, key_id: UUID, patch: KeyPatch) -> ApiKey:
        """Change what people call a key."""
        return self._transport.call("PATCH", f"/api-keys/{key_id}", _KEY, body=patch)

    def revoke(self, key_id: UUID) -> ApiKey:
        """End a key, within five seconds everywhere; once more changes nothing."""
        return self._transport.call("POST", f"/api-keys/{key_id}/revoke", _KEY)
