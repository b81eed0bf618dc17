"""Fixtures: a client on real servers, and a worker that serves the test workflows."""

from collections.abc import AsyncIterator

import pytest

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.settings import Settings
from flowkeep.worker import Worker
from tests.workflows import flows

CLASSES = [
    flows.InheritsRun,
    flows.Modelled,
    flows.Sequenced,
    flows.Flaky,
    flows.Holding,
    flows.EndsOnPause,
    flows.Renamed,
    flows.Buggy,
    flows.Patient,
    flows.Local,
    flows.Mapped,
    flows.MapsHolding,
    flows.FailsPreflight,
    flows.Parent,
    flows.Continues,
]


@pytest.fixture
async def client(settings: Settings, task_queue: str) -> AsyncIterator[WorkflowClient]:
    """A connected client whose runs go to the test's own task queue."""
    worker = settings.worker.model_copy(update={"task_queue": task_queue})
    async with await WorkflowClient.connect(
        settings.model_copy(update={"worker": worker})
    ) as client:
        yield client


@pytest.fixture
def letters() -> flows.Letters:
    """The activities instance that the worker serves."""
    return flows.Letters()


@pytest.fixture
async def worker(client: WorkflowClient, letters: flows.Letters) -> AsyncIterator[Worker]:
    """A worker that serves every test workflow."""
    activities = [
        letters.first,
        letters.second,
        letters.third,
        letters.flaky,
        letters.double,
        letters.hold,
    ]
    async with Worker(
        client, workflow_classes=CLASSES, workflow_activities=[*activities]
    ) as worker:
        yield worker
