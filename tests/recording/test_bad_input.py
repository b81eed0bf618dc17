"""What is wrong on purpose: each case has a clear error or a truthful record."""

from collections.abc import AsyncIterator

import psycopg
import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.errors import ConfigurationError
from flowkeep.recording.plugin import Plugin
from flowkeep.settings import Settings
from tests.recording import plain


@pytest.fixture
async def recorded(settings: Settings) -> AsyncIterator[Client]:
    """A client that has the plugin."""
    plugin = Plugin(settings)
    assert settings.temporal.address is not None
    yield await Client.connect(settings.temporal.address, plugins=[plugin])
    await plugin.close()


async def _set_back(settings: Settings) -> None:
    """Let the ledger look as an older release left it."""
    connection = await psycopg.AsyncConnection.connect(settings.database_url(), autocommit=True)
    async with connection:
        schema = settings.database.schema_name
        await connection.execute(f"UPDATE {schema}.alembic_version SET version_num = '0001'")


async def test_a_client_refuses_a_ledger_at_another_migration(settings: Settings) -> None:
    """Who connects to a ledger that an older release left is told both migrations and the way."""
    await _set_back(settings)
    with pytest.raises(ConfigurationError, match=r"0001.*flowkeep db upgrade"):
        await WorkflowClient.connect(settings)


async def test_a_worker_with_the_plugin_refuses_a_ledger_at_another_migration(
    recorded: Client, settings: Settings, task_queue: str
) -> None:
    """A plain worker with the plugin ends at once, instead of losing every record it makes."""
    await _set_back(settings)
    worker = Worker(
        recorded, task_queue=task_queue, workflows=[plain.Plain], activities=[plain.greet]
    )
    with pytest.raises(ConfigurationError, match=r"0001.*flowkeep db upgrade"):
        await worker.run()
