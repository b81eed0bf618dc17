"""The workflow surface on real servers."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from flowkeep.clients.workflow import RunHandle, WorkflowClient
from flowkeep.contracts import RunStatus, Source, TaskStatus
from flowkeep.errors import RunFailed
from flowkeep.worker import Worker
from tests.support import eventually, flushed
from tests.workflows import flows

Start = Callable[..., Awaitable[RunHandle]]


@pytest.fixture
def start(client: WorkflowClient, worker: Worker) -> Start:
    """Start a run that the worker serves."""

    async def start(cls: type[Any], args: dict[str, Any] | None = None, **kw: Any) -> RunHandle:
        return await client.start_workflow(args or {"suffix": "!"}, workflow_class=cls, **kw)

    return start


async def tasks_of(handle: RunHandle, client: WorkflowClient) -> dict[str, Any]:
    await flushed(client)
    page = await client.store.tasks.list_tasks("default", handle.run_id)
    return {task.task_name: task for task in page}


async def all_written(handle: RunHandle, client: WorkflowClient, attempts: int) -> None:
    """Wait for what is recorded behind: the end of the run and its attempts."""

    async def written() -> None:
        run = await client.store.runs.get("default", handle.run_id)
        assert run.status.terminal
        page = await client.store.tasks.list_attempts("default", handle.run_id, limit=100)
        assert len(page) == attempts

    await eventually(written)


async def test_inherited_run_returns_the_arguments(start: Start) -> None:
    """A subclass that only declares activities inherits `run`, which returns the arguments."""
    handle = await start(flows.InheritsRun)
    result = await handle.result()
    assert result["suffix"] == "!"
    assert result["run_id"] == str(handle.run_id)
    assert result["workflow_id"] == handle.workflow_id
    assert result["output_path"] == f"default/default/InheritsRun/{handle.run_id}"


async def test_sequence_runs_the_list_with_its_group(
    start: Start, client: WorkflowClient, letters: flows.Letters
) -> None:
    """A sequence executes its list in order, a tuple in parallel, and records run and tasks."""
    handle = await start(flows.Sequenced)
    assert await handle.result() == {"first": "a!", "second": "b", "third": "c"}
    assert letters.calls[0] == "first"
    run = await handle.run()
    assert run.status is RunStatus.SUCCEEDED
    assert run.outputs == {"first": "a!", "second": "b", "third": "c"}
    tasks = await tasks_of(handle, client)
    assert set(tasks) == {"get_workflow_args", "preflight_check", "first", "second", "third"}
    assert {task.status for task in tasks.values()} == {TaskStatus.SUCCEEDED}
    [segment] = await client.store.runs.list_segments("default", handle.run_id)
    assert segment.expected_tasks == 5


async def test_model_arguments_reach_run_as_the_model(start: Start) -> None:
    """With `args_model` the run works on the validated model."""
    handle = await start(flows.Modelled, {"name": "x"})
    assert await handle.result() == {"name": "x", "count": 1}


async def test_retries_are_recorded_attempt_by_attempt(
    start: Start, client: WorkflowClient
) -> None:
    """Every failed attempt is in the ledger with its error, without the password in it."""
    handle = await start(flows.Flaky)
    assert await handle.result() == {"flaky": "recovered"}

    async def all_recorded() -> list[Any]:
        page = await client.store.tasks.list_attempts("default", handle.run_id)
        found = [task for task in page if task.task_name == "flaky"]
        assert [task.status for task in found] == ["failed", "failed", "succeeded"]
        return found

    found = await eventually(all_recorded)
    assert [task.attempt for task in found] == [1, 2, 3]
    assert found[0].error is not None
    assert "attempt 1" in found[0].error.message
    assert "canary-pw" not in str(found)
    assert (await handle.run()).exceptions_count == 2


async def test_bug_fails_the_run_with_its_class(start: Start) -> None:
    """A plain exception in workflow code fails the run instead of hanging it."""
    handle = await start(flows.Buggy)
    with pytest.raises(RunFailed, match="KeyError: 'nothing here'"):
        await handle.result()
    run = await handle.run()
    assert run.status is RunStatus.FAILED
    assert run.failure_reason == "workflow_error"
    assert run.error is not None
    assert run.error.type == "KeyError"


async def test_suspend_on_bug_keeps_the_run_open(start: Start, client: WorkflowClient) -> None:
    """`suspend_on_bug` leaves the run to wait for a fixed deployment, as Temporal does."""
    handle = await start(flows.Patient)

    async def failing() -> None:
        description = await client.temporal.get_workflow_handle(handle.workflow_id).describe()
        assert description.raw_description.pending_workflow_task.attempt > 1

    await eventually(failing)
    assert await handle.status() is RunStatus.RUNNING
    await handle.terminate("end of test")
    assert await handle.status() is RunStatus.CANCELLED


async def test_preflight_fails_the_run_with_every_reason(start: Start) -> None:
    """Failed checks fail the run, not retried, and every reason is named; warnings are not."""
    handle = await start(flows.FailsPreflight)
    with pytest.raises(RunFailed, match="the first reason; two: the second reason"):
        await handle.result()
    run = await handle.run()
    assert run.error is not None
    assert run.error.code == "PREFLIGHT_FAILED"


async def test_pause_holds_activities_until_resume(
    start: Start, client: WorkflowClient, letters: flows.Letters
) -> None:
    """A paused run starts no further activity and waits in the ledger; resume lets it go on."""
    handle = await start(flows.Holding)

    async def holding() -> None:
        assert letters.calls == ["hold"]

    await eventually(holding)
    await handle.pause("inspection")

    async def waiting() -> None:
        run = await handle.run()
        assert run.status is RunStatus.WAITING
        assert run.pause_reason == "inspection"

    await eventually(waiting)
    letters.release.set()

    async def gate_reached() -> None:
        progress = await client.temporal.get_workflow_handle(handle.workflow_id).query("progress")
        assert progress["finished"] == 3
        assert progress["paused"] is True

    await eventually(gate_reached)
    assert letters.calls == ["hold"]
    await handle.resume({"checked": True})
    assert (await handle.result())["second"] == "b"
    run = await handle.run()
    assert run.state["checked"] is True
    kinds = [event.kind for event in await client.store.runs.list_events("default", run.id)]
    assert kinds == ["succeeded", "resumed", "waiting", "started", "created"]


async def test_a_run_that_returns_on_its_pause_records_it_first(
    client: WorkflowClient, worker: Worker
) -> None:
    """A signal that is being recorded when the run returns is recorded before the run ends."""
    handle = await client.start_workflow({"a": 1}, flows.EndsOnPause)
    await handle.pause("enough")
    assert await handle.result() == "paused"
    assert await handle.status() is RunStatus.SUCCEEDED
    pauses = [
        event
        for event in await client.store.runs.list_events("default", handle.run_id)
        if event.payload.get("paused")
    ]
    assert [event.payload["reason"] for event in pauses] == ["enough"]


async def test_pause_right_after_a_resume_counts(
    client: WorkflowClient, letters: flows.Letters
) -> None:
    """Signals that come faster than they are recorded take effect in their order, in the ledger
    and in the run."""
    handle = await client.start_workflow({"a": 1}, flows.Sequenced)
    for step in (handle.pause, handle.resume, handle.pause):
        await step()
    async with Worker(
        client,
        workflow_classes=[flows.Sequenced],
        workflow_activities=flows.Sequenced.get_activities(letters),
    ):

        async def paused_twice() -> None:
            events = await client.store.runs.list_events("default", handle.run_id)
            kinds = [event.kind for event in events]
            assert [kind for kind in kinds if kind in ("waiting", "resumed")] == [
                "waiting",
                "resumed",
                "waiting",
            ]

        await eventually(paused_twice)
        temporal = client.temporal.get_workflow_handle(handle.workflow_id)
        assert (await temporal.query("progress"))["paused"] is True
        await handle.resume()
        assert (await handle.result())["second"] == "b"


@pytest.mark.parametrize(
    ("workflow_class", "policy"),
    [
        (flows.FailsPreflight, RetryPolicy(maximum_attempts=3)),
        (flows.Buggy, RetryPolicy(maximum_attempts=3, non_retryable_error_types=["KeyError"])),
    ],
)
async def test_failure_that_is_not_retried_closes_the_run(
    start: Start, client: WorkflowClient, workflow_class: type[Any], policy: RetryPolicy
) -> None:
    """A retry policy of the whole run does not keep a run open that Temporal will not retry."""
    handle = await start(workflow_class, retry_policy=policy)

    async def closed() -> None:
        assert (await handle.run()).status is RunStatus.FAILED

    await eventually(closed)
    [segment] = await client.store.runs.list_segments("default", handle.run_id)
    assert segment.source is Source.WORKFLOW


async def test_bug_in_an_update_fails_the_update_only(
    start: Start, client: WorkflowClient, letters: flows.Letters
) -> None:
    """Whoever sent an update that raises a plain exception is told, and the run goes on."""
    handle = await start(flows.Renamed)
    temporal = client.temporal.get_workflow_handle(handle.workflow_id)
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await temporal.execute_update("rename", "nobody")
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "KeyError"
    letters.release.set()
    assert (await handle.result())["second"] == "b"


async def test_local_activities_are_recorded_with_stable_ids(
    start: Start, client: WorkflowClient
) -> None:
    """A local activity is recorded under an id of its own and counted like a remote one."""
    handle = await start(flows.Local)
    assert await handle.result() == ["a!", "b"]
    await all_written(handle, client, 4)
    tasks = await tasks_of(handle, client)
    assert tasks["first"].activity_id == "L3"  # behind arguments and preflight
    assert tasks["first"].type == "local_activity"
    [segment] = await client.store.runs.list_segments("default", handle.run_id)
    assert segment.expected_tasks == 4


async def test_child_run_is_linked_to_its_parent(start: Start, client: WorkflowClient) -> None:
    """A child is a run of its own with parent and root, and uses its parent's arguments key."""
    handle = await start(flows.Parent, {"suffix": "?"}, workflow_id="parent-1")
    assert (await handle.result())["first"] == "a?"

    async def known() -> RunHandle:
        page = await client.store.runs.find_by_workflow_id("default", "parent-1-child")
        assert page.data
        return await client.get_handle("default", "parent-1-child")

    child = await eventually(known)
    run = await child.run()
    assert run.parent_run_id == handle.run_id
    assert run.root_run_id == handle.run_id
    assert run.status is RunStatus.SUCCEEDED


