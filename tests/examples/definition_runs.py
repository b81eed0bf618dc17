"""Running the definitions of the example, and reading what the ledger has of a run."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from examples.definitions import main as example
from flowkeep.clients.authoring import Authoring
from flowkeep.clients.workflow import RunHandle, WorkflowClient
from flowkeep.worker import Worker
from tests.support import eventually, flushed

FILES = sorted(example.FOLDER.glob("*.yaml"))


@pytest.fixture
async def served(client: WorkflowClient) -> AsyncIterator[WorkflowClient]:
    """A client beside the worker of the example."""
    async with Worker(client, **example.worker(client)):
        yield client


async def start(client: WorkflowClient, number: int, **parameters: Any) -> RunHandle:
    """Store one of the files and start a run of it."""
    path = FILES[number - 1]
    stored = await Authoring(client.store).apply("default", path.read_bytes(), name=path.name)
    return await client.definitions.run(stored.definition.id, parameters)


async def result_of(client: WorkflowClient, number: int, **parameters: Any) -> Any:
    """Run one of the files to its end."""
    return await (await start(client, number, **parameters)).result()


async def rows(client: WorkflowClient, run_id: UUID) -> list[Any]:
    """The attempts of a run, without those that load it."""
    await flushed(client)
    page = await client.store.tasks.list_attempts("default", run_id, limit=100)
    return [one for one in page.data if not one.task_name.startswith("flowkeep.")]


async def states(client: WorkflowClient, run_id: UUID) -> dict[str, str]:
    """How the tasks and items of a run ended."""
    found = sorted(await rows(client, run_id), key=lambda one: one.attempt)
    return {one.activity_id: str(one.status) for one in found}


async def asked(client: WorkflowClient, handle: RunHandle, task: str) -> Any:
    """The open question of a task, as soon as it is there."""

    async def there() -> Any:
        found = await client.questions.list("default", handle.run_id)
        assert [one.task_name for one in found] == [task]
        return found[0]

    return await eventually(there, timeout=40)
