"""Deliveries of webhooks of all tenants, for who starts and who sends them."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from flowkeep.contracts.api.webhooks import MOST_WEBHOOKS, Delivery, DeliveryState, Webhook
from flowkeep.errors import NotFound
from flowkeep.statestore import encoding
from flowkeep.statestore.keyring import Keyring
from flowkeep.statestore.repositories import inputs
from flowkeep.statestore.repositories.delivery_claims import CLAIM, CLAIM_ALONE
from flowkeep.statestore.repositories.secrets import Secrets
from flowkeep.statestore.repositories.webhooks import COLUMNS, DELIVERY
from flowkeep.statestore.session import Scope
from flowkeep.statestore.tables import webhook, webhook_delivery

_GIVE_UP = """
UPDATE {schema}.webhook_delivery SET state = 'failed', next_at = NULL, finished_at = now(),
    error = COALESCE(error, 'nobody told what became of it')
WHERE state = 'started' AND next_at <= now() - :late
"""
_PURGE = """
DELETE FROM {schema}.webhook_delivery WHERE id = ANY(ARRAY(
    SELECT id FROM {schema}.webhook_delivery WHERE finished_at < :before
    ORDER BY finished_at LIMIT :limit
))
"""
_OPEN = webhook_delivery.c.state.in_([DeliveryState.DUE.value, DeliveryState.STARTED.value])


class DeliveryRecords:
    """Deliveries without a tenant; see the Protocol `DeliveryRecordRepository`."""

    _scope: Scope
    _keyring: Callable[[], Keyring]

    async def claim_deliveries(
        self, limit: int, lease: timedelta, *, per_webhook: int, per_tenant: int, near: timedelta
    ) -> Sequence[UUID]:
        """Take deliveries that are due; until the lease ends nobody else gets them."""
        where = {
            "limit": inputs.batch_size(limit),
            "lease": lease,
            "per_webhook": per_webhook,
            "per_tenant": per_tenant,
            "most_webhooks": MOST_WEBHOOKS,
            "near": near,
        }
        async with self._scope.write() as session:
            await session.execute(CLAIM_ALONE, {"schema": session.schema_name})
            return list((await session.execute(CLAIM, where)).scalars())

    async def delivery_started(self, delivery_id: UUID) -> None:
        """Say that the workflow of a delivery runs, unless that has told so itself."""
        values = {"state": DeliveryState.STARTED.value, "next_at": func.now()}
        due = webhook_delivery.c.state == DeliveryState.DUE.value
        async with self._scope.write() as session:
            await session.execute(
                update(webhook_delivery)
                .where(webhook_delivery.c.id == delivery_id, due)
                .values(**values)
            )

    async def give_up_deliveries(self, late: timedelta) -> int:
        """Mark as failed what nobody will tell of any more; returns how many."""
        async with self._scope.write() as session:
            return (await session.execute(_GIVE_UP, {"late": late})).rowcount

    async def purge_deliveries(self, before: datetime, *, limit: int) -> int:
        """Remove deliveries that finished before a time; returns how many."""
        where = {"before": inputs.instant(before, "before"), "limit": inputs.batch_size(limit)}
        async with self._scope.write() as session:
            return (await session.execute(_PURGE, where)).rowcount

    async def delivery(self, delivery_id: UUID) -> tuple[Delivery, Webhook, str] | None:
        """Return a delivery, its webhook and the secret; None where either is gone."""
        wanted = webhook_delivery.c.id == inputs.run_id(delivery_id, "delivery_id")
        async with self._scope.read() as session:
            row = (await session.execute(select(*DELIVERY).where(wanted))).mappings().first()
            if row is None:
                return None
            to = webhook.c.id == row["webhook_id"]
            found = await session.execute(select(*COLUMNS, webhook.c.secret_id).where(to))
            other = found.mappings().first()
        if other is None:
            return None
        target = Webhook.model_validate({n: other[n] for n in Webhook.model_fields})
        try:
            secret = await Secrets(self._scope, self._keyring).get(
                target.tenant_id, other["secret_id"]
            )
        except NotFound:  # deleted at this moment
            return None
        return Delivery.model_validate(dict(row)), target, secret

    async def note_delivery(
        self,
        delivery_id: UUID,
        state: DeliveryState,
        *,
        status_code: int | None = None,
        error: str | None = None,
        again_in: timedelta = timedelta(0),
    ) -> None:
        """Say what became of an attempt; `started` for one that is tried again."""
        sent = state is not DeliveryState.DROPPED
        over = state is not DeliveryState.STARTED
        values: dict[str, Any] = {
            "state": state.value,
            "status_code": status_code,
            "error": encoding.storable(error),
            "attempts": webhook_delivery.c.attempts + int(sent),
            "next_at": func.now() + again_in,
        }
        if over:
            values |= {"next_at": None, "finished_at": func.now()}
        told = {"last_error": values["error"]}
        if state is DeliveryState.DELIVERED:
            told["last_delivery_at"] = func.now()
        async with self._scope.write() as session:
            changed = await session.execute(
                update(webhook_delivery)
                .where(webhook_delivery.c.id == delivery_id, _OPEN)
                .values(**values)
                .returning(webhook_delivery.c.webhook_id)
            )
            webhook_id = changed.scalar_one_or_none()
            if webhook_id is not None and sent:
                await session.execute(
                    update(webhook).where(webhook.c.id == webhook_id).values(**told)
                )
