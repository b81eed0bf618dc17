"""Requests whose starter died: found, and brought to the end they should have."""

import asyncio
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import uuid_utils.compat as uuids
from temporalio.client import Client

from flowkeep.clients.sweeper import Sweeper, Swept
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import NewRun, Run, RunStatus
from flowkeep.errors import TemporalUnavailable
from flowkeep.worker import Worker


async def request(client: WorkflowClient, workflow_id: str, **fields: Any) -> Run:
    """Record a request and leave it alone, as a starter does that dies."""
    args = {"suffix": workflow_id}
    new = {
        "id": uuids.uuid7(),
        "namespace": client.temporal.namespace,
        "workflow_id": workflow_id,
        "workflow_type": "InheritsRun",
        "task_queue": client.settings.worker.task_queue,
        "inputs": args,
        "arguments": args,
        **fields,
    }
    return await client.store.runs.create("default", NewRun(**new))


def memo_of(run: Run) -> dict[str, Any]:
    return {"flowkeep": {"run_id": str(run.id), "tenant_id": run.tenant_id}}


async def test_lost_starts_are_started(client: WorkflowClient, worker: Worker) -> None:
    """A request that Temporal never heard of is started, with its options, and only when due."""
    run = await request(client, "lost", start_options={"run_timeout": "PT100S"})
    assert await Sweeper(client).sweep() == Swept()  # somebody may just be starting it
    assert await Sweeper(client).sweep(0) == Swept(started=1)
    handle = await client.get_handle("default", run.id)
    assert (await handle.result())["suffix"] == "lost"
    description = await client.executions.describe("lost")
    assert description is not None
    timeout = description.raw_description.execution_config.workflow_run_timeout
    assert timeout.ToTimedelta() == timedelta(seconds=100)
    assert await Sweeper(client).sweep(0) == Swept()


async def test_accepted_starts_are_adopted(
    client: WorkflowClient, worker: Worker, temporal_client: Client
) -> None:
    """A request that Temporal has, open or closed, is taken as started and not started again."""
    opened, closed = await request(client, "opened"), await request(client, "closed")
    for run in (opened, closed):
        await temporal_client.start_workflow(
            "Holding",
            {"workflow_id": run.workflow_id},
            id=run.workflow_id,
            task_queue="nobody-listens",
            memo=memo_of(run),
        )
    await temporal_client.get_workflow_handle("closed").terminate(reason="by hand")
    assert await Sweeper(client).sweep(0) == Swept(adopted=2)
    stored = [await client.store.runs.get("default", run.id) for run in (opened, closed)]
    assert [run.status for run in stored] == [RunStatus.RUNNING, RunStatus.CANCELLED]
    assert stored[1].failure_reason == "terminated"
    assert stored[1].error is not None
    assert stored[1].error.message == "by hand"
    await temporal_client.get_workflow_handle("opened").terminate()


async def test_ids_of_others(
    client: WorkflowClient, worker: Worker, temporal_client: Client
) -> None:
    """A closed foreign workflow is no obstacle; to an open one the request gives way."""
    free, taken = await request(client, "free"), await request(client, "taken")
    for run in (free, taken):
        await temporal_client.start_workflow(
            "Holding", {"workflow_id": "x"}, id=run.workflow_id, task_queue="nobody-listens"
        )
    await temporal_client.get_workflow_handle("free").terminate()
    assert await Sweeper(client).sweep(0) == Swept(started=1, failed=1)
    assert (await (await client.get_handle("default", free.id)).result())["suffix"] == "free"
    failed = await client.store.runs.get("default", taken.id)
    assert (failed.status, failed.failure_reason) == (RunStatus.FAILED, "start_failed")
    page = await client.store.runs.find_by_workflow_id("default", "taken")
    adopted = next(run for run in page if run.id != taken.id)
    assert (adopted.status, adopted.triggered_from) == (RunStatus.RUNNING, "external")
    await temporal_client.get_workflow_handle("taken").terminate()


async def test_requests_that_cannot_be_started_fail(client: WorkflowClient) -> None:
    """What Temporal refuses, or nobody understands, fails with the reason instead of for ever."""
    refused = await request(client, "refused", start_options={"cron_schedule": "never"})
    odd = await request(client, "odd", start_options={"from_another_version": 1})
    unwanted = await request(client, "unwanted")
    await client.store.runs.request_cancel("default", unwanted.id)
    outside = await request(client, "outside", triggered_from="external")
    assert await Sweeper(client).sweep(0) == Swept(failed=2, cancelled=1)
    for run, message in ((refused, "cron"), (odd, "from_another_version")):
        found = await client.store.runs.get("default", run.id)
        assert (found.status, found.failure_reason) == (RunStatus.FAILED, "start_failed")
        assert found.error is not None
        assert message in found.error.message.lower()
    found = await client.store.runs.get("default", unwanted.id)
    assert found.status is RunStatus.CANCELLED
    found = await client.store.runs.get("default", outside.id)
    assert found.status is RunStatus.PENDING


async def test_sweepers_at_once_start_each_once(client: WorkflowClient, worker: Worker) -> None:
    """Several sweepers share the work; no request is taken up twice, and batches are bounded."""
    for number in range(12):
        await request(client, f"shared-{number}")
    sweepers = [Sweeper(client, older_than_seconds=0, batch=2) for _ in range(4)]
    swept = await asyncio.gather(*(sweeper.sweep() for sweeper in sweepers))
    assert sum(one.started for one in swept) == 12
    assert sum(swept, Swept()) == Swept(started=12)
    page = await client.store.runs.get_paginated_runs("default", limit=100)
    assert {run.start_attempts for run in await _full(client, page)} == {1}


async def _full(client: WorkflowClient, page: Any) -> list[Run]:
    return [await client.store.runs.get("default", run.id) for run in page]


async def test_an_outage_does_not_count(
    client: WorkflowClient, monkeypatch: pytest.MonkeyPatch, ledger_url: str
) -> None:
    """While Temporal is away requests wait as they are; one that is too old fails, and says so."""
    run = await request(client, "waits")

    async def away(*_: Any, **__: Any) -> Any:
        raise TemporalUnavailable("gone")

    monkeypatch.setattr(client.launcher, "launch", away)
    for _ in range(3):
        with pytest.raises(TemporalUnavailable):
            await Sweeper(client, most_attempts=2).sweep(0)
    found = await client.store.runs.get("default", run.id)
    assert (found.status, found.start_attempts) == (RunStatus.PENDING, 0)
    async with await psycopg.AsyncConnection.connect(ledger_url) as connection:
        await connection.execute("UPDATE flowkeep.run SET created_at = now() - interval '25 h'")
    assert await Sweeper(client).sweep(0) == Swept(failed=1)
    found = await client.store.runs.get("default", run.id)
    assert found.error is not None
    assert found.error.code == "START_GIVEN_UP"


async def test_what_keeps_failing_fails_in_the_end(
    client: WorkflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request whose start goes wrong every time is tried so often, and then failed."""
    run = await request(client, "broken")

    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a memo that nobody can read")

    monkeypatch.setattr(client.launcher, "launch", broken)
    sweeper = Sweeper(client, most_attempts=3, older_than_seconds=0, lease_seconds=0)
    assert [await sweeper.sweep() for _ in range(3)] == [
        Swept(left=1),
        Swept(left=1),
        Swept(failed=1),
    ]
    found = await client.store.runs.get("default", run.id)
    assert found.error is not None
    assert "nobody can read" in found.error.message
