"""Fixtures: settings and a client whose runs wait on the test's own task queue."""

from collections.abc import AsyncIterator

import pytest

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.settings import Settings


@pytest.fixture
def example_settings(settings: Settings, task_queue: str) -> Settings:
    """The settings of the test, with its task queue."""
    worker = settings.worker.model_copy(update={"task_queue": task_queue})
    return settings.model_copy(update={"worker": worker})


@pytest.fixture
async def client(example_settings: Settings) -> AsyncIterator[WorkflowClient]:
    """A connected client."""
    async with await WorkflowClient.connect(example_settings) as client:
        yield client
