"""The registration snippet of the founding document, and one run."""

import asyncio
from typing import Any

from examples.founding_option_2.activities import MyExtendedActivities
from examples.founding_option_2.workflows import MyWorkflowWithCustomRunLogic
from examples.source import source_url
from flowkeep import RunHandle, Settings, Worker, WorkflowClient


async def main(settings: Settings | None = None) -> RunHandle:
    async with await WorkflowClient.connect(settings) as workflow_client:
        my_activities_instance = MyExtendedActivities()

        worker = Worker(
            workflow_client=workflow_client,
            task_queue="my-custom-task-queue",
            # Register YOUR custom workflow class(es)
            workflow_classes=[MyWorkflowWithCustomRunLogic],
            # Link using the get_activities from YOUR workflow class
            workflow_activities=MyWorkflowWithCustomRunLogic.get_activities(my_activities_instance),
        )

        source = await asyncio.to_thread(source_url, workflow_client.settings)
        workflow_args: dict[str, Any] = {"credentials": {"url": source}}
        async with worker:
            run = await workflow_client.start_workflow(
                workflow_args,
                workflow_class=MyWorkflowWithCustomRunLogic,
                task_queue="my-custom-task-queue",
            )
            print(await run.result())
        return run


if __name__ == "__main__":
    asyncio.run(main())
