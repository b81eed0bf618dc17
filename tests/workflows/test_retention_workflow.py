"""Retention as a workflow: fired by a schedule, in slices, each tenant by its own policies."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import uuid_utils.compat as uuids
from sqlalchemy import text

from flowkeep.activities.retention import RetentionActivities
from flowkeep.clients.retention import RetentionSchedule
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import RunStatus
from flowkeep.contracts.retention_run import APPLY_RETENTION, RETENTION_TYPE
from flowkeep.errors import InvalidInput, NotFound, RunFailed
from flowkeep.statestore import Store
from flowkeep.storage import Storage
from flowkeep.worker import Worker
from flowkeep.workflows.retention import RetentionWorkflow
from tests.statestore.records import new_run
from tests.support import eventually, flushed

KEPT = """
INSERT INTO flowkeep.run (id, tenant_id, app_id, namespace, workflow_id, workflow_type, task_queue,
    start_options, kind, labels, triggered_from, status, state, source, created_at, updated_at)
SELECT gen_random_uuid(), 'a', 'kept', 'default', 'w' || n, 'Extract', 'q', '{}', 'run', '{}',
    'cli', 'succeeded', '{}', 3, now() - interval '90 days' + n * interval '1 second', now()
FROM generate_series(1, 1500) AS n
"""


@pytest.fixture
async def serving(client: WorkflowClient) -> AsyncIterator[Worker]:
    """A worker that serves retention and nothing else."""
    activities = RetentionWorkflow.get_activities(RetentionActivities())
    async with Worker(
        client, workflow_classes=[RetentionWorkflow], workflow_activities=activities
    ) as worker:
        yield worker


async def expire(store: Store, tenant: str, count: int) -> None:
    """Give a tenant old runs that have ended, and a policy that keeps none of them."""
    for _ in range(count):
        run = await store.runs.create(tenant, new_run())
        await store.runs.fail(tenant, run.id)
    async with store.transaction() as tx:
        await tx.connection.execute(
            text(
                "UPDATE flowkeep.run SET created_at = now() - interval '40 days'"
                " WHERE tenant_id = :tenant AND workflow_type = 'Extract'"
            ),
            {"tenant": tenant},
        )
    await store.retention.set_policy(tenant, days=30)


async def left(store: Store, tenant: str) -> list[str]:
    page = await store.runs.get_paginated_runs(tenant)
    return [run.workflow_type for run in page]


async def test_a_schedule_removes_what_expired(client: WorkflowClient, serving: Worker) -> None:
    """A firing applies the tenant's policy and is a run of its own, triggered from `schedule`."""
    store, tenant = client.store, f"t-{uuids.uuid7()}"
    await expire(store, tenant, 3)
    await expire(store, "rival", 1)
    schedule = RetentionSchedule(client, tenant)
    assert await schedule.put(timedelta(days=1)) is True
    try:
        await schedule.trigger()

        async def fired() -> Any:
            page = await store.runs.get_paginated_runs(tenant, workflow_type=RETENTION_TYPE)
            assert [run.status for run in page] == [RunStatus.SUCCEEDED]
            return page.data[0]

        run = await eventually(fired)
        assert run.triggered_from == "schedule"
        assert run.workflow_id.startswith(schedule.schedule_id)
        assert (await store.runs.get(tenant, run.id)).outputs["runs"] == 3
        assert await left(store, tenant) == [RETENTION_TYPE]
        assert await left(store, "rival") == ["Extract"]
        assert [task.task_name for task in await store.tasks.list_tasks(tenant, run.id)] == [
            "get_workflow_args",
            "preflight_check",
            APPLY_RETENTION,
        ]
    finally:
        await schedule.delete()


