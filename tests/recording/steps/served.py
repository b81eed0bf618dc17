"""Activities in workflows of their own, on a plain worker with the plugin, and their records."""

from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from flowkeep.contracts import Task, TaskType
from flowkeep.recording.plugin import Plugin
from flowkeep.recording.verification import Verification
from flowkeep.settings import ReconcilerSettings
from tests.recording.steps import flows
from tests.support import eventually

Start = Callable[..., Any]
SETTINGS = ReconcilerSettings(grace_seconds=0, describes_per_second=1000, lists_per_second=50)


@pytest.fixture
async def start(recorded: Client, plugin: Plugin, task_queue: str) -> AsyncIterator[Start]:
    """Start an activity in a workflow of its own, on a plain worker with the plugin."""
    with ThreadPoolExecutor(10) as threads:
        worker = Worker(
            recorded,
            task_queue=task_queue,
            workflows=[flows.Stepping, flows.Locally],
            activities=flows.ACTIVITIES,
            activity_executor=threads,
            max_concurrent_activities=10,
        )

        async def begin(activity: Any, *args: Any, **options: float) -> WorkflowHandle[Any, Any]:
            return await recorded.start_workflow(
                flows.Stepping.run,
                args=[activity.__name__, list(args), options],
                id=f"{activity.__name__}-{uuid4().hex}",
                task_queue=task_queue,
            )

        async with worker:
            yield begin


async def run_of(plugin: Plugin, handle: WorkflowHandle[Any, Any]) -> UUID:
    """Return the id of the only run of a workflow."""
    runs = await plugin.store.runs.find_by_workflow_id("default", handle.id)
    assert len(runs.data) == 1
    return runs.data[0].id


async def steps_of(plugin: Plugin, handle: WorkflowHandle[Any, Any]) -> list[Task]:
    """Return every attempt of every step, in order."""
    run_id = await run_of(plugin, handle)
    page = await plugin.store.tasks.list_attempts("default", run_id, limit=100)
    steps = [task for task in page if task.type is TaskType.STEP]
    return sorted(steps, key=lambda task: (task.task_index, task.attempt))


async def agrees(recorded: Client, plugin: Plugin, handle: WorkflowHandle[Any, Any]) -> None:
    """Wait until ledger and history say the same, and the counters are those of the rows."""

    async def none() -> None:
        verification = Verification(recorded, plugin.store, SETTINGS)
        found = verification.differences(workflow_id=handle.id, deep=True)
        assert [one async for one in found] == []

    await eventually(none)


async def refused(handle: WorkflowHandle[Any, Any]) -> ApplicationError:
    """Return the error that the activity failed with."""
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    assert isinstance(failure.value.cause, ActivityError)
    cause = failure.value.cause.cause
    assert isinstance(cause, ApplicationError)
    return cause
