"""Webhooks of a tenant, and the deliveries of all tenants."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from flowkeep.contracts import Page
from flowkeep.contracts.api.webhooks import (
    Delivery,
    DeliveryState,
    IssuedWebhook,
    NewWebhook,
    Webhook,
)
from flowkeep.contracts.sight import Sight


class WebhookRepository(Protocol):
    """Who is told of runs.

    What is to be told is written by a trigger of the table of events, in the transaction that
    changes the run: a run that has ended has its deliveries, and none is written twice.
    """

    async def create(
        self,
        tenant_id: str,
        new: NewWebhook,
        *,
        owner: str | None = None,
        created_by: str | None = None,
        webhook_id: UUID | None = None,
    ) -> IssuedWebhook:
        """Make a webhook; the secret that signs is in the answer and stored encrypted.

        Args:
            tenant_id: Whose.
            new: What it is to be.
            owner: Whom it belongs to.
            created_by: Who makes it.
            webhook_id: Its id, if not a new one. One that they made under it already is returned
                as it is now.

        Raises:
            Conflict: If the tenant has too many, or somebody else's has this id.
            ConfigurationError: If no key for secrets is set.
        """
        ...

    async def get(self, tenant_id: str, webhook_id: UUID) -> Webhook:
        """Return a webhook.

        Raises:
            NotFound: If the tenant has none of this id.
        """
        ...

    async def list(
        self,
        tenant_id: str,
        *,
        sight: Sight | None = None,
        app_id: str | None = None,
        limit: int = 20,
        last_id: UUID | None = None,
    ) -> Page[Webhook]:
        """Return a page of webhooks, oldest first.

        Args:
            tenant_id: Whose.
            sight: What is seen of them; all when left out.
            app_id: Only those of this app.
            limit: Rows per page, 1 to 100.
            last_id: Id of the last webhook of the page before.
        """
        ...

    async def update(
        self,
        tenant_id: str,
        webhook_id: UUID,
        changes: dict[str, Any],
        *,
        expected_revision: int | None = None,
    ) -> Webhook:
        """Change fields of a webhook.

        Raises:
            NotFound: If the tenant has none of this id.
            RevisionMismatch: If somebody changed it since it was read.
        """
        ...

    async def delete(
        self, tenant_id: str, webhook_id: UUID, *, expected_revision: int | None = None
    ) -> None:
        """Remove a webhook with its secret and its deliveries; raises as `update` does."""
        ...

    async def test(self, tenant_id: str, webhook_id: UUID) -> Delivery:
        """Have a message delivered that nothing happened for.

        Raises:
            NotFound: If the tenant has none of this id.
            Conflict: If so many tests of it were not tried yet that no more are taken.
        """
        ...

    async def deliveries(
        self,
        tenant_id: str,
        webhook_id: UUID,
        *,
        state: DeliveryState | None = None,
        limit: int = 20,
        before: int | None = None,
    ) -> Page[Delivery]:
        """Return a page of the deliveries to a webhook, newest first.

        Args:
            tenant_id: Whose.
            webhook_id: Which.
            state: Only those in this state.
            limit: Rows per page, 1 to 100.
            before: `seq` of the last one of the page before.
        """
        ...


class DeliveryRecordRepository(Protocol):
    """Deliveries without a tenant, for who starts and who sends them."""

    async def claim_deliveries(
        self, limit: int, lease: timedelta, *, per_webhook: int, per_tenant: int, near: timedelta
    ) -> Sequence[UUID]:
        """Take deliveries that are due; until the lease ends nobody else gets them.

        Tenants and webhooks come by turns. On its way is what was claimed, or sent, or is sent
        again soon.

        Args:
            limit: Most of them.
            lease: How long they are nobody else's.
            per_webhook: How many to one webhook may be on their way.
            per_tenant: How many of one tenant may be on their way; a webhook with nothing on its
                way has a place beyond.
            near: How long before and behind its time one that was begun counts as on its way.
        """
        ...

    async def delivery_started(self, delivery_id: UUID) -> None:
        """Say that the workflow of a delivery runs, unless that has told so itself."""
        ...

    async def give_up_deliveries(self, late: timedelta) -> int:
        """Mark as failed what nobody will tell of any more; returns how many.

        Args:
            late: How long ago the next attempt was to be made, and nobody told of it.
        """
        ...

    async def purge_deliveries(self, before: datetime, *, limit: int) -> int:
        """Remove deliveries that finished before a time; returns how many."""
        ...

    async def delivery(self, delivery_id: UUID) -> tuple[Delivery, Webhook, str] | None:
        """Return a delivery, its webhook and the secret; None where either is gone."""
        ...

    async def note_delivery(
        self,
        delivery_id: UUID,
        state: DeliveryState,
        *,
        status_code: int | None = None,
        error: str | None = None,
        again_in: timedelta = timedelta(0),
    ) -> None:
        """Say what became of an attempt.

        Args:
            delivery_id: Which.
            state: `started` for one that is tried again.
            status_code: What was answered.
            error: Why it was not taken.
            again_in: When it is tried again.
        """
        ...
