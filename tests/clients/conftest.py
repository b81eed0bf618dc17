"""A client and a worker on real servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from flowkeep.clients.starter_loop import StarterLoop
from flowkeep.clients.workflow import WorkflowClient
from tests.served import client, letters, worker

__all__ = ["client", "letters", "starter", "worker"]


@pytest.fixture
async def starter(client: WorkflowClient) -> AsyncIterator[StarterLoop]:
    """A loop that starts what is requested in other transactions, already listening."""
    loop = StarterLoop(client)
    task = asyncio.create_task(loop.run())
    await asyncio.wait_for(loop.listening(), 60)
    yield loop
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
