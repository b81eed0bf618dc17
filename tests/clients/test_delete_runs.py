"""Deleting runs and tenants through the client: Temporal first, then the ledger."""

import pytest
import uuid_utils.compat as uuids
from temporalio.client import Client, WorkflowExecutionStatus

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import NewRun
from flowkeep.errors import Conflict
from flowkeep.worker import Worker
from tests.support import eventually
from tests.workflows import flows


async def test_open_runs_are_named_unless_forced(
    client: WorkflowClient, worker: Worker, letters: flows.Letters, temporal_client: Client
) -> None:
    """Open runs are refused by name; forced, they are terminated first, and stay deleted."""
    ended = await client.start_workflow({"a": 1}, flows.InheritsRun)
    await ended.result()
    opened = [await client.start_workflow({"a": n}, flows.Holding) for n in range(2)]
    ids = [ended.run_id, *(handle.run_id for handle in opened)]

    async def holding() -> None:
        assert letters.calls.count("hold") == 2

    await eventually(holding)
    with pytest.raises(Conflict) as caught:
        await client.delete_runs("default", ids)
    assert all(str(handle.run_id) in str(caught.value) for handle in opened)
    assert await client.delete_runs("default", ids, force=True, dry_run=True) == 3
    for handle in opened:
        found = await temporal_client.get_workflow_handle(handle.workflow_id).describe()
        assert found.status is WorkflowExecutionStatus.RUNNING

    assert await client.delete_runs("default", [*ids, uuids.uuid7()], force=True) == 3
    for handle in opened:
        found = await temporal_client.get_workflow_handle(handle.workflow_id).describe()
        assert found.status is WorkflowExecutionStatus.TERMINATED
    letters.release.set()  # the activities end, and report late
    again = await client.start_workflow({"a": 3}, flows.InheritsRun)
    await again.result()
    page = await client.store.runs.get_paginated_runs("default")
    assert [run.id for run in page] == [again.run_id]


async def test_a_run_that_temporal_never_knew(client: WorkflowClient) -> None:
    """A pending run whose start was lost can be deleted by force."""
    lost = await client.store.runs.create(
        "default",
        NewRun(
            id=uuids.uuid7(),
            namespace=client.temporal.namespace,
            workflow_id="never-known",
            workflow_type="InheritsRun",
            task_queue="nobody-listens",
        ),
    )
    assert await client.delete_runs("default", [lost.id], force=True) == 1
    assert await client.store.runs.get_run_by_id("default", None, lost.id) is None


async def test_nobody_deletes_runs_of_another_tenant(client: WorkflowClient) -> None:
    """Ids of another tenant's runs are passed over, force or not, and nothing is terminated."""
    handle = await client.start_workflow({"a": 1}, "Unserved", task_queue="nobody-listens")
    assert await client.delete_runs("rival", [handle.run_id], force=True) == 0
    found = await client.temporal.get_workflow_handle(handle.workflow_id).describe()
    assert found.status is WorkflowExecutionStatus.RUNNING
    await handle.terminate()


async def test_an_erased_tenant_leaves_nothing_running(
    client: WorkflowClient, worker: Worker, letters: flows.Letters
) -> None:
    """Erasing by force terminates the tenant's open runs; others of the same worker go on."""
    gone = await client.start_workflow({"a": 1}, flows.Holding, tenant_id="acme")
    stays = await client.start_workflow({"a": 1}, flows.Holding, tenant_id="rival")

    async def holding() -> None:
        assert letters.calls.count("hold") == 2

    await eventually(holding)
    with pytest.raises(Conflict, match=str(gone.run_id)):
        await client.erase_tenant("acme")
    erased = await client.erase_tenant("acme", force=True)
    assert erased.rows["run"] == 1
    found = await client.temporal.get_workflow_handle(gone.workflow_id).describe()
    assert found.status is WorkflowExecutionStatus.TERMINATED
    letters.release.set()
    await stays.result()
    assert list(await client.store.system.list_tenants()) == ["rival"]
