"""A client and a worker on real servers; the plugin alone, for plain programs."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from flowkeep.recording.plugin import Plugin
from flowkeep.settings import Settings
from tests.served import client, letters, worker

__all__ = ["client", "letters", "worker"]


@pytest.fixture
async def plugin(settings: Settings) -> AsyncIterator[Plugin]:
    """The plugin on the test's own ledger."""
    plugin = Plugin(settings)
    yield plugin
    await plugin.close()


@pytest.fixture
async def recorded(settings: Settings, plugin: Plugin) -> Client:
    """A client that has the plugin."""
    assert settings.temporal.address is not None
    return await Client.connect(settings.temporal.address, plugins=[plugin])
