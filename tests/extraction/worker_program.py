"""A worker process of its own, to be killed: `python -m tests.extraction.worker_program`."""

import asyncio

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.settings import Settings
from flowkeep.worker import Worker
from tests.extraction.flows import Stalling, StallingActivities


async def main() -> None:
    """Serve until killed; settings come from the environment."""
    async with await WorkflowClient.connect(Settings.load()) as client:
        worker = Worker(
            client,
            workflow_classes=[Stalling],
            workflow_activities=Stalling.get_activities(StallingActivities()),
        )
        await worker.start()


if __name__ == "__main__":
    asyncio.run(main())
