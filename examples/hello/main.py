"""Serves the workflow, starts one run, and shows what the ledger has of it."""

import asyncio
import sys

from examples.hello.activities import GreetingActivities
from examples.hello.workflows import HelloWorkflow
from flowkeep import Settings, Worker, WorkflowClient


async def main(name: str, settings: Settings | None = None) -> None:
    async with await WorkflowClient.connect(settings) as client:
        async with Worker(
            client,
            workflow_classes=[HelloWorkflow],
            workflow_activities=HelloWorkflow.get_activities(GreetingActivities()),
        ):
            run = await client.start_workflow({"name": name}, workflow_class=HelloWorkflow)
            print(await run.result())
        print(f"run {run.run_id}: {await run.status()}")
        for task in await client.store.tasks.list_tasks("default", run.run_id):
            print(f"  {task.task_name}: {task.status}, attempt {task.attempt}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "world"))
