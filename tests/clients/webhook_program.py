"""A keeper of webhooks and a worker that delivers, in a process of its own."""

import asyncio
from uuid import UUID

from flowkeep.activities.webhook import WebhookActivities
from flowkeep.clients.webhook_loop import WebhookLoop
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.settings import Settings
from flowkeep.worker import Worker
from flowkeep.workflows.webhook import WebhookWorkflow


class Halted(WebhookLoop):
    """A keeper that gets no further than Temporal: it never tells the ledger what it started."""

    async def _start(self, delivery_id: UUID) -> None:
        await self._launch(delivery_id)
        await asyncio.Event().wait()


def serve(settings: Settings, *, halted: bool) -> None:
    """Serve until killed.

    Args:
        settings: Of ledger, Temporal and webhooks.
        halted: Whether the keeper stops after its first start.
    """
    asyncio.run(_serve(settings, Halted if halted else WebhookLoop))


async def _serve(settings: Settings, keeper: type[WebhookLoop]) -> None:
    activities = WebhookWorkflow.get_activities(WebhookActivities())
    async with (
        await WorkflowClient.connect(settings) as client,
        Worker(client, workflow_classes=[WebhookWorkflow], workflow_activities=activities),
    ):
        await keeper(client).run()
