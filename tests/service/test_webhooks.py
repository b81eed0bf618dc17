"""Webhooks, directly and over HTTP."""

import base64
from typing import Any

import pytest
from pydantic import ValidationError

from flowkeep.contracts.api.webhooks import DeliveryState, NewWebhook, RunOutcome, WebhookPatch
from flowkeep.errors import NotFound, RevisionMismatch
from tests.service.conftest import ServiceClient
from tests.statestore.records import new_id

URL = "https://example.com/hook"


def new(name: str = "ops", **fields: Any) -> NewWebhook:
    """A webhook."""
    return NewWebhook.model_validate({"name": name, "url": URL, **fields})


async def test_a_webhook_lives(client: ServiceClient) -> None:
    """A webhook is made with a secret of 32 bytes, shown without it, changed, tried and removed."""
    made = await client.webhooks.create(new(labels={"team": "a"}))
    assert len(base64.b64decode(made.secret.removeprefix("whsec_"))) == 32
    assert made.secret not in repr(made)
    assert set(made.events) == set(RunOutcome) - {RunOutcome.WAITING}
    assert await client.webhooks.get(made.id) == made.shown()
    patch = WebhookPatch(events=(RunOutcome.FAILED,), workflow_type="Extract", enabled=False)
    changed = await client.webhooks.update(made.id, patch, made.revision)
    assert (changed.events, changed.labels, changed.enabled) == (("failed",), {"team": "a"}, False)
    with pytest.raises(RevisionMismatch):
        await client.webhooks.update(made.id, WebhookPatch(name="x"), made.revision)
    cleared = await client.webhooks.update(made.id, WebhookPatch(workflow_type=None))
    assert (cleared.workflow_type, cleared.revision) == (None, 3)
    assert await client.webhooks.update(made.id, WebhookPatch(enabled=False)) == cleared
    due = await client.webhooks.test(made.id)
    assert (due.type, due.state, due.run_id) == ("test", DeliveryState.DUE, None)
    assert (await client.webhooks.deliveries(made.id)).data == (due,)
    assert (await client.webhooks.deliveries(made.id, state=DeliveryState.FAILED)).data == ()
    await client.webhooks.delete(made.id)
    for call in (client.webhooks.get, client.webhooks.test, client.webhooks.deliveries):
        with pytest.raises(NotFound, match="webhook"):
            await call(made.id)


async def test_pages(client: ServiceClient) -> None:
    """Webhooks and deliveries are paged without gap or repetition, of an app alone on demand."""
    made = [await client.webhooks.create(new(name, app_id="crm")) for name in "abc"]
    await client.webhooks.create(new("other"))
    first = await client.webhooks.list(app_id="crm", limit=2)
    second = await client.webhooks.list(app_id="crm", limit=2, cursor=first.data[-1].id)
    assert [one.name for one in (*first.data, *second.data)] == ["a", "b", "c"]
    due = [await client.webhooks.test(made[0].id) for _ in range(3)]
    newest = await client.webhooks.deliveries(made[0].id, limit=2)
    oldest = await client.webhooks.deliveries(made[0].id, limit=2, cursor=newest.next)
    assert [*newest.data, *oldest.data] == due[::-1]
    assert oldest.next is None


async def test_a_webhook_that_is_not_there(client: ServiceClient) -> None:
    """An unknown webhook is not found, whatever is done with it."""
    with pytest.raises(NotFound):
        await client.webhooks.update(new_id(), WebhookPatch(name="x"))
    with pytest.raises(NotFound):
        await client.webhooks.delete(new_id())


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "ftp://example.com"},
        {"url": "https://ana:word@example.com/"},
        {"url": "https://example.com/a b"},
        {"url": "https://[::1"},
        {"events": []},
        {"events": ["running"]},
        {"labels": {"a": "\x00"}},
        {"name": ""},
        {"secret": "mine"},
    ],
)
def test_a_webhook_that_cannot_be(fields: dict[str, Any]) -> None:
    """Addresses that are no plain ones, unknown events and odd values are refused at once."""
    with pytest.raises(ValidationError):
        new(**fields)


def test_what_is_required_stays() -> None:
    """A patch may empty a filter, not what every webhook has."""
    assert WebhookPatch(workflow_type=None).changes() == {"workflow_type": None}
    with pytest.raises(ValidationError, match="url cannot be null"):
        WebhookPatch(url=None)
