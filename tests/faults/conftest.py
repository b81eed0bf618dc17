"""Servers of its own for each test: they are killed here."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.local_engine import LocalEngine
from flowkeep.statestore.migrate import upgrade
from flowkeep.worker import Worker
from tests.workflows import flows


@pytest.fixture
async def own_engine(tmp_path: Path) -> AsyncIterator[LocalEngine]:
    """Both servers, with an empty ledger."""
    async with LocalEngine(tmp_path / "engine") as engine:
        await upgrade(engine.database_url)
        yield engine


@pytest.fixture
async def client(own_engine: LocalEngine) -> AsyncIterator[WorkflowClient]:
    """A client of the test's own engine."""
    async with await WorkflowClient.connect(own_engine.settings()) as client:
        yield client


@pytest.fixture
def letters() -> flows.Letters:
    """The activities instance that the worker serves."""
    return flows.Letters()


@pytest.fixture
async def worker(client: WorkflowClient, letters: flows.Letters) -> AsyncIterator[Worker]:
    """A worker on the test's own engine."""
    async with Worker(
        client,
        workflow_classes=[flows.Holding, flows.Flaky, flows.InheritsRun],
        workflow_activities=[letters.hold, letters.second, letters.flaky, letters.first],
    ) as worker:
        yield worker
