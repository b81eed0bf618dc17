"""Contents stay while Temporal can ask for them, belong to their tenant, and then go."""

import asyncio
from datetime import timedelta
from typing import Any

import uuid_utils.compat as uuids
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts.identity import HEADER
from flowkeep.contracts.large_payloads import Need
from flowkeep.recording.large_payloads.sweeping import sweep
from flowkeep.settings import Settings
from tests.recording import bulky
from tests.recording.test_large_payloads import MIDDLE, connected, rows, serving, start
from tests.support import eventually

AT_ONCE = timedelta(0)


async def make_due(ledger_url: str) -> None:
    await rows(ledger_url, "UPDATE flowkeep.large_payload_need SET check_at = now()")


async def forget(client: Client, workflow_id: str) -> None:
    """Let Temporal forget an execution, as it does when its retention is over."""
    request = DeleteWorkflowExecutionRequest(
        namespace=client.namespace, workflow_execution=WorkflowExecution(workflow_id=workflow_id)
    )
    await client.workflow_service.delete_workflow_execution(request)

    await eventually(lambda: _is_forgotten(client, workflow_id), timeout=60)


async def _is_forgotten(client: Client, workflow_id: str) -> None:
    known = True
    try:
        await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        known = error.status is not RPCStatusCode.NOT_FOUND
    assert not known, workflow_id


async def test_contents_go_when_temporal_has_forgotten(
    client: WorkflowClient, task_queue: str, ledger_url: str
) -> None:
    """What a known execution needs stays; forgotten twice, it goes, and the other's stays."""
    async with serving(client.temporal, task_queue):
        first = await start(client.temporal, bulky.Makes.run, MIDDLE, task_queue=task_queue)
        second = await start(client.temporal, bulky.Makes.run, MIDDLE + 1, task_queue=task_queue)
        assert [await first.result(), await second.result()] == [MIDDLE, MIDDLE + 1]
        waits = await start(client.temporal, bulky.Holds.run, MIDDLE, task_queue=task_queue)
        await eventually(lambda: _needs(ledger_url, 3))
        await make_due(ledger_url)
        swept = await sweep(client.temporal, client.store, margin=AT_ONCE)
        assert (swept.checked, swept.released, swept.deleted) == (3, 0, 0)
        await asyncio.gather(*(forget(client.temporal, one.id) for one in (first, second)))
        await make_due(ledger_url)
        swept = await sweep(client.temporal, client.store)
        assert (swept.released, swept.deleted) == (0, 0)  # seen missing once
        assert (await sweep(client.temporal, client.store)).checked == 0  # the margin is not over
        await make_due(ledger_url)
        swept = await sweep(client.temporal, client.store)
        assert (swept.checked, swept.released, swept.deleted) == (3, 2, 1)
        assert swept.bytes > 0
        await waits.signal(bulky.Holds.release)
        assert await waits.result() == bulky.text(MIDDLE)
        left = await rows(ledger_url, "SELECT needed_by FROM flowkeep.large_payload_need")
        assert left == [(waits.id,)]


async def _needs(ledger_url: str, count: int) -> None:
    found = await rows(ledger_url, "SELECT count(*) FROM flowkeep.large_payload_need")
    assert found == [(count,)]


async def test_a_closed_execution_is_looked_at_after_its_retention(
    client: WorkflowClient, task_queue: str, ledger_url: str
) -> None:
    """The next look at a closed execution comes when Temporal will have forgotten it."""
    async with serving(client.temporal, task_queue):
        handle = await start(client.temporal, bulky.Makes.run, MIDDLE, task_queue=task_queue)
        await handle.result()
    await make_due(ledger_url)
    await sweep(client.temporal, client.store)
    [[hours]] = await rows(
        ledger_url,
        "SELECT extract(epoch FROM check_at - now()) / 3600 FROM flowkeep.large_payload_need",
    )
    assert 24 < hours < 26  # a day of retention in the development server, and the margin


async def test_both_histories_of_a_value_need_it(
    client: WorkflowClient, task_queue: str, ledger_url: str
) -> None:
    """A child's argument and result are needed by the child and by its parent."""
    value = bulky.text(MIDDLE)
    async with serving(client.temporal, task_queue):
        handle = await start(client.temporal, bulky.Bulky.run, value, False, task_queue=task_queue)
        await handle.result()
    found = await rows(ledger_url, "SELECT needed_by FROM flowkeep.large_payload_need")
    assert len(found) == 2
    assert (handle.id,) in found


