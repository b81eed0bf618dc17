"""A worker in a process of its own, to be killed."""

import asyncio

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.settings import Settings
from flowkeep.worker import Worker
from tests.extraction.logs.query_flows import ReadLogs


async def main() -> None:
    """Serve until killed; settings come from the environment."""
    workflow = ReadLogs
    async with await WorkflowClient.connect(Settings.load()) as client:
        worker = Worker(
            client,
            workflow_classes=[workflow],
            workflow_activities=workflow.get_activities(workflow.activities_cls()),
        )
        await worker.start()


if __name__ == "__main__":
    asyncio.run(main())
