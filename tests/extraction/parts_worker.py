"""A worker in a process of its own, to be killed: blocks are small, so that parts are many."""

import asyncio

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.extraction.metadata import transport
from flowkeep.settings import Settings
from flowkeep.worker import Worker
from tests.extraction.flows import Parted

BLOCK_BYTES = 32 * 1024


async def main() -> None:
    """Serve until killed; settings come from the environment."""
    transport.BLOCK_BYTES = BLOCK_BYTES
    async with await WorkflowClient.connect(Settings.load()) as client:
        worker = Worker(
            client,
            workflow_classes=[Parted],
            workflow_activities=Parted.get_activities(Parted.activities_cls()),
        )
        await worker.start()


if __name__ == "__main__":
    asyncio.run(main())
