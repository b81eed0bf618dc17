"""Webhooks and log lines in tests of the ledger."""

from typing import Any

from flowkeep.contracts import Run
from flowkeep.contracts.api.webhooks import IssuedWebhook, NewWebhook
from flowkeep.errors import NotFound
from flowkeep.statestore import Store
from tests.statestore.records import OTHER, TENANT

NEW = NewWebhook(name="hook", url="https://example.com/hook")


async def stored_webhook(store: Store) -> IssuedWebhook:
    """Store a webhook."""
    return await store.webhooks.create(TENANT, NEW)


def foreign_webhooks(store: Store, run: Run, found: IssuedWebhook) -> dict[str, Any]:
    """Return, by method, a call with the foreign tenant and what must come of it."""
    hooks, name = store.webhooks, {"name": "x"}
    return {
        "webhooks.create": (hooks.create(OTHER, NEW), None),
        "webhooks.get": (hooks.get(OTHER, found.id), NotFound),
        "webhooks.list": (hooks.list("third"), "absent"),
        "webhooks.update": (hooks.update(OTHER, found.id, name), NotFound),
        "webhooks.delete": (hooks.delete(OTHER, found.id), NotFound),
        "webhooks.test": (hooks.test(OTHER, found.id), NotFound),
        "webhooks.deliveries": (hooks.deliveries(OTHER, found.id), "absent"),
        "task_logs.list": (store.task_logs.list(OTHER, run.id), "absent"),
        "task_logs.keep": (store.task_logs.keep([]), "absent"),
    }
