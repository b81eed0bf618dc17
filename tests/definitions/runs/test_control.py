"""Pausing, resuming and cancelling runs of definitions, waiting, and asking for progress."""

import asyncio

import pytest

from flowkeep.contracts import PauseRequest, RunRef, RunStatus, TaskStatus, TaskType
from flowkeep.errors import InvalidInput, RunFailed
from flowkeep.statestore.repositories.system import System
from tests.definitions.runs import actions
from tests.definitions.runs.support import Stage
from tests.support import eventually


async def test_a_wait(stage: Stage) -> None:
    """`core.sleep` is a row of its own with the time at which it ends."""
    handle = await stage.start(
        """
ref: sleeps
tasks: [{name: nap, action: core.sleep, input: {seconds: "{{ '200ms' }}"}}]
output_map: {gave: "{{ tasks.nap.result }}"}
"""
    )
    assert await stage.result(handle) == {"gave": None}
    row = await stage.row(handle, "nap")
    assert (row.type, row.status) == (TaskType.TIMER, TaskStatus.SUCCEEDED)
    assert row.started_at is not None
    assert row.deadline_at is not None
    assert row.finished_at is not None
    assert (row.deadline_at - row.started_at).total_seconds() == pytest.approx(0.2)
    assert row.finished_at >= row.deadline_at


@pytest.mark.parametrize("given", ["{}", "{seconds: soon}", "{seconds: -1}", "{second: 1}"])
async def test_a_wait_for_no_time(stage: Stage, given: str) -> None:
    """What is no length of time fails the task and names the field."""
    wrong = given.replace("soon", "'{{ run.tenant }}'").replace("-1", "'{{ 0 - 1 }}'")
    handle = await stage.start(
        f"{{ref: w, tasks: [{{name: nap, action: core.sleep, input: {wrong}}}]}}"
    )
    with pytest.raises(RunFailed, match=r"input\.second"):
        await stage.result(handle)
    row = await stage.row(handle, "nap")
    assert row.error is not None
    assert (row.status, row.error.code) == (TaskStatus.FAILED, "INVALID_INPUT")


TWO = """
ref: two
parameters: {type: object}
tasks:
  - {name: first, action: test.hold, input: {name: "{{ parameters.first }}"}}
  - {name: second, action: test.hold, input: {name: "{{ parameters.second }}"}}
"""


async def test_nothing_begins_while_paused(stage: Stage) -> None:
    """A paused run lets what runs end and begins nothing; the ledger tells why it waits."""
    first, second = stage.unique("1"), stage.unique("2")
    handle = await stage.start(TWO, first=first, second=second)
    await stage.begun(first)
    await handle.pause("look first")
    run = await stage.until_status(handle, RunStatus.WAITING)
    assert run.pause_reason == "look first"
    actions.release(first)
    await stage.learned(handle, 1)
    progress = await _progress(stage, handle)
    assert (progress["paused"], progress["finished"], progress["current"]) == (True, 1, [])
    assert not actions.begun[second]
    await handle.resume({"seen": True})
    await stage.begun(second)
    run = await stage.recorded(handle)
    assert (run.status, run.state["seen"]) == (RunStatus.RUNNING, True)
    progress = await _progress(stage, handle)
    assert (progress["paused"], progress["current"]) == (False, ["second"])
    actions.release(second)
    await stage.result(handle)


async def _progress(stage: Stage, handle: object) -> dict[str, object]:
    temporal = stage.client.temporal.get_workflow_handle(handle.workflow_id)  # type: ignore[attr-defined]
    return await temporal.query("progress")


async def test_a_run_paused_before_it_begins(stage: Stage) -> None:
    """A pause that comes with the start is a pause too."""
    first, second = stage.unique("1"), stage.unique("2")
    handle = await stage.start(TWO, first=first, second=second)
    await handle.pause()
    await handle.resume()
    actions.release(first, second)
    await stage.result(handle)
    assert await stage.states(handle) == {"first": "succeeded", "second": "succeeded"}


