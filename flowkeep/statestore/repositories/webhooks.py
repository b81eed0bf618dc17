"""Webhooks of a tenant."""

import base64
import secrets as random
from collections.abc import Callable
from typing import Any
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from flowkeep.contracts import Page
from flowkeep.contracts.api.webhooks import (
    MOST_TESTS,
    MOST_WEBHOOKS,
    TEST_TYPE,
    Delivery,
    DeliveryState,
    IssuedWebhook,
    NewWebhook,
    Webhook,
)
from flowkeep.contracts.sight import Sight
from flowkeep.errors import Conflict, NotFound, RevisionMismatch
from flowkeep.statestore.keyring import Keyring
from flowkeep.statestore.repositories import inputs, names, sights
from flowkeep.statestore.repositories.secrets import Secrets
from flowkeep.statestore.secrets import reference_id
from flowkeep.statestore.session import BoundScope, Scope, Session
from flowkeep.statestore.tables import webhook, webhook_delivery

COLUMNS = [webhook.c[name] for name in Webhook.model_fields]
"""What a `Webhook` is read from."""
DELIVERY = [webhook_delivery.c[name] for name in Delivery.model_fields]
"""What a `Delivery` is read from."""
_KEY_BYTES = 32
_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('flowkeep.webhook.' || :tenant, 0))"


class Webhooks:
    """Webhooks; see the Protocol `WebhookRepository`.

    Args:
        scope: Where sessions come from.
        keyring: Gives the keys of secrets when they are needed.
    """

    def __init__(self, scope: Scope, keyring: Callable[[], Keyring]) -> None:
        self._scope = scope
        self._keyring = keyring

    async def create(
        self,
        tenant_id: str,
        new: NewWebhook,
        *,
        owner: str | None = None,
        created_by: str | None = None,
        webhook_id: UUID | None = None,
    ) -> IssuedWebhook:
        """Make a webhook; the secret that signs is in the answer and stored encrypted."""
        tenant_id = inputs.tenant(tenant_id)
        # As https://www.standardwebhooks.com writes symmetric keys.
        secret = f"whsec_{base64.b64encode(random.token_bytes(_KEY_BYTES)).decode()}"
        async with self._scope.write() as session:
            await session.execute(_ALONE, {"tenant": tenant_id})
            bound = Secrets(BoundScope(session.connection, session.schema_name), self._keyring)
            if webhook_id is not None:
                issued = await _issued(session, bound, tenant_id, webhook_id, created_by)
                if issued is not None:
                    return issued
            count = select(func.count()).where(webhook.c.tenant_id == tenant_id)
            if (await session.execute(count)).scalar_one() >= MOST_WEBHOOKS:
                raise Conflict(
                    f"the tenant has {MOST_WEBHOOKS} webhooks already", hint="delete one"
                )
            reference = await bound.put(tenant_id, secret)
            made = await session.execute(
                insert(webhook)
                .values(
                    **_values(new.model_dump()),
                    id=webhook_id or uuid_utils.compat.uuid7(),
                    tenant_id=tenant_id,
                    secret_id=reference_id(reference),
                    owner=owner,
                    created_by=created_by,
                    revision=1,
                    created_at=func.now(),
                    updated_at=func.now(),
                )
                .on_conflict_do_nothing()
                .returning(*COLUMNS)
            )
            row = made.mappings().one_or_none()
            if row is None:  # another tenant's
                raise _taken(webhook_id)
            return IssuedWebhook.model_validate({**row, "secret": secret})

    async def get(self, tenant_id: str, webhook_id: UUID) -> Webhook:
        """Return a webhook."""
        statement = select(*COLUMNS).where(*_one(tenant_id, webhook_id))
        async with self._scope.read() as session:
            row = (await session.execute(statement)).mappings().one_or_none()
        if row is None:
            raise _absent(webhook_id)
        return Webhook.model_validate(dict(row))

    async def list(
        self,
        tenant_id: str,
        *,
        sight: Sight | None = None,
        app_id: str | None = None,
        limit: int = 20,
        last_id: UUID | None = None,
    ) -> Page[Webhook]:
        """Return a page of webhooks, oldest first."""
        where = [webhook.c.tenant_id == inputs.tenant(tenant_id)]
        if sight is not None:
            where.append(sights.owns_or_runs(sight, webhook.c.owner, webhook.c.app_id))
        if app_id is not None:
            where.append(webhook.c.app_id == inputs.text(app_id, "app_id"))
        if last_id is not None:
            where.append(webhook.c.id > inputs.run_id(last_id, "last_id"))
        limit = inputs.page_limit(limit)
        statement = select(*COLUMNS).where(*where).order_by(webhook.c.id).limit(limit + 1)
        async with self._scope.read() as session:
            found = (await session.execute(statement)).mappings().all()
        data = [Webhook.model_validate(dict(row)) for row in found[:limit]]
        return Page(data=data, limit=limit, has_more=len(found) > limit)

    async def update(
        self,
        tenant_id: str,
        webhook_id: UUID,
        changes: dict[str, Any],
        *,
        expected_revision: int | None = None,
    ) -> Webhook:
        """Change fields of a webhook."""
        async with self._scope.write() as session:
            found = await _locked(session, tenant_id, webhook_id, expected_revision)
            wanted = found.evolve(**changes)
            if wanted == found:
                return found
            changed = await session.execute(
                update(webhook)
                .where(webhook.c.id == found.id)
                .values(
                    **_values({name: getattr(wanted, name) for name in changes}),
                    revision=webhook.c.revision + 1,
                    updated_at=func.now(),
                )
                .returning(*COLUMNS)
            )
            return Webhook.model_validate(dict(changed.mappings().one()))

    async def delete(
        self, tenant_id: str, webhook_id: UUID, *, expected_revision: int | None = None
    ) -> None:
        """Remove a webhook with its secret and its deliveries."""
        async with self._scope.write() as session:
            found = await _locked(session, tenant_id, webhook_id, expected_revision)
            gone = delete(webhook).where(webhook.c.id == found.id).returning(webhook.c.secret_id)
            secret_id = (await session.execute(gone)).scalar_one()
            bound = Secrets(BoundScope(session.connection, session.schema_name), self._keyring)
            await bound.delete(tenant_id, secret_id)
            # What is being sent keeps its place until it is over: making webhooks anew makes none.
            await session.execute(
                delete(webhook_delivery).where(
                    webhook_delivery.c.tenant_id == found.tenant_id,
                    webhook_delivery.c.webhook_id == found.id,
                    webhook_delivery.c.state != DeliveryState.STARTED.value,
                )
            )

    async def test(self, tenant_id: str, webhook_id: UUID) -> Delivery:
        """Have a message delivered that nothing happened for."""
        async with self._scope.write() as session:
            found = await _locked(session, tenant_id, webhook_id, None)
            if (await session.execute(_untried(found))).scalar_one() >= MOST_TESTS:
                raise Conflict(
                    f"{MOST_TESTS} tests of webhook {webhook_id} were not tried yet",
                    hint="look for them with `webhook deliveries`",
                )
            made = await session.execute(
                insert(webhook_delivery)
                .values(
                    tenant_id=found.tenant_id,
                    webhook_id=found.id,
                    type=TEST_TYPE,
                    state=DeliveryState.DUE.value,
                    created_at=func.now(),
                    next_at=func.now(),
                )
                .returning(*DELIVERY)
            )
            return Delivery.model_validate(dict(made.mappings().one()))

    async def deliveries(
        self,
        tenant_id: str,
        webhook_id: UUID,
        *,
        state: DeliveryState | None = None,
        limit: int = 20,
        before: int | None = None,
    ) -> Page[Delivery]:
        """Return a page of the deliveries to a webhook, newest first."""
        columns, limit = webhook_delivery.c, inputs.page_limit(limit)
        where = [
            columns.tenant_id == inputs.tenant(tenant_id),
            columns.webhook_id == inputs.run_id(webhook_id, "webhook_id"),
        ]
        if state is not None:
            where.append(columns.state == DeliveryState(state).value)
        if before is not None:
            where.append(columns.seq < before)
        statement = select(*DELIVERY).where(*where).order_by(columns.seq.desc()).limit(limit + 1)
        async with self._scope.ordered() as session:
            found = (await session.execute(statement)).mappings().all()
        data = [Delivery.model_validate(dict(row)) for row in found[:limit]]
        return Page(data=data, limit=limit, has_more=len(found) > limit)


