"""Plain Temporal workers that only added the plugin."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import uuid_utils.compat as uuids
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowFailureError,
)
from temporalio.common import RetryPolicy
from temporalio.plugin import SimplePlugin
from temporalio.worker import SharedStateManager, Worker

from flowkeep.contracts import RunStatus, Task, TaskStatus, derive_run_id
from flowkeep.contracts.identity import HEADER, Identity
from flowkeep.errors import ConfigurationError
from flowkeep.recording.identity import read_header
from flowkeep.recording.plugin import Plugin
from flowkeep.settings import Settings
from tests.recording import plain
from tests.support import eventually
from tests.workflows import flows

WORKFLOWS = [
    plain.Plain,
    plain.ReusesIds,
    plain.Leaks,
    plain.Elsewhere,
    plain.CleansUp,
    plain.Retried,
    plain.Wide,
]
ACTIVITIES = [
    plain.greet,
    plain.shout,
    plain.fails,
    plain.completes_elsewhere,
    plain.fails_to_clean_up,
]


Serve = Callable[..., Worker]


@pytest.fixture
def serve(task_queue: str) -> Serve:
    """Make a worker as a program without flowkeep would."""

    def make(client: Client, **kw: Any) -> Worker:
        options = {"workflows": WORKFLOWS, "activities": ACTIVITIES, **kw}
        if options["activities"] and "activity_executor" not in options:
            options["activity_executor"] = ThreadPoolExecutor(100)
        return Worker(client, task_queue=task_queue, **options)

    return make


async def attempts(plugin: Plugin, workflow_id: str, count: int) -> Sequence[Task]:
    async def recorded() -> Sequence[Task]:
        runs = await plugin.store.runs.find_by_workflow_id("default", workflow_id)
        assert runs.data, "no run recorded yet"
        page = await plugin.store.tasks.list_attempts("default", runs.data[0].id)
        assert len(page) == count
        return page.data

    return await eventually(recorded)


async def test_started_through_the_plugin(
    recorded: Client, plugin: Plugin, serve: Serve, task_queue: str
) -> None:
    """A run started through a client with the plugin is recorded with its close and its count."""
    async with serve(recorded):
        result = await recorded.execute_workflow(
            plain.Plain.run, "Ada", id="plain-1", task_queue=task_queue
        )
    assert result == "HELLO, ADA!"
    found = await attempts(plugin, "plain-1", 2)
    assert {task.status for task in found} == {TaskStatus.SUCCEEDED}
    assert set(found[0].output) == {"size", "sha256", "type"}
    [run] = await plugin.store.runs.find_by_workflow_id("default", "plain-1")
    assert run.status is RunStatus.SUCCEEDED
    [segment] = await plugin.store.runs.list_segments("default", run.id)
    assert segment.expected_tasks == 2


async def test_started_without_the_plugin_is_adopted(
    recorded: Client, plugin: Plugin, temporal_client: Client, serve: Serve, task_queue: str
) -> None:
    """A run that came without our header gets the derived id, and its end is reported as well."""
    async with serve(recorded):
        handle = await temporal_client.start_workflow(
            plain.Plain.run, "Ada", id="plain-2", task_queue=task_queue
        )
        await handle.result()
    await attempts(plugin, "plain-2", 2)
    [run] = await plugin.store.runs.find_by_workflow_id("default", "plain-2")
    assert run.id == derive_run_id("default", "plain-2", handle.first_execution_run_id or "")
    assert run.status is RunStatus.SUCCEEDED
    [segment] = await plugin.store.runs.list_segments("default", run.id)
    assert segment.expected_tasks == 2


async def test_workflow_only_and_activity_only_workers(
    recorded: Client, plugin: Plugin, serve: Serve, task_queue: str
) -> None:
    """Two workers that share a queue, one for workflows and one for activities, both record."""
    workflows = serve(recorded, activities=[])
    activities = serve(recorded, workflows=[])
    async with workflows, activities:
        await recorded.execute_workflow(plain.Plain.run, "Ada", id="split-1", task_queue=task_queue)
    assert not workflows.config(active_config=True)["activities"]
    assert len(activities.config(active_config=True)["activities"]) == len(ACTIVITIES)
    await attempts(plugin, "split-1", 2)
    [run] = await plugin.store.runs.find_by_workflow_id("default", "split-1")
    assert run.status is RunStatus.SUCCEEDED


async def test_activity_worker_beside_a_foreign_workflow_worker(
    recorded: Client, plugin: Plugin, temporal_client: Client, serve: Serve, task_queue: str
) -> None:
    """Attempts are recorded though the workflow worker does not know flowkeep."""
    async with serve(temporal_client, activities=[]), serve(recorded, workflows=[]):
        handle = await temporal_client.start_workflow(
            plain.Plain.run, "Ada", id="foreign-1", task_queue=task_queue
        )
        await handle.result()
    await attempts(plugin, "foreign-1", 2)
    [run] = await plugin.store.runs.find_by_workflow_id("default", "foreign-1")
    assert run.id == derive_run_id("default", "foreign-1", handle.first_execution_run_id or "")


async def test_reused_explicit_id_makes_two_tasks(
    recorded: Client, plugin: Plugin, serve: Serve, task_queue: str
) -> None:
    """An explicit activity id that is used again is stored as a task of its own."""
    async with serve(recorded):
        await recorded.execute_workflow(
            plain.ReusesIds.run, "Ada", id="reuse-1", task_queue=task_queue
        )
    found = await attempts(plugin, "reuse-1", 2)
    assert sorted(task.activity_id for task in found) == ["mine", "mine~2"]


async def test_canary_in_an_error_reaches_neither_history_nor_ledger(
    recorded: Client, plugin: Plugin, serve: Serve, task_queue: str
) -> None:
    """A password inside an exception is redacted in Temporal's failure and in the record."""
    async with serve(recorded):
        with pytest.raises(WorkflowFailureError):
            await recorded.execute_workflow(
                plain.Leaks.run, "c4n4ry", id="leak-1", task_queue=task_queue
            )
    events = (await recorded.get_workflow_handle("leak-1").fetch_history()).events
    failures = [
        event.activity_task_failed_event_attributes.failure
        for event in events
        if event.HasField("activity_task_failed_event_attributes")
    ]
    assert len(failures) == 1
    assert "c4n4ry" not in str(failures)
    assert "postgresql://user:***@host/db" in failures[0].message
    [task] = await attempts(plugin, "leak-1", 1)
    assert task.error is not None
    assert "c4n4ry" not in task.error.model_dump_json()


