"""Steps while the ledger goes away and comes back."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.client import Client

from flowkeep.clients.outcome import pending_activities
from flowkeep.contracts import TaskStatus, TaskType
from flowkeep.local_engine import LocalEngine
from flowkeep.recording.plugin import Plugin
from tests.recording.steps import flows
from tests.recording.steps.served import Start, agrees, run_of, start, steps_of
from tests.support import crash, eventually

__all__ = ["start"]


@pytest.fixture
async def plugin(own_engine: LocalEngine) -> AsyncIterator[Plugin]:
    """The plugin on the test's own ledger."""
    plugin = Plugin(own_engine.settings())
    yield plugin
    await plugin.close()


@pytest.fixture
async def recorded(own_engine: LocalEngine, plugin: Plugin) -> Client:
    """A client that has the plugin."""
    assert own_engine.temporal_address is not None
    return await Client.connect(own_engine.temporal_address, plugins=[plugin])


async def lose_the_ledger(engine: LocalEngine, workflow_id: str) -> Any:
    """Kill PostgreSQL while a step is held, then let that go; returns the server."""
    assert engine.postgres is not None
    await flows.reached(workflow_id, "hold")
    await crash(engine.postgres)
    flows.OPEN[workflow_id].set()
    return engine.postgres


async def test_a_step_waits_for_the_ledger(
    own_engine: LocalEngine, start: Start, recorded: Client, plugin: Plugin
) -> None:
    """While the ledger restarts a step waits, beating; then it is recorded in the same attempt."""
    handle = await start(flows.held, heartbeat=2, attempts=1)
    postgres = await lose_the_ledger(own_engine, handle.id)

    async def waits() -> None:
        pending = pending_activities(await handle.describe())
        assert [list(one.heartbeat) for one in pending] == [[{"waits_for": "ledger"}]]

    await eventually(waits)
    await postgres.restart()
    assert await handle.result() == 8
    assert flows.CALLS[handle.id] == {"double 1": 1, "hold": 1, "double 3": 1}
    assert [one.status for one in await steps_of(plugin, handle)] == [TaskStatus.SUCCEEDED] * 3
    await agrees(recorded, plugin, handle)


async def test_nothing_goes_on_unrecorded(
    own_engine: LocalEngine, start: Start, recorded: Client, plugin: Plugin
) -> None:
    """A ledger that stays away fails the attempt; the next one goes on behind what is recorded."""
    handle = await start(flows.held, attempts=0, timeout=4)
    postgres = await lose_the_ledger(own_engine, handle.id)

    async def gave_up() -> None:
        assert flows.CALLS[handle.id]["LedgerUnavailable"] == 1

    await eventually(gave_up)
    assert "double 3" not in flows.CALLS[handle.id]
    await postgres.restart()
    assert await handle.result() == 8
    calls = flows.CALLS[handle.id]
    assert (calls["double 1"], calls["hold"], calls["double 3"]) == (1, 2, 1)
    await agrees(recorded, plugin, handle)
    run_id = await run_of(plugin, handle)
    page = await plugin.store.tasks.list_attempts("default", run_id, limit=100)
    attempts = [one for one in page if one.type is TaskType.ACTIVITY]
    assert attempts[0].error is not None
    assert [one.status for one in attempts][-1] is TaskStatus.SUCCEEDED
