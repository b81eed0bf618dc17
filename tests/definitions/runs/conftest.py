"""A client and a worker that runs definitions, shared by all tests; a tenant for each."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pydantic import SecretStr

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.local_engine import LocalEngine
from flowkeep.settings import Settings, StorageSettings
from flowkeep.worker import Worker
from tests.conftest import drop_database
from tests.definitions.runs import actions, coded
from tests.definitions.runs.support import Stage


@pytest.fixture(scope="session")
async def runs_settings(
    engine: LocalEngine, ledger_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Settings]:
    """Settings with a ledger, a storage, a secret key and a task queue of these tests."""
    name = f"runs_{uuid4().hex}"
    url = await engine.create_database(name, template=ledger_template)
    settings = engine.settings()
    storage = StorageSettings(url=(tmp_path_factory.mktemp("runs") / "storage").as_uri())
    yield settings.model_copy(
        update={
            "database": settings.database.model_copy(update={"url": SecretStr(url)}),
            "storage": storage,
            "worker": settings.worker.model_copy(update={"task_queue": f"runs-{uuid4().hex}"}),
        }
    )
    await drop_database(engine, name)


@pytest.fixture(scope="session")
async def runs_client(runs_settings: Settings) -> AsyncIterator[WorkflowClient]:
    """A client with a worker that serves the test actions; it hears of cancellations soon."""
    patch = pytest.MonkeyPatch()
    patch.setattr("flowkeep.recording.heartbeat._LONGEST_INTERVAL_SECONDS", 0.3)
    async with (
        await WorkflowClient.connect(runs_settings) as client,
        Worker(
            client,
            workflow_classes=[coded.Adds],
            workflow_activities=coded.Adds.get_activities(coded.Numbers()),
            actions=actions.ALL,
            action_tenants=[],
        ),
    ):
        yield client
    patch.undo()


@pytest.fixture
async def stage(runs_client: WorkflowClient) -> AsyncIterator[Stage]:
    """A tenant of its own; afterwards the ledger agrees with Temporal about all of its runs."""
    stage = Stage(runs_client)
    yield stage
    actions.let_go()
    await stage.close()