async def test_asynchronous_completion_waits(
    recorded: Client, plugin: Plugin, serve: Serve, task_queue: str
) -> None:
    """An activity that is completed elsewhere is recorded as waiting."""
    async with serve(recorded):
        handle = await recorded.start_workflow(
            plain.Elsewhere.run, id="elsewhere-1", task_queue=task_queue
        )
        [task] = await attempts(plugin, "elsewhere-1", 1)
        assert task.status is TaskStatus.WAITING
        outside = recorded.get_async_activity_handle(
            workflow_id="elsewhere-1", run_id=handle.first_execution_run_id, activity_id="one"
        )
        await outside.complete("done outside")
        assert await handle.result() == "done outside"


async def test_activities_in_processes_are_recorded(
    recorded: Client, plugin: Plugin, serve: Serve, task_queue: str
) -> None:
    """A worker that runs its plain functions in a pool of processes gains the ledger as well."""
    spawn = multiprocessing.get_context("spawn")
    with spawn.Manager() as manager, ProcessPoolExecutor(1, mp_context=spawn) as pool:
        worker = serve(
            recorded,
            activity_executor=pool,
            shared_state_manager=SharedStateManager.create_from_multiprocessing(manager),
        )
        async with worker:
            result = await recorded.execute_workflow(
                plain.Plain.run, "Ada", id="processes-1", task_queue=task_queue
            )
    assert result == "HELLO, ADA!"
    found = await attempts(plugin, "processes-1", 2)
    assert {task.status for task in found} == {TaskStatus.SUCCEEDED}


async def test_failure_during_a_cancel_is_a_failure(
    recorded: Client, plugin: Plugin, serve: Serve, task_queue: str
) -> None:
    """An activity that was told to stop and raised another error failed, as Temporal has it."""
    async with serve(recorded, max_heartbeat_throttle_interval=timedelta(milliseconds=100)):
        handle = await recorded.start_workflow(
            plain.CleansUp.run, id="cleanup-1", task_queue=task_queue
        )

        async def started() -> None:
            pending = (await handle.describe()).raw_description.pending_activities
            assert [activity.HasField("last_heartbeat_time") for activity in pending] == [True]

        await eventually(started)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    [task] = await attempts(plugin, "cleanup-1", 1)
    assert (task.status, task.error.message) == (
        TaskStatus.FAILED,
        "the temporary file is locked",
    )


async def test_workflow_retry_is_one_run_with_two_segments(
    recorded: Client, plugin: Plugin, serve: Serve, task_queue: str
) -> None:
    """A failed execution that Temporal retries does not close the run."""
    async with serve(recorded):
        result = await recorded.execute_workflow(
            plain.Retried.run,
            id="retried-1",
            task_queue=task_queue,
            retry_policy=RetryPolicy(
                maximum_attempts=3, initial_interval=timedelta(milliseconds=1)
            ),
        )
    assert result == 2
    [run] = await plugin.store.runs.find_by_workflow_id("default", "retried-1")
    assert run.status is RunStatus.SUCCEEDED
    segments = await plugin.store.runs.list_segments("default", run.id)
    assert [segment.kind for segment in segments] == ["start", "retry"]


