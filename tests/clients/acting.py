"""The service's nouns on the ledger, as somebody."""

from collections.abc import Awaitable, Callable

from flowkeep.clients.direct import DirectClient
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts.api.access import Caller, Principal, Role
from flowkeep.contracts.api.keys import IssuedKey, NewApiKey

TENANT = "acme"


def acting(
    client: WorkflowClient,
    subject: str,
    role: Role | None,
    *,
    tenant: str = TENANT,
    key: IssuedKey | None = None,
    before: Callable[[], Awaitable[object]] | None = None,
    **apps: Role,
) -> DirectClient:
    """Return the nouns as somebody.

    Args:
        client: Connected to ledger and Temporal.
        subject: Who.
        role: In the whole tenant.
        tenant: Where they act.
        key: What they showed; else a token of a provider.
        before: What happens between the checks of a call and what it does.
        **apps: Roles in single apps.
    """
    principal = Principal(
        subject=subject,
        tenant_id=tenant,
        role=role,
        app_roles=dict(apps),
        via="token" if key is None else "key",
        key_id=None if key is None else key.id,
    )

    async def temporal() -> WorkflowClient:
        if before is not None:
            await before()
        return client

    caller = Caller(principal=principal, request_id="test")
    return DirectClient(client.store, temporal, client.settings, caller)


async def keyed(
    client: WorkflowClient, subject: str, role: Role | None, **apps: Role
) -> tuple[DirectClient, IssuedKey]:
    """Return the nouns as somebody who shows a key, and the key."""
    new = NewApiKey(name=subject, role=role, app_roles=dict(apps))
    key = await client.store.api_keys.create(TENANT, new, subject=subject)
    return acting(client, subject, role, key=key, **apps), key
