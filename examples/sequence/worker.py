"""Serves the workflow until Ctrl-C or SIGTERM."""

import asyncio

from examples.sequence.activities import ReportActivities
from examples.sequence.workflows import MonthlyReport
from flowkeep import Settings, Worker, WorkflowClient


async def main(settings: Settings | None = None) -> None:
    async with await WorkflowClient.connect(settings) as client:
        worker = Worker(
            client,
            workflow_classes=[MonthlyReport],
            workflow_activities=MonthlyReport.get_activities(ReportActivities()),
        )
        await worker.start()


if __name__ == "__main__":
    asyncio.run(main())
