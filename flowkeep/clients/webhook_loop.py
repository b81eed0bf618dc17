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
from flowkeep.contracts.webhook_run import DeliveryArguments
from flowkeep.errors import FlowkeepError, TemporalUnavailable

if TYPE_CHECKING:
    from flowkeep.clients.workflow import WorkflowClient

logger = logging.getLogger(__name__)

_BATCH = 100
_LEASE = timedelta(seconds=60)
_LATE = timedelta(hours=12)
"""How long a delivery may wait for a worker beside the time that its attempts take."""
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
        self._task_queue = self._settings.task_queue or client.settings.worker.task_queue

    async def run(self) -> NoReturn:
        """Start what is due until cancelled; servers that are away are waited for."""
        tidied = datetime.min.replace(tzinfo=UTC)
        while True:
            started = 0
            try:
                started = await self.start_due()
                if datetime.now(UTC) - tidied > _TIDY_EVERY:
                    await self.tidy()
                    tidied = datetime.now(UTC)
            except FlowkeepError as error:
                logger.warning("webhooks are not told now: %s", error)
            if started < _BATCH:
                await asyncio.sleep(self._settings.poll_seconds)

    async def start_due(self) -> int:
        """Start what is due now, at most a hundred; returns how many.

        Raises:
            LedgerUnavailable: If the ledger is away.
            TemporalUnavailable: If Temporal is away; what was not started is claimed again.
        """
        due = await self._records.claim_deliveries(_BATCH, _LEASE)
        for delivery_id in due:
            await self._start(delivery_id)
        return len(due)

    async def tidy(self) -> None:
        """Give up what nobody tells of any more, and remove what is over for long.

        Raises:
            LedgerUnavailable: If the ledger is away.
        """
        await self._records.give_up_deliveries()
        before = datetime.now(UTC) - timedelta(days=self._settings.keep_days)
        gone = _PURGED
        while gone == _PURGED:
            gone = await self._records.purge_deliveries(before, limit=_PURGED)

    async def _start(self, delivery_id: UUID) -> None:
        arguments = DeliveryArguments(
            delivery_id=delivery_id,
            attempts=self._settings.attempts,
            first_wait_seconds=self._settings.first_wait_seconds,
            longest_wait_seconds=self._settings.longest_wait_seconds,
            timeout_seconds=self._settings.timeout_seconds,
        )
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
        await self._records.delivery_started(
            delivery_id, timedelta(seconds=arguments.longest_seconds) + _LATE
        )
