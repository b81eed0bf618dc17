"""Serves the workflow and extracts one database."""

import asyncio
from typing import Any

from examples.founding_option_1.activities import MyExtendedActivities
from examples.founding_option_1.workflows import MyWorkflowWithCustomSequence
from examples.source import source_url
from flowkeep import RunHandle, Settings, Worker, WorkflowClient


async def main(settings: Settings | None = None) -> RunHandle:
    async with await WorkflowClient.connect(settings) as client:
        source = await asyncio.to_thread(source_url, client.settings)
        workflow_args: dict[str, Any] = {"credentials": {"url": source}}
        async with Worker(
            client,
            workflow_classes=[MyWorkflowWithCustomSequence],
            workflow_activities=MyWorkflowWithCustomSequence.get_activities(MyExtendedActivities()),
        ):
            run = await client.start_workflow(
                workflow_args, workflow_class=MyWorkflowWithCustomSequence
            )
            result = await run.result()
        print(f"rows: {result['counts']}")
        print(f"validation: {result['results']['perform_custom_validation']}")
        print(f"manifest: {result['url']}")
        return run


if __name__ == "__main__":
    asyncio.run(main())
