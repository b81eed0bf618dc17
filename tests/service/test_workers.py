"""Workers, directly and over HTTP."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.settings import Settings
from flowkeep.worker import Worker
from tests.service.conftest import ServiceClient
from tests.support import eventually
from tests.workflows import flows


@pytest.fixture
async def workflow_client(settings: Settings, task_queue: str) -> AsyncIterator[WorkflowClient]:
    """Starts runs on the test's own task queue."""
    worker = settings.worker.model_copy(update={"task_queue": task_queue})
    mine = settings.model_copy(update={"worker": worker})
    async with await WorkflowClient.connect(mine) as client:
        yield client


@pytest.fixture
async def worker(workflow_client: WorkflowClient) -> AsyncIterator[Worker]:
    """Polls the test's own task queue."""
    letters = flows.Letters()
    activities = [letters.first, letters.second, letters.third]
    async with Worker(
        workflow_client, workflow_classes=[flows.Sequenced], workflow_activities=activities
    ) as worker:
        yield worker


async def test_workers_of_used_queues_are_listed(
    client: ServiceClient, worker: Worker, workflow_client: WorkflowClient
) -> None:
    """A queue of the tenant's runs is listed with the worker that polls it, and no other queue."""
    assert (await client.workers.list()).data == ()
    queue = worker.task_queue
    await workflow_client.start_workflow({}, flows.Sequenced)
    await workflow_client.start_workflow({}, flows.Sequenced, task_queue=f"{queue}-unserved")
    await workflow_client.start_workflow({}, flows.Sequenced, tenant_id="b", task_queue="foreign")

    async def polled() -> None:
        served, unserved = (await client.workers.list()).data
        assert (served.name, unserved.name) == (queue, f"{queue}-unserved")
        assert unserved.pollers == ()
        identity = workflow_client.temporal.identity
        kinds = {one.kind for one in served.pollers if one.identity == identity}
        assert kinds == {"workflow", "activity"}
        for one in served.pollers:
            assert abs(datetime.now(UTC) - one.last_access_at) < timedelta(minutes=2)
        waiting = {one.kind: one.waiting for one in unserved.backlogs}
        assert waiting["workflow"] == 1

    await eventually(polled, timeout=30, interval=0.2)