async def test_continue_as_new_stays_one_run(start: Start, client: WorkflowClient) -> None:
    """A chain of executions is one run with a segment each and one cumulative count."""
    handle = await start(flows.Continues)
    assert await handle.result() == 3
    await all_written(handle, client, 9)
    segments = await client.store.runs.list_segments("default", handle.run_id)
    assert [segment.kind for segment in segments] == ["start", "continue", "continue"]
    assert segments[-1].expected_tasks == 9
    run = await handle.run()
    assert run.status is RunStatus.SUCCEEDED
    page = await client.store.tasks.list_attempts("default", handle.run_id, limit=100)
    assert len(page) == 9


async def test_cancel_is_recorded_with_its_reason(
    start: Start, client: WorkflowClient, letters: flows.Letters
) -> None:
    """A cancelled run ends as cancelled in the ledger, its open task too."""
    handle = await start(flows.Holding)

    async def holding() -> None:
        assert letters.calls == ["hold"]

    await eventually(holding)
    await handle.cancel("no longer needed")
    with pytest.raises(RunFailed, match="cancelled"):
        await handle.result()
    assert (await handle.run()).status is RunStatus.CANCELLED

    async def task_ended() -> None:
        tasks = await tasks_of(handle, client)
        assert "hold" in tasks
        assert tasks["hold"].status is TaskStatus.CANCELLED

    await eventually(task_ended)
