"""Runs of several executions: continued, retried, repeated by cron or a schedule, reset."""

from typing import Any
from uuid import uuid4

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WorkflowHandle,
)
from temporalio.common import RetryPolicy

from tests.recording.history import flows
from tests.recording.history.conftest import Ledger, Serve, kinds
from tests.recording.history.steps import ended, reset, started
from tests.support import eventually


async def executions(client: Client, handle: WorkflowHandle[Any, Any]) -> list[Any]:
    """Return handles on every execution of a workflow id, oldest first."""
    found = [
        (one.start_time, one.run_id)
        async for one in client.list_workflows(f"WorkflowId = '{handle.id}'")
    ]
    return [client.get_workflow_handle(handle.id, run_id=run_id) for _, run_id in sorted(found)]


async def check_chain(
    client: Client, ledger: Ledger, handle: WorkflowHandle[Any, Any], kind: str, count: int
) -> None:
    """Have a chain proven, then lose it whole and in parts, and have it rebuilt."""

    async def listed() -> list[Any]:
        found = await executions(client, handle)
        assert len(found) >= count
        return found

    chain = await eventually(listed)
    for one in chain:
        await ledger.agrees(one)
    run, rows = await ledger.run(handle), await ledger.rows(handle)
    segments = await ledger.segments(handle)
    assert [one[1] for one in segments] == ["start"] + [kind] * (len(chain) - 1)

    await ledger.sql("DELETE FROM run_segment WHERE temporal_run_id = %s", chain[-1].run_id)
    assert kinds(await ledger.examine(chain[-2], deep=True)) == ["segment_missing"]
    assert kinds(await ledger.examine(chain[-1], deep=False)) == ["segment_missing"]
    await ledger.examine(chain[-2], deep=True, repair=True)
    for one in chain:
        await ledger.examine(one, deep=True, repair=True)
        assert await ledger.examine(one) == []
    assert await ledger.run(handle) == run
    assert await ledger.segments(handle) == segments

    await ledger.forget(handle)
    for one in reversed(chain):  # in whatever order they are found
        await ledger.examine(one, deep=True, repair=True)
    for one in chain:
        assert await ledger.examine(one) == []
    assert await ledger.run(handle) == run
    assert await ledger.rows(handle) == rows
    assert [one[:5] for one in await ledger.segments(handle)] == [one[:5] for one in segments]


async def test_chains(recorded: Client, ledger: Ledger, serve: Serve, task_queue: str) -> None:
    """Continued and retried runs are proven execution by execution, and rebuilt in any order."""
    async with serve(recorded):
        continued = await started(recorded, flows.Continues.run, 2, task_queue=task_queue)
        retried = await started(
            recorded,
            flows.Retried.run,
            task_queue=task_queue,
            retry_policy=RetryPolicy(maximum_attempts=3),
        )
        assert await continued.result() == 0
        assert await retried.result() == 2
    await check_chain(recorded, ledger, continued, "continue", 3)
    await check_chain(recorded, ledger, retried, "retry", 2)


async def test_cron_and_schedule(
    recorded: Client, ledger: Ledger, serve: Serve, task_queue: str
) -> None:
    """Firings of a cron are segments of one run, those of a schedule runs of their own."""
    async with serve(recorded):
        cron = await started(
            recorded, flows.Leaf.run, task_queue=task_queue, cron_schedule="@every 1s"
        )
        schedule = await recorded.create_schedule(
            f"h-{uuid4().hex}",
            Schedule(
                action=ScheduleActionStartWorkflow(
                    flows.Leaf.run, id=f"h-{uuid4().hex}", task_queue=task_queue
                ),
                spec=ScheduleSpec(),
            ),
            trigger_immediately=True,
        )

        async def fired() -> WorkflowHandle[Any, Any]:
            recent = (await schedule.describe()).info.recent_actions
            assert recent
            action = recent[0].action
            return recorded.get_workflow_handle(
                action.workflow_id,
                run_id=action.first_execution_run_id,  # type: ignore[union-attr]
            )

        firing = await eventually(fired)
        await ended(firing)

        async def twice() -> None:
            assert len(await executions(recorded, cron)) >= 3

        await eventually(twice)
        newest = recorded.get_workflow_handle(cron.id)
        await newest.terminate(reason="that is enough")
        await schedule.delete()
    await ledger.agrees(firing)
    [before] = await ledger.sql(
        "SELECT id, triggered_from FROM run WHERE workflow_id = %s", firing.id
    )
    await ledger.forget(firing)
    assert await ledger.repaired(firing) == ["run_missing"]
    assert (
        before
        == (
            await ledger.sql("SELECT id, triggered_from FROM run WHERE workflow_id = %s", firing.id)
        )[0]
    )
    assert before[1] == "schedule"
    chain = await executions(recorded, cron)
    for one in chain:
        await ledger.examine(one, deep=True, repair=True)
    await check_chain(recorded, ledger, cron, "cron", len(chain))
    assert (await ledger.run(cron))[:2] == ("cancelled", "terminated")


