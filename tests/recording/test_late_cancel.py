"""A cancel that arrives while the end of a run is being recorded."""

import asyncio
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import RunStatus
from flowkeep.worker import Worker
from tests.support import eventually
from tests.workflows import flows


async def test_a_late_cancel_does_not_tear_the_close(
    client: WorkflowClient, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that had already finished stays finished, in Temporal and in the ledger."""
    closing, release = asyncio.Event(), asyncio.Event()
    close_segment = client.store.system.close_segment

    async def held(*args: Any, **kw: Any) -> Any:
        closing.set()
        await release.wait()
        return await close_segment(*args, **kw)

    monkeypatch.setattr(client.store.system, "close_segment", held)
    handle = await client.start_workflow({"a": 1}, flows.InheritsRun, task_timeout="PT1S")
    await closing.wait()
    temporal = client.temporal.get_workflow_handle(handle.workflow_id)
    await temporal.cancel()

    async def delivered() -> None:
        kinds = [event.event_type for event in (await temporal.fetch_history()).events]
        assert EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED in kinds
        asked = kinds.index(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED)
        assert EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED in kinds[asked:]

    await eventually(delivered)
    release.set()
    assert (await temporal.result())["a"] == 1
    run = await handle.run()
    assert run.status is RunStatus.SUCCEEDED
    assert run.outputs["a"] == 1