async def test_values_belong_to_the_tenant_of_their_run(
    client: WorkflowClient, settings: Settings, task_queue: str, ledger_url: str
) -> None:
    """Clients, activities, workflows and children store for the run's tenant, each its own."""
    value = bulky.text(MIDDLE)
    async with connected(settings) as other, serving(other, task_queue):
        for tenant in ("acme", "rival"):
            handle: Any = await other.start_workflow(
                bulky.Bulky.run,
                args=[value, False],
                id=f"of-{tenant}-{uuids.uuid7()}",
                task_queue=task_queue,
                memo={HEADER: {"tenant_id": tenant}},
            )
            await handle.result()
    found = await rows(
        ledger_url, "SELECT tenant_id, size > %s FROM flowkeep.large_payload", MIDDLE
    )
    assert sorted(found) == [("acme", True), ("rival", True)]


async def test_a_schedule_keeps_what_its_firings_start_with(
    client: WorkflowClient, task_queue: str, ledger_url: str
) -> None:
    """A schedule's argument stays while the schedule or one of its executions is there."""
    temporal, schedule_id = client.temporal, f"s-{uuids.uuid7()}"

    def action(size: int) -> ScheduleActionStartWorkflow:
        return ScheduleActionStartWorkflow(
            bulky.Child.run, bulky.text(size), id=f"w-{schedule_id}", task_queue=task_queue
        )

    async with serving(temporal, task_queue):
        schedule = await temporal.create_schedule(
            schedule_id, Schedule(action=action(MIDDLE), spec=ScheduleSpec())
        )

        def change(current: ScheduleUpdateInput) -> ScheduleUpdate:
            current.description.schedule.action = action(MIDDLE + 1)
            return ScheduleUpdate(current.description.schedule)

        await schedule.update(change)
        needs = await rows(ledger_url, "SELECT kind, needed_by FROM flowkeep.large_payload_need")
        assert needs == [("schedule", schedule_id)] * 2
        await schedule.trigger()
        fired = await eventually(lambda: _fired(temporal, schedule_id))
        assert len(await temporal.get_workflow_handle(fired).result()) == MIDDLE + 1
        for _ in range(2):
            await make_due(ledger_url)
            assert (await sweep(temporal, client.store, margin=AT_ONCE)).deleted == 0
        await schedule.delete()
        for _ in range(2):  # its execution is there still
            await make_due(ledger_url)
            assert (await sweep(temporal, client.store, margin=AT_ONCE)).deleted == 0
        never = await temporal.create_schedule(
            f"{schedule_id}-2", Schedule(action=action(MIDDLE + 2), spec=ScheduleSpec())
        )
        await never.delete()
        deleted = 0
        for _ in range(2):  # of this one nothing is left
            await make_due(ledger_url)
            deleted += (await sweep(temporal, client.store, margin=AT_ONCE)).deleted
    assert deleted == 1


async def _fired(temporal: Client, schedule_id: str) -> str:
    query = f"TemporalScheduledById = '{schedule_id}'"
    found = [one.id async for one in temporal.list_workflows(query)]
    assert found
    return found[0]


async def test_sweeps_at_once_and_stores_beside_them(
    client: WorkflowClient, task_queue: str, ledger_url: str
) -> None:
    """Two sweeps beside runs that store the same content take nothing that is needed."""
    old = Need(client.temporal.namespace, "workflow", "never-started")
    await client.store.large_payloads.put("default", b"loose" * 1000, [old])
    async with serving(client.temporal, task_queue):

        async def runs() -> list[int]:
            return [
                await (
                    await start(client.temporal, bulky.Makes.run, MIDDLE, task_queue=task_queue)
                ).result()
                for _ in range(4)
            ]

        async def sweeps() -> int:
            deleted = 0
            for _ in range(8):
                await make_due(ledger_url)
                deleted += (await sweep(client.temporal, client.store, margin=AT_ONCE)).deleted
            return deleted

        done, *deleted = await asyncio.gather(runs(), sweeps(), sweeps())
    assert done == [MIDDLE] * 4
    assert sum(deleted) == 1
