"""Webhooks: who is told how runs end."""

from uuid import UUID

from pydantic import TypeAdapter

from flowkeep.clients.remote._async.transport import AsyncTransport
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.webhooks import (
    Delivery,
    DeliveryState,
    IssuedWebhook,
    NewWebhook,
    Webhook,
    WebhookPatch,
)

_WEBHOOK = TypeAdapter(Webhook)
_WEBHOOKS = TypeAdapter(Listing[Webhook])
_ISSUED = TypeAdapter(IssuedWebhook)
_DELIVERY = TypeAdapter(Delivery)
_DELIVERIES = TypeAdapter(Listing[Delivery])
_NOTHING = TypeAdapter(None)


class AsyncWebhooks:
    """Webhooks; it is `client.webhooks`.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(self, new: NewWebhook) -> IssuedWebhook:
        """Make a webhook; the secret that signs its messages can never be read again."""
        return await self._transport.call("POST", "/webhooks", _ISSUED, body=new)

    async def get(self, webhook_id: UUID) -> Webhook:
        """Return a webhook, without its secret."""
        return await self._transport.call("GET", f"/webhooks/{webhook_id}", _WEBHOOK)

    async def list(
        self, *, app_id: str | None = None, limit: int = 20, cursor: UUID | None = None
    ) -> Listing[Webhook]:
        """Return a page of the webhooks that the caller sees, oldest first."""
        query = {"app_id": app_id, "limit": limit, "cursor": cursor}
        return await self._transport.call("GET", "/webhooks", _WEBHOOKS, query=query)

    async def update(
        self, webhook_id: UUID, patch: WebhookPatch, expected_revision: int | None = None
    ) -> Webhook:
        """Change the fields that the patch gives; what is under way is sent as it says then."""
        headers = _expecting(expected_revision)
        return await self._transport.call(
            "PATCH", f"/webhooks/{webhook_id}", _WEBHOOK, body=patch, headers=headers
        )

    async def delete(self, webhook_id: UUID, expected_revision: int | None = None) -> None:
        """Remove a webhook with its deliveries; what is due is not sent any more."""
        headers = _expecting(expected_revision)
        await self._transport.call("DELETE", f"/webhooks/{webhook_id}", _NOTHING, headers=headers)

    async def test(self, webhook_id: UUID) -> Delivery:
        """Have a message of the type `test` delivered, as others are."""
        return await self._transport.call("POST", f"/webhooks/{webhook_id}/test", _DELIVERY)

    async def deliveries(
        self,
        webhook_id: UUID,
        *,
        state: DeliveryState | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Listing[Delivery]:
        """Return a page of the deliveries to a webhook, newest first."""
        query = {"state": state, "limit": limit, "cursor": cursor}
        return await self._transport.call(
            "GET", f"/webhooks/{webhook_id}/deliveries", _DELIVERIES, query=query
        )


def _expecting(revision: int | None) -> dict[str, str] | None:
    return None if revision is None else {"If-Match": f'"{revision}"'}
