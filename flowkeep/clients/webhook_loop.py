"""Starts a workflow for each message that is due to a webhook."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NoReturn
from uuid import UUID

import uuid_utils.compat as uuids
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from flowkeep.contracts.api.audit import SYSTEM_TENANT
from flowkeep.contracts.api.webhooks import WEBHOOK_TYPE
from flowkeep.contracts.identity import HEADER, Identity
from flowkeep.contracts.webhook_run import DeliveryArguments, DeliverySchedule
from flowkeep.errors import FlowkeepError, TemporalUnavailable

if TYPE_CHECKING:
    from flowkeep.clients.workflow import WorkflowClient

logger = logging.getLogger(__name__)

_BATCH = 100
_LEASE = timedelta(seconds=60)
_LATE = timedelta(hours=12)
"""How long a delivery may wait for a worker beside the time that its attempts take."""
_NEAR = timedelta(minutes=5)
"""What is sent again sooner than this has a place; what waits longer leaves it to others."""
_AGAIN_SECONDS = 0.1
"""How soon it is looked again once something was started; places may be free by then."""
_TIDY_EVERY = timedelta(minutes=10)
_PURGED = 1000


class WebhookLoop:
    """Starts deliveries. Any number of processes may do so: each delivery has one workflow.

    Who claims a delivery and dies leaves it to the next one, a minute later; the workflow's id is
    the delivery's, so that it is not begun twice. The runs belong to nobody's tenant.

    Args:
        client: Connected to the ledger and to Temporal.
    """

    def __init__(self, client: "WorkflowClient") -> None:
        self._temporal = client.temporal
        self._records = client.store.system
        self._settings = client.settings.webhooks
        self._schedule = DeliverySchedule(
            attempts=self._settings.attempts,
            first_wait_seconds=self._settings.first_wait_seconds,
            longest_wait_seconds=self._settings.longest_wait_seconds,
            timeout_seconds=self._settings.timeout_seconds,
        )
        self._task_queue = self._settings.task_queue or client.settings.worker.task_queue

    async def run(self) -> NoReturn:
        """Start what is due until cancelled; servers that are away are waited for."""
        tidied = datetime.min.replace(tzinfo=UTC)
        pause = longest = self._settings.poll_seconds
        while True:
            pause = min(2 * pause, longest)
            try:
                if await self.start_due():
                    pause = min(_AGAIN_SECONDS, longest)
                if datetime.now(UTC) - tidied > _TIDY_EVERY:
                    await self.tidy()
                    tidied = datetime.now(UTC)
            except FlowkeepError as error:
                logger.warning("webhooks are not told now: %s", error)
            await asyncio.sleep(pause)

    async def start_due(self) -> int:
        """Start what is due now, at most a hundred; returns how many.

        Raises:
            LedgerUnavailable: If the ledger is away.
            TemporalUnavailable: If Temporal is away; what was not started is claimed again.
        """
        due = await self._records.claim_deliveries(
            _BATCH,
            _LEASE,
            per_webhook=self._settings.most_per_webhook,
            per_tenant=self._settings.most_per_tenant,
            near=_NEAR + timedelta(seconds=self._settings.timeout_seconds),
        )
        for delivery_id in due:
            await self._start(delivery_id)
        return len(due)

    async def tidy(self) -> None:
        """Give up what nobody tells of any more, and remove what is over for long.

        Raises:
            LedgerUnavailable: If the ledger is away.
        """
        late = timedelta(seconds=self._schedule.longest_seconds) + _LATE
        await self._records.give_up_deliveries(late)
        before = datetime.now(UTC) - timedelta(days=self._settings.keep_days)
        gone = _PURGED
        while gone == _PURGED:
            gone = await self._records.purge_deliveries(before, limit=_PURGED)

    async def _start(self, delivery_id: UUID) -> None:
        await self._launch(delivery_id)
        await self._records.delivery_started(delivery_id)

    async def _launch(self, delivery_id: UUID) -> None:
        arguments = DeliveryArguments(delivery_id=delivery_id, **self._schedule.model_dump())
        workflow_id = str(delivery_id)
        identity = Identity(
            run_id=str(uuids.uuid7()),
            tenant_id=SYSTEM_TENANT,
            workflow_id=workflow_id,
            origin_type=WEBHOOK_TYPE,
        )
        try:
            await self._temporal.start_workflow(
                WEBHOOK_TYPE,
                arguments.model_dump(mode="json"),
                id=workflow_id,
                task_queue=self._task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                memo={HEADER: identity.to_header()},
            )
        except WorkflowAlreadyStartedError:
            pass  # by whoever claimed it before
        except RPCError as error:
            raise TemporalUnavailable(f"Temporal did not answer: {error.message}") from error