@pytest.mark.parametrize("policy", ["cancel_running", "allow_finish"])
async def test_cancel(stage: Stage, policy: str) -> None:
    """A cancelled run ends as such; what ran was cancelled or has ended, as the policy says."""
    first, second = stage.unique("1"), stage.unique("2")
    handle = await stage.start(f"cancellation_policy: {policy}\n{TWO}", first=first, second=second)
    await stage.begun(first)
    await handle.cancel("enough")
    if policy == "allow_finish":
        await _cancel_is_there(stage, handle.workflow_id)
        actions.release(first)
    run = await stage.ended(handle)
    assert run.status is RunStatus.CANCELLED
    ended = "cancelled" if policy == "cancel_running" else "succeeded"
    assert await stage.states(handle) == {"first": ended}
    assert not actions.begun[second]


async def _cancel_is_there(stage: Stage, workflow_id: str) -> None:
    """Wait until the workflow has seen that it is cancelled."""
    temporal = stage.client.temporal.get_workflow_handle(workflow_id)

    async def seen() -> None:
        history = await temporal.fetch_history()
        kinds = [event.WhichOneof("attributes") for event in history.events]
        asked = "workflow_execution_cancel_requested_event_attributes"
        assert asked in kinds
        assert "workflow_task_completed_event_attributes" in kinds[kinds.index(asked) :]

    await eventually(seen)


async def test_cancel_ends_waits_and_children(stage: Stage) -> None:
    """Timers and child runs end with the run: their rows and the child's run are cancelled."""
    await stage.store(
        "{ref: child, tasks: [{name: nap, action: core.sleep, input: {seconds: 1h}}]}"
    )
    handle = await stage.start(
        """
ref: ends
tasks:
  - name: all
    tasks:
      - {name: nap, action: core.sleep, input: {seconds: 1h}}
      - {name: inner, workflow: child}
"""
    )
    await stage.until(handle, "inner", "running")
    await handle.cancel()
    assert (await stage.ended(handle)).status is RunStatus.CANCELLED
    assert await stage.states(handle) == {"nap": "cancelled", "inner": "cancelled"}
    child_id = (await stage.row(handle, "inner")).child_run_id
    assert child_id is not None
    child = await stage.client.store.runs.get(stage.tenant, child_id)
    assert child.status is RunStatus.CANCELLED
    assert [str(one.status) for one in await stage.rows(child_id)] == ["cancelled"]


async def test_cancel_during_load(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is cancelled while it loads its definition ends as cancelled, without tasks."""
    from flowkeep.activities.definition import DefinitionActivities

    loads, goes_on = asyncio.Event(), asyncio.Event()
    inner = DefinitionActivities._config

    async def slow(self: DefinitionActivities) -> dict[str, object]:
        loads.set()
        await goes_on.wait()
        return await inner(self)

    monkeypatch.setattr(DefinitionActivities, "_config", slow)
    handle = await stage.start(TWO, first=stage.unique("1"), second=stage.unique("2"))
    async with asyncio.timeout(60):
        await loads.wait()
    await handle.cancel()
    goes_on.set()
    assert (await stage.ended(handle)).status is RunStatus.CANCELLED
    assert set(await stage.states(handle)) <= {"first"}


async def test_a_pause_that_the_ledger_refuses(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose pause the ledger refuses pauses, resumes and ends all the same."""

    async def refuse(self: System, run: RunRef, request: PauseRequest) -> None:
        raise InvalidInput("refused for a test")

    monkeypatch.setattr(System, "set_paused", refuse)
    name = stage.unique("n")
    handle = await stage.start(
        f"""
ref: refused
tasks:
  - {{name: hold, action: test.hold, input: {{name: {name}}}}}
  - {{name: after, action: test.echo, input: {{value: 1}}}}
output_map: {{gave: "{{{{ tasks.after.result }}}}"}}
"""
    )
    await stage.begun(name)
    temporal = stage.client.temporal.get_workflow_handle(handle.workflow_id)
    await handle.pause("look first")

    async def paused() -> None:
        assert (await temporal.query("progress"))["paused"]

    await eventually(paused)
    await temporal.signal("resume", None)
    actions.release(name)
    assert await stage.result(handle) == {"gave": 1}