async def test_a_schedule_is_put_as_often_as_one_likes(client: WorkflowClient) -> None:
    """Putting it again changes it and keeps its pause; without one, everything says so."""
    schedule = RetentionSchedule(client, f"t-{uuids.uuid7()}")
    for step in (schedule.show, schedule.pause, schedule.resume, schedule.trigger, schedule.delete):
        with pytest.raises(NotFound, match=schedule.schedule_id):
            await step()
    with pytest.raises(InvalidInput, match="every"):
        await schedule.put(timedelta(seconds=59))
    assert await schedule.put(timedelta(days=1), task_queue="one") is True
    try:
        await schedule.pause("holidays")
        assert await schedule.put(timedelta(hours=6), task_queue="two", batch_size=7) is False
        found = await schedule.show()
        assert (found.every, found.task_queue) == (timedelta(hours=6), "two")
        assert (found.paused, found.next_at) == (True, None)
        await schedule.resume()
        assert (await schedule.show()).next_at is not None
    finally:
        await schedule.delete()
    with pytest.raises(NotFound):
        await schedule.show()


async def test_every_tenant_in_many_slices(client: WorkflowClient, serving: Worker) -> None:
    """A run for all tenants goes on over slices until each has had its own policies applied."""
    store = client.store
    for tenant in ("a", "b", "c"):
        await expire(store, tenant, 3)
    await store.retention.delete_policy("b")
    arguments = {
        "all_tenants": True,
        "batch_size": 1,
        "slice_seconds": 1,
        "max_runs_per_second": 4,
    }
    handle = await client.start_workflow(arguments, RetentionWorkflow, tenant_id="system")
    result = await handle.result()
    assert (result["runs"], result["tenants"], result["more"]) == (6, 4, False)
    found = [await left(store, tenant) for tenant in ("a", "b", "c")]
    assert found == [[], ["Extract"] * 3, []]
    await flushed(client)
    tasks = await store.tasks.list_tasks("system", handle.run_id, limit=100)
    slices = [task for task in tasks if task.task_name == APPLY_RETENTION]
    assert len(slices) > 1


async def test_slices_get_past_runs_that_stay(client: WorkflowClient, serving: Worker) -> None:
    """Where reading the runs that stay takes longer than a slice, what expired behind them goes."""
    store = client.store
    await expire(store, "a", 2)
    await store.retention.set_policy("a", app_id="kept", days=None)
    async with store.transaction() as tx:
        await tx.connection.execute(text(KEPT))
    arguments = {"all_tenants": True, "batch_size": 1, "slice_seconds": 1}
    handle = await client.start_workflow(arguments, RetentionWorkflow, tenant_id="system")
    result = await handle.result()
    assert (result["runs"], result["more"], result["resume"]) == (2, False, None)
    await flushed(client)
    tasks = await store.tasks.list_tasks("system", handle.run_id, limit=100)
    assert len([task for task in tasks if task.task_name == APPLY_RETENTION]) > 1


async def test_a_tenant_that_cannot_be_done(client: WorkflowClient, serving: Worker) -> None:
    """One whose bundle is damaged is named at the end, and those behind it are done as ever."""
    store = client.store
    for tenant in ("a", "b", "c"):
        await expire(store, tenant, 1)
    await store.retention.set_policy("b", days=30, archive_first=True)
    archive = Storage(client.settings.storage.place_of_archive())
    async with store.transaction() as tx:
        await tx.connection.execute(
            text(
                "INSERT INTO flowkeep.archive_bundle (id, tenant_id, month, shard, url, prefix,"
                " status, created_at) VALUES (:id, 'b', '2026-01-01', 0, :url, 'b/2026-01/lost',"
                " 'published', now())"
            ),
            {"id": uuids.uuid7(), "url": archive.url},
        )
    handle = await client.start_workflow(
        {"all_tenants": True}, RetentionWorkflow, tenant_id="system"
    )
    with pytest.raises(RunFailed, match="policies of 1 tenants could not be applied: b: "):
        await handle.result()
    assert [await left(store, tenant) for tenant in ("a", "b", "c")] == [[], ["Extract"], []]


@pytest.mark.parametrize(
    "wrong", [{"batch_size": 0}, {"slice_seconds": 0}, {"max_runs_per_second": -1}]
)
async def test_bad_arguments_start_nothing(client: WorkflowClient, wrong: dict[str, Any]) -> None:
    """Arguments that cannot be are refused before anything is recorded."""
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        await client.start_workflow(wrong, RetentionWorkflow)
    assert list(await client.store.runs.get_paginated_runs("default")) == []
