"""Bounded fan-out on real servers."""

import pytest

from flowkeep.activities.map_results import read_map_results
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import MapResult, RunKind, RunStatus
from flowkeep.errors import RunFailed
from flowkeep.storage import Storage
from flowkeep.worker import Worker
from tests.support import eventually, flushed
from tests.workflows import flows


async def test_map_keeps_order_and_window(
    client: WorkflowClient, worker: Worker, letters: flows.Letters
) -> None:
    """Results come in item order and never more than the window run at once."""
    handle = await client.start_workflow(
        {"items": list(range(30)), "window": 4}, workflow_class=flows.Mapped
    )
    result = MapResult.model_validate(await handle.result())
    assert result.results == [item * 3 for item in range(30)]
    assert result.count == 30
    assert letters.most <= 4


@pytest.mark.parametrize("local", [False, True])
async def test_map_collects_errors_by_index(
    client: WorkflowClient, worker: Worker, local: bool
) -> None:
    """With `collect` the failures are returned by index and the rest is done, local ones too."""
    handle = await client.start_workflow(
        {"items": [1, -2, 3], "on_error": "collect", "local": local}, workflow_class=flows.Mapped
    )
    result = MapResult.model_validate(await handle.result())
    assert result.results == [3, None, 9]
    assert set(result.errors) == {"1"}
    assert "negative: -2" in result.errors["1"]


async def test_map_raises_the_first_error(client: WorkflowClient, worker: Worker) -> None:
    """With `raise` the first failure ends the run."""
    handle = await client.start_workflow({"items": [1, -2, 3]}, workflow_class=flows.Mapped)
    with pytest.raises(RunFailed, match="negative: -2"):
        await handle.result()


async def test_map_above_chunk_goes_to_children(
    client: WorkflowClient, worker: Worker, letters: flows.Letters
) -> None:
    """Above `chunk` items children do the work and the results lie in storage, in item order."""
    handle = await client.start_workflow(
        {"items": list(range(25)), "window": 6, "chunk": 10}, workflow_class=flows.Mapped
    )
    result = MapResult.model_validate(await handle.result())
    assert result.count == 25
    assert result.reference is not None
    storage = Storage(client.settings.storage.url)
    assert list(read_map_results(storage, "default", result.reference)) == [
        item * 3 for item in range(25)
    ]
    assert letters.most <= 6
    await flushed(client)
    hidden = await client.store.runs.get_paginated_runs("default")
    assert [run.id for run in hidden] == [handle.run_id]
    chunks = await client.store.runs.get_paginated_runs("default", kinds=[RunKind.CHUNK])
    assert len(chunks) == 3
    assert {run.parent_run_id for run in chunks} == {handle.run_id}


async def test_pause_holds_the_chunks_of_a_map(
    client: WorkflowClient, worker: Worker, letters: flows.Letters
) -> None:
    """A paused run starts no further item, though its items run in children; resume goes on."""
    handle = await client.start_workflow({"a": 1}, flows.MapsHolding)

    async def holding() -> None:
        assert letters.calls == ["hold", "hold"]

    await eventually(holding)
    await handle.pause("look first")

    async def chunks_wait() -> list[str]:
        page = await client.store.runs.get_paginated_runs("default", kinds=[RunKind.CHUNK])
        assert [run.status for run in page] == [RunStatus.WAITING, RunStatus.WAITING]
        return [run.workflow_id for run in page]

    chunks = await eventually(chunks_wait)
    letters.release.set()
    for workflow_id in chunks:

        async def at_the_gate(workflow_id: str = workflow_id) -> None:
            chunk = client.temporal.get_workflow_handle(workflow_id)
            assert (await chunk.query("progress"))["finished"] == 1

        await eventually(at_the_gate)
    assert letters.calls == ["hold", "hold"]
    await handle.resume()
    assert MapResult.model_validate(await handle.result()).count == 6
    assert letters.calls == ["hold"] * 6


async def test_map_of_nothing_is_empty(client: WorkflowClient, worker: Worker) -> None:
    """No items, no activities, no error."""
    handle = await client.start_workflow({"items": []}, workflow_class=flows.Mapped)
    result = MapResult.model_validate(await handle.result())
    assert (result.count, result.results) == (0, [])