def _values(fields: dict[str, Any]) -> dict[str, Any]:
    """Return columns of fields, their texts checked."""
    values = dict(fields)
    if "events" in values:
        values["events"] = sorted({str(one) for one in values["events"]})
    for name in ("name", "app_id", "workflow_type", "run_owner"):
        if values.get(name) is not None:
            values[name] = names.label(values[name], name)
    return values


def _untried(found: Webhook) -> Select[int]:
    """Return the count of a webhook's tests that nobody has answered or refused yet."""
    columns = webhook_delivery.c
    return select(func.count()).where(
        columns.tenant_id == found.tenant_id,
        columns.webhook_id == found.id,
        columns.next_at.is_not(None),
        columns.state.in_([DeliveryState.DUE.value, DeliveryState.STARTED.value]),
        columns.type == TEST_TYPE,
        columns.attempts == 0,
    )


def _one(tenant_id: str, webhook_id: UUID) -> tuple[Any, ...]:
    tenant, wanted = inputs.tenant(tenant_id), inputs.run_id(webhook_id, "webhook_id")
    return webhook.c.tenant_id == tenant, webhook.c.id == wanted


async def _issued(
    session: Session, bound: Secrets, tenant_id: str, webhook_id: UUID, created_by: str | None
) -> IssuedWebhook | None:
    """Return what the same request made before, with its secret; None where it made nothing.

    Raises:
        Conflict: If somebody else made it.
    """
    wanted = select(*COLUMNS, webhook.c.secret_id).where(*_one(tenant_id, webhook_id))
    row = (await session.execute(wanted)).mappings().one_or_none()
    if row is None:
        return None
    if row["created_by"] != created_by:
        raise _taken(webhook_id)
    found = {name: row[name] for name in Webhook.model_fields}
    secret = await bound.get(tenant_id, row["secret_id"])
    return IssuedWebhook.model_validate({**found, "secret": secret})


async def _locked(
    session: Session, tenant_id: str, webhook_id: UUID, expected_revision: int | None
) -> Webhook:
    statement = select(*COLUMNS).where(*_one(tenant_id, webhook_id)).with_for_update()
    row = (await session.execute(statement)).mappings().one_or_none()
    if row is None:
        raise _absent(webhook_id)
    found = Webhook.model_validate(dict(row))
    if expected_revision not in (None, found.revision):
        assert expected_revision is not None
        raise RevisionMismatch(
            f"webhook {webhook_id}", expected=expected_revision, actual=found.revision
        )
    return found


def _taken(webhook_id: UUID | None) -> Conflict:
    return Conflict(f"the id {webhook_id} is taken", hint="use another one")


def _absent(webhook_id: UUID) -> NotFound:
    return NotFound(f"webhook {webhook_id} does not exist", hint="look it up with `webhook list`")