async def test_reset_of_an_open_run(
    recorded: Client, ledger: Ledger, serve: Serve, task_queue: str
) -> None:
    """What a reset undoes is marked, what it keeps is not, and a reset of the reset moves marks."""
    async with serve(recorded):
        first = await started(recorded, flows.Steps.run, task_queue=task_queue)

        async def two_done() -> None:
            assert len(await ledger.rows(first)) == 2

        await eventually(two_done)
        second = await reset(recorded, first, after="1")
        await second.signal(flows.Steps.go)
        assert await second.result() == "Hello, three!"
    await check_resets(ledger, first, second, kept={"1"})
    async with serve(recorded):
        third = await reset(recorded, second, after="2")
        await third.signal(flows.Steps.go)
        assert await third.result() == "Hello, three!"
    for one in (first, second, third):
        await ledger.examine(one, deep=True, repair=True)
    for one in (first, second, third):
        assert await ledger.examine(one) == []
    marks = await ledger.sql("SELECT temporal_run_id, activity_id, superseded FROM task")
    assert sorted(marks) == sorted(
        [
            (first.first_execution_run_id, "1", False),
            (first.first_execution_run_id, "2", True),
            (second.run_id, "2", False),
            (second.run_id, "3", True),
            (third.run_id, "3", False),
        ]
    )
    assert (await ledger.run(first))[0] == "succeeded"


async def check_resets(
    ledger: Ledger,
    base: WorkflowHandle[Any, Any],
    made: WorkflowHandle[Any, Any],
    *,
    kept: set[str],
) -> None:
    for one in (base, made):
        await ledger.examine(one, deep=True, repair=True)
    for one in (base, made):
        assert await ledger.examine(one) == []
    marks = dict(
        await ledger.sql(
            "SELECT activity_id, superseded FROM task WHERE temporal_run_id <> %s", made.run_id
        )
    )
    assert {key for key, superseded in marks.items() if not superseded} == kept
    await ledger.sql(
        "UPDATE task SET superseded = NOT superseded WHERE temporal_run_id <> %s", made.run_id
    )
    found = set(await ledger.repaired(made))
    assert found - {"count_differs"} == {f"not_superseded {key}/1" for key in marks}
    run, rows = await ledger.run(base), await ledger.rows(base)
    await ledger.forget(base)
    for one in (made, base, made):
        await ledger.examine(one, deep=True, repair=True)
    for one in (base, made):
        assert await ledger.examine(one) == []
    assert (await ledger.run(base))[:4] == run[:4]
    assert await ledger.rows(base) == rows
    assert [one[1] for one in await ledger.segments(base)] == ["start", "reset"]


async def test_reset_of_a_closed_run(
    recorded: Client, ledger: Ledger, serve: Serve, task_queue: str
) -> None:
    """A run that ended and is reset runs again, and ends as its new execution does."""
    async with serve(recorded):
        first = await started(recorded, flows.Steps.run, task_queue=task_queue)
        await first.signal(flows.Steps.go)
        await first.result()
        await ledger.agrees(first)
    made = await reset(recorded, first, after="1")
    assert kinds(await ledger.examine(first)) == ["segment_missing"]
    await ledger.examine(made, deep=False, repair=True)
    assert (await ledger.run(first))[0] == "running"
    assert await ledger.examine(made, deep=False) == []
    async with serve(recorded):
        await made.signal(flows.Steps.go)
        await made.result()
    await check_resets(ledger, first, made, kept={"1"})
    assert (await ledger.run(first))[0] == "succeeded"
