"""`/webhooks`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import TypeAdapter

from flowkeep.api.answers import as_json, as_page
from flowkeep.api.context import Client, Cursor, Expected, Limit, etag
from flowkeep.api.idempotency import withhold_answer
from flowkeep.api.problems import documented
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.webhooks import (
    Delivery,
    DeliveryState,
    IssuedWebhook,
    NewWebhook,
    Short,
    Webhook,
    WebhookPatch,
)

router = APIRouter(prefix="/webhooks", tags=["webhooks"], responses=documented())

_WEBHOOK = TypeAdapter(Webhook)
_WEBHOOKS = TypeAdapter(Listing[Webhook])
_ISSUED = TypeAdapter(IssuedWebhook)
_DELIVERIES = TypeAdapter(Listing[Delivery])


@router.post(
    "",
    status_code=201,
    response_model=IssuedWebhook,
    responses=documented(409),
    dependencies=[Depends(withhold_answer)],
)
async def create_webhook(client: Client, body: NewWebhook) -> Response:
    """Make a webhook; the `secret` that signs its messages is shown this once."""
    made = await client.webhooks.create(body)
    return as_json(_ISSUED, made, status=201, headers={"ETag": etag(made.revision)})


@router.get("", response_model=Listing[Webhook])
async def list_webhooks(
    request: Request,
    client: Client,
    app_id: Annotated[Short | None, Query(description="Only those of this app.")] = None,
    limit: Limit = 20,
    cursor: Annotated[UUID | None, Query(description="`next` of the page before.")] = None,
) -> Response:
    """List webhooks, oldest first; who is no staff sees their own."""
    page = await client.webhooks.list(app_id=app_id, limit=limit, cursor=cursor)
    return as_page(request, _WEBHOOKS, page)


@router.get("/{webhook_id}", response_model=Webhook)
async def get_webhook(client: Client, webhook_id: UUID) -> Response:
    """Return a webhook, without its secret."""
    return _tagged(await client.webhooks.get(webhook_id))


@router.patch("/{webhook_id}", response_model=Webhook, responses=documented(409, 412))
async def update_webhook(
    client: Client, webhook_id: UUID, body: WebhookPatch, expected: Expected
) -> Response:
    """Change the fields that the body gives."""
    return _tagged(await client.webhooks.update(webhook_id, body, expected))


@router.delete(
    "/{webhook_id}", status_code=204, response_class=Response, responses=documented(409, 412)
)
async def delete_webhook(client: Client, webhook_id: UUID, expected: Expected) -> None:
    """Remove a webhook; what is due is not sent any more."""
    await client.webhooks.delete(webhook_id, expected)


@router.post("/{webhook_id}/test", status_code=202, responses=documented(409))
async def test_webhook(client: Client, webhook_id: UUID) -> Delivery:
    """Have a message of the type `test` delivered; look for it among the deliveries."""
    return await client.webhooks.test(webhook_id)


@router.get("/{webhook_id}/deliveries", response_model=Listing[Delivery])
async def list_deliveries(
    request: Request,
    client: Client,
    webhook_id: UUID,
    state: Annotated[DeliveryState | None, Query(description="Only those in this state.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """List what was and is to be delivered to a webhook, newest first."""
    page = await client.webhooks.deliveries(webhook_id, state=state, limit=limit, cursor=cursor)
    return as_page(request, _DELIVERIES, page)


def _tagged(found: Webhook) -> Response:
    return as_json(_WEBHOOK, found, headers={"ETag": etag(found.revision)})
