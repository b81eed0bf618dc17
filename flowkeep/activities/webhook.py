"""Delivering one message to a webhook."""

import time
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from temporalio import activity
from temporalio.exceptions import ApplicationError

from flowkeep.activities.base import ActivitiesInterface
from flowkeep.activities.services import WorkerServices
from flowkeep.activities.webhook_request import WebhookHosts, post
from flowkeep.contracts import RunSummary
from flowkeep.contracts.api.webhooks import DELIVER, Delivery, DeliveryState, Message, Webhook
from flowkeep.contracts.webhook_run import DeliveryArguments
from flowkeep.errors import ConfigurationError

if TYPE_CHECKING:
    from flowkeep.statestore.store import Store


class WebhookActivities(ActivitiesInterface):
    """What the workflow `WebhookWorkflow` needs."""

    def bind(self, services: WorkerServices) -> None:
        """Take over which hosts may be reached; whoever starts the worker hears of a wrong one."""
        super().bind(services)
        self._hosts = WebhookHosts(services.settings.webhooks.allow)

    @activity.defn(name=DELIVER)
    async def deliver(self, arguments: DeliveryArguments) -> None:
        """Send a message once. It may come twice, then under the same id.

        Args:
            arguments: Which, and how often it is tried.

        Raises:
            ApplicationError: If it was not taken.
        """
        found = await self._store.system.delivery(arguments.delivery_id)
        if found is None:
            await self._note(
                arguments.delivery_id, DeliveryState.DROPPED, error="the webhook is gone"
            )
            return
        if found[0].state not in (DeliveryState.DUE, DeliveryState.STARTED):
            return
        delivery, webhook, secret = found
        message = await self._message(delivery, webhook)
        if message is None or not webhook.enabled:
            why = "the run is gone" if webhook.enabled else "the webhook is disabled"
            await self._note(delivery.id, DeliveryState.DROPPED, error=why)
            return
        answer = await post(
            webhook.url,
            message.model_dump_json().encode(),
            message_id=str(delivery.id),
            timestamp=int(time.time()),
            secret=secret,
            hosts=self._hosts,
            timeout_seconds=arguments.timeout_seconds,
        )
        if answer.error is None:
            await self._note(delivery.id, DeliveryState.DELIVERED, answer.status_code)
            return
        attempt = activity.info().attempt
        final = answer.final or attempt >= arguments.attempts
        state = DeliveryState.FAILED if final else DeliveryState.STARTED
        await self._store.system.note_delivery(
            delivery.id,
            state,
            status_code=answer.status_code,
            error=answer.error,
            again_in=timedelta(seconds=arguments.wait_after(attempt)),
        )
        raise ApplicationError(answer.error, type="WebhookRefused", non_retryable=final)

    async def _message(self, delivery: Delivery, webhook: Webhook) -> Message | None:
        """Return what is sent; None where the run is gone."""
        shown = None
        if delivery.run_id is not None:
            runs = self._store.runs
            run = await runs.get_run_by_id(webhook.tenant_id, None, delivery.run_id)
            if run is None:
                return None
            shown = RunSummary.model_validate(
                {name: getattr(run, name) for name in RunSummary.model_fields}
            )
        return Message(
            type=delivery.type,
            id=delivery.id,
            at=delivery.created_at,
            corrected=delivery.corrected,
            run=shown,
        )

    async def _note(
        self,
        delivery_id: UUID,
        state: DeliveryState,
        status_code: int | None = None,
        error: str | None = None,
    ) -> None:
        await self._store.system.note_delivery(
            delivery_id, state, status_code=status_code, error=error
        )

    @property
    def _store(self) -> "Store":
        """The whole ledger: a delivery's run is not the run that it tells of."""
        if self._worker_services is None:
            raise ConfigurationError(
                "WebhookActivities has no ledger", hint="run it in a flowkeep Worker"
            )
        return self._worker_services.store