async def test_schedule_firings_are_runs_of_their_own(
    recorded: Client, plugin: Plugin, serve: Serve, task_queue: str
) -> None:
    """Each firing of a schedule derives its own run id and closes its run."""
    schedule_id = f"schedule-{uuids.uuid7()}"
    schedule = await recorded.create_schedule(
        schedule_id,
        Schedule(
            action=ScheduleActionStartWorkflow(
                plain.Plain.run, "Ada", id=schedule_id, task_queue=task_queue
            ),
            spec=ScheduleSpec(),
        ),
    )
    try:
        async with serve(recorded):
            await schedule.trigger()

            async def closed() -> None:
                page = await plugin.store.runs.get_paginated_runs("default")
                assert [run.status for run in page] == [RunStatus.SUCCEEDED]
                assert page.data[0].workflow_id.startswith(schedule_id)
                assert page.data[0].triggered_from == "schedule"

            await eventually(closed)
    finally:
        await schedule.delete()


async def test_a_schedule_keeps_its_identity_when_it_is_updated(
    recorded: Client, task_queue: str
) -> None:
    """An update leaves an action's header alone, but for another type; a new action gets one."""

    def action(name: str, memo: dict[str, Any] | None = None) -> ScheduleActionStartWorkflow:
        return ScheduleActionStartWorkflow(
            plain.Plain.run, name, id="updated", task_queue=task_queue, memo=memo
        )

    schedule_id = f"schedule-{uuids.uuid7()}"
    schedule = await recorded.create_schedule(
        schedule_id,
        Schedule(
            action=action("Ada", {HEADER: {"tenant_id": "acme", "app_id": "app"}}),
            spec=ScheduleSpec(),
        ),
    )

    async def identity() -> Identity:
        found = (await schedule.describe()).schedule.action
        assert isinstance(found, ScheduleActionStartWorkflow)
        value = read_header(found.headers or {})
        assert value is not None
        return Identity.from_header(value)

    def pause(current: ScheduleUpdateInput) -> ScheduleUpdate:
        current.description.schedule.state.paused = True
        return ScheduleUpdate(current.description.schedule)

    def retarget(current: ScheduleUpdateInput) -> ScheduleUpdate:
        found = current.description.schedule.action
        assert isinstance(found, ScheduleActionStartWorkflow)
        found.workflow = "Other"
        return ScheduleUpdate(current.description.schedule)

    async def replace(current: ScheduleUpdateInput) -> ScheduleUpdate:
        current.description.schedule.action = action("Eve", {HEADER: {"tenant_id": "rival"}})
        return ScheduleUpdate(current.description.schedule)

    try:
        before = await identity()
        assert (before.run_id, before.triggered_from) == (None, "schedule")
        assert (before.tenant_id, before.app_id, before.origin_type) == ("acme", "app", "Plain")
        await schedule.update(pause)
        assert await identity() == before
        await schedule.update(retarget)
        assert await identity() == before.evolve(origin_type="Other")
        await schedule.update(replace)
        assert await identity() == before.evolve(tenant_id="rival", app_id=None)
    finally:
        await schedule.delete()


async def test_reset_keeps_the_run_and_adds_a_segment(
    recorded: Client, plugin: Plugin, serve: Serve, task_queue: str
) -> None:
    """A reset execution is a further segment of the same run."""
    async with serve(recorded):
        handle = await recorded.start_workflow(
            plain.Plain.run, "Ada", id="reset-1", task_queue=task_queue
        )
        await handle.result()
        reset = await recorded.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace="default",
                workflow_execution=WorkflowExecution(
                    workflow_id="reset-1", run_id=handle.first_execution_run_id or ""
                ),
                workflow_task_finish_event_id=4,
                request_id=str(uuids.uuid7()),
            )
        )
        again = recorded.get_workflow_handle("reset-1", run_id=reset.run_id)
        assert await again.result() == "HELLO, ADA!"
    [run] = await plugin.store.runs.find_by_workflow_id("default", "reset-1")
    segments = await plugin.store.runs.list_segments("default", run.id)
    assert len(segments) == 2
    assert segments[1].temporal_run_id == reset.run_id
    assert segments[1].kind == "reset"


async def test_wide_fan_out_is_recorded_whole(
    recorded: Client, plugin: Plugin, serve: Serve, task_queue: str
) -> None:
    """Two hundred activities at once leave two hundred rows."""
    async with serve(recorded):
        await recorded.execute_workflow(plain.Wide.run, 200, id="wide-1", task_queue=task_queue)
    [run] = await plugin.store.runs.find_by_workflow_id("default", "wide-1")
    full = await plugin.store.runs.get("default", run.id)
    assert full.tasks_finished == 200
    [segment] = await plugin.store.runs.list_segments("default", run.id)
    assert segment.expected_tasks == 200


async def test_another_plugins_activities_after_ours_are_refused(
    settings: Settings, plugin: Plugin, serve: Serve
) -> None:
    """Activities that a later plugin adds to a worker of workflows alone would never be polled."""
    later = SimplePlugin("later", activities=[plain.greet])
    assert settings.temporal.address is not None
    client = await Client.connect(settings.temporal.address, plugins=[plugin, later])
    worker = serve(client, workflows=[flows.InheritsRun], activities=[])
    assert worker.config(active_config=True)["no_remote_activities"] is True
    with pytest.raises(ConfigurationError, match=r"greet.*put flowkeep.Plugin last"):
        await worker.run()
