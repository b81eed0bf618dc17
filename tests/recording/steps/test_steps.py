"""Durable steps inside an activity."""

import asyncio
import re
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import CancelledError

import flowkeep
from flowkeep.clients.outcome import pending_activities
from flowkeep.contracts import TaskStatus, TaskType
from flowkeep.errors import ConfigurationError
from flowkeep.recording.plugin import Plugin
from tests.recording.steps import flows
from tests.recording.steps.served import Start, agrees, refused, run_of, start, steps_of
from tests.support import eventually

__all__ = ["start"]


async def test_an_attempt_goes_on_behind_the_last_step(
    start: Start, recorded: Client, plugin: Plugin
) -> None:
    """What is recorded never runs again and comes back as it was: typed, whatever its size."""
    handle = await start(flows.resumes, 2)
    seven = {"id": 7, "tags": {"zeta": 1.0, "alpha": 1e22}}
    assert await handle.result() == [2, seven, ["zeta", "alpha"], "éé", 4]
    calls = flows.CALLS[handle.id]
    assert calls == {"double 1": 1, "row": 1, "big": 1, "double 2": 1}
    steps = await steps_of(plugin, handle)
    assert [(one.activity_id, one.attempt, one.status) for one in steps] == [
        ("1/double#1", 1, TaskStatus.SUCCEEDED),
        ("1/row#2", 1, TaskStatus.SUCCEEDED),
        ("1/big#3", 1, TaskStatus.SUCCEEDED),
        ("1/double#4", 1, TaskStatus.SUCCEEDED),
    ]
    assert steps[1].output == seven
    assert steps[2].output == "é" * 9000
    assert {one.batch for one in steps} == {"1"}
    await agrees(recorded, plugin, handle)
    run = await plugin.store.runs.get("default", await run_of(plugin, handle))
    assert (run.tasks_total, run.tasks_finished, run.exceptions_count) == (1, 1, 2)


async def test_a_step_has_retries_of_its_own(start: Start, plugin: Plugin) -> None:
    """A step that failed is tried again inside the attempt, and each try is recorded."""
    handle = await start(flows.retries, attempts=1)
    assert await handle.result() == "at last"
    steps = await steps_of(plugin, handle)
    assert [(one.attempt, one.status) for one in steps] == [
        (1, TaskStatus.FAILED),
        (2, TaskStatus.FAILED),
        (3, TaskStatus.SUCCEEDED),
    ]
    assert steps[0].error is not None
    assert "hunter2" not in steps[0].error.message
    assert steps[0].next_retry_at is not None


async def test_the_activity_retries_what_a_step_does_not(start: Start, plugin: Plugin) -> None:
    """Attempts of a step are counted over the attempts of its activity."""
    handle = await start(flows.gives_up)
    assert await handle.result() == "at last"
    assert flows.CALLS[handle.id] == {"double 5": 1, "fails_until": 3}
    steps = await steps_of(plugin, handle)
    assert [(one.task_name, one.attempt) for one in steps] == [
        ("double", 1),
        ("fails_until", 1),
        ("fails_until", 2),
        ("fails_until", 3),
    ]


async def test_a_failure_that_was_handled_stays_one(start: Start, plugin: Plugin) -> None:
    """Where the code went on behind a failed step, the next attempt sees the same failure."""
    handle = await start(flows.goes_on)
    assert await handle.result() == ["RuntimeError", "RuntimeError", "4"]
    assert flows.CALLS[handle.id] == {"fails_until": 2, "lingers": 1, "double 1": 1, "double 2": 1}
    steps = await steps_of(plugin, handle)
    assert [(one.task_name, one.status.value) for one in steps] == [
        ("fails_until", "failed"),
        ("instead", "succeeded"),
        ("lingers", "cancelled"),
        ("fails_until", "failed"),
        ("double", "succeeded"),
    ]


async def test_steps_side_by_side(start: Start, plugin: Plugin) -> None:
    """Parallel steps keep their places, names may repeat, a second block goes on counting."""
    handle = await start(flows.together, attempts=1)
    assert await handle.result() == [2, 4, 870, 200]
    steps = await steps_of(plugin, handle)
    assert [one.task_index for one in steps] == list(range(1, 34))
    assert [one.output for one in steps[2:32]] == [2 * n for n in range(30)]
    assert steps[-1].activity_id == "1/double#33"


@pytest.mark.parametrize("how", ["name", "function", "arguments", "order"])
async def test_changed_code_is_named(start: Start, how: str) -> None:
    """Another name, function, argument or order under a recorded step fails, and runs nothing."""
    handle = await start(flows.changes, how, attempts=2)
    error = await refused(handle)
    assert error.type == "StepMismatch"
    assert "step 1 was recorded as" in error.message
    assert "step.patched" in error.message


async def test_patched_code_goes_on(start: Start) -> None:
    """A change behind `patched` is for tasks that had not come that far: those take the old way."""
    handle = await start(flows.changes, "patched", attempts=2)
    assert await handle.result() == [False, True, 6]
    assert flows.CALLS[handle.id] == {"double 1": 1, "double 2": 1, "double 3": 1}


@pytest.mark.parametrize(
    ("how", "value", "words"),
    [
        ("leaks", "key", "holds a secret"),
        ("leaks", "url", "holds a secret"),
        ("leaks", "model", "holds a secret"),
        ("leaks typed", None, "is not of the type that its function names"),
        ("leaks flag", None, "is not of the type that its function names"),
        ("unknown", None, "step 'unknown' .object. cannot be encoded as JSON"),
        ("lies", None, "step 'lies' is not of the type|step 'lies' .str. cannot be encoded"),
        ("nested", None, "a step is called inside step 'outer'"),
        ("no function", None, "step 1 is a int, not a function"),
    ],
)
async def test_bad_steps_are_named(
    start: Start, plugin: Plugin, how: str, value: Any, words: str
) -> None:
    """What cannot be recorded fails with its name and is not tried again; no secret gets out."""
    handle = await start(flows.odd, how, value)
    error = await refused(handle)
    assert error.type == "InvalidInput"
    assert error.non_retryable
    assert re.search(words, error.message), error.message
    assert "hunter2" not in error.message
    for step in await steps_of(plugin, handle):
        assert step.status is TaskStatus.FAILED
        assert step.output is None
        assert "hunter2" not in repr(step)


async def test_a_step_may_take_only_so_long(start: Start, plugin: Plugin) -> None:
    """A step beyond its timeout has timed out, and the activity fails with that."""
    handle = await start(flows.odd, "timeout", attempts=1)
    error = await refused(handle)
    assert "'lingers' was not done within 0.05 s" in error.message
    [step] = await steps_of(plugin, handle)
    assert step.status is TaskStatus.TIMED_OUT
    assert step.error is not None
    assert step.error.code == "TIMEOUT"


async def test_a_cancel_in_the_middle(start: Start, recorded: Client, plugin: Plugin) -> None:
    """A step that is cancelled is recorded as cancelled, and so is its activity."""
    handle = await start(flows.odd, "linger", 60.0, heartbeat=2)

    async def lingers() -> None:
        assert flows.CALLS[handle.id]["lingers"] == 1

    await eventually(lingers)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()

    async def recorded_so() -> None:
        steps = await steps_of(plugin, handle)
        assert [one.status for one in steps] == [TaskStatus.SUCCEEDED, TaskStatus.CANCELLED]

    await eventually(recorded_so)
    await agrees(recorded, plugin, handle)


async def test_a_long_step_is_shown_while_it_runs(start: Start, plugin: Plugin) -> None:
    """After a second a step that still runs has a row."""
    handle = await start(flows.odd, "linger", 3.0, attempts=1)

    async def shown() -> None:
        steps = await steps_of(plugin, handle)
        assert [one.status for one in steps] == [TaskStatus.SUCCEEDED, TaskStatus.RUNNING]

    await eventually(shown)
    assert await handle.result() == "done"
    steps = await steps_of(plugin, handle)
    assert [(one.status, one.attempt) for one in steps] == [(TaskStatus.SUCCEEDED, 1)] * 2


async def test_an_old_attempt_records_no_more(
    start: Start, recorded: Client, plugin: Plugin
) -> None:
    """Of two attempts that live at once the older one is refused; no step is recorded twice."""
    gate = asyncio.Event()
    handle = await start(flows.hangs, timeout=1.5, attempts=2)
    flows.OPEN[handle.id] = gate
    assert await handle.result() == "4"
    gate.set()

    async def told() -> None:
        assert flows.CALLS[handle.id] == {"double 1": 1, "double 2": 2, "stale": 1}

    await eventually(told)
    steps = await steps_of(plugin, handle)
    assert [(one.task_name, one.attempt, one.status) for one in steps] == [
        ("double", 1, TaskStatus.SUCCEEDED),
        ("double", 1, TaskStatus.SUCCEEDED),
    ]
    await agrees(recorded, plugin, handle)


async def test_a_long_sleep_gives_the_slot_back(start: Start, plugin: Plugin) -> None:
    """A long sleep ends the attempt, and the next one begins when it is over."""
    handle = await start(flows.sleeps, 1.0, 0.1)
    assert await handle.result() == [2, 4, 2]
    steps = await steps_of(plugin, handle)
    assert [(one.task_name, one.status) for one in steps] == [
        ("double", TaskStatus.SUCCEEDED),
        ("sleep", TaskStatus.SUCCEEDED),
        ("double", TaskStatus.SUCCEEDED),
    ]
    assert flows.CALLS[handle.id] == {"double 1": 1, "double 2": 1}


async def test_a_short_or_last_sleep_holds_the_slot(start: Start) -> None:
    """A short sleep, and one in the last attempt, waits in place."""
    short = await start(flows.sleeps, 0.1, 10.0)
    last = await start(flows.sleeps, 0.3, 0.1, attempts=1)
    assert [await short.result(), await last.result()] == [[2, 4, 1]] * 2


async def test_steps_of_a_plain_function_run_in_its_thread(start: Start, plugin: Plugin) -> None:
    """In a thread the same steps are recorded and found again, and run in that very thread."""
    handle = await start(flows.threaded, True)
    assert await handle.result() == [True, True, True, 8, True]
    assert flows.CALLS[handle.id] == {"here 1": 1, "here 2": 1, "here 3": 1, "double 4": 1}
    assert len(await steps_of(plugin, handle)) == 6


async def test_no_step_inside_a_step_of_a_thread(start: Start) -> None:
    """In a thread a step inside a step is refused as well."""
    error = await refused(await start(flows.threaded_nested))
    assert "a step is called inside step 'outer'" in error.message


async def test_a_cancel_of_a_thread(start: Start, recorded: Client, plugin: Plugin) -> None:
    """A plain function that is cancelled in a step is recorded as cancelled, as is its run."""
    handle = await start(flows.threaded_waiting, heartbeat=2)

    async def waits() -> None:
        assert flows.CALLS[handle.id]["waits"] == 1

    await eventually(waits)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    assert isinstance(failure.value.cause, CancelledError)

    async def recorded_so() -> None:
        assert [one.status for one in await steps_of(plugin, handle)] == [TaskStatus.CANCELLED]

    await eventually(recorded_so)
    await agrees(recorded, plugin, handle)


async def test_blocks_side_by_side_count_together(start: Start, plugin: Plugin) -> None:
    """Blocks that are opened at once share the places, and each step is recorded."""
    handle = await start(flows.side_by_side)
    assert await handle.result() == [2, 4]
    assert flows.CALLS[handle.id] == {"double 1": 1, "double 2": 1}
    assert [one.task_index for one in await steps_of(plugin, handle)] == [1, 2]


async def test_a_limit_of_time_acts_again(start: Start) -> None:
    """Where the code went on behind a step that its own limit had cancelled, it does so again."""
    handle = await start(flows.limited)
    assert await handle.result() == "2 instead"
    assert flows.CALLS[handle.id] == {"lingers": 1, "double 1": 1}


async def test_steps_of_a_local_activity(
    start: Start, recorded: Client, plugin: Plugin, task_queue: str
) -> None:
    """A local activity has steps too."""
    handle = await recorded.start_workflow(
        flows.Locally.run,
        args=["resumes", [1]],
        id=f"local-{uuid4().hex}",
        task_queue=task_queue,
    )
    assert (await handle.result())[0] == 2
    assert flows.CALLS[handle.id] == {"double 1": 1, "row": 1, "big": 1, "double 2": 1}
    assert len(await steps_of(plugin, handle)) == 4


async def test_a_step_that_never_ends(start: Start, recorded: Client, plugin: Plugin) -> None:
    """The attempt's timeout ends it; the next attempt begins with that step, and so does nobody."""
    handle = await start(flows.odd, "linger", 600.0, attempts=2, timeout=1.5)
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert flows.CALLS[handle.id] == {"double 1": 1, "lingers": 2}

    async def over() -> None:
        found = await steps_of(plugin, handle)
        tries = [(one.attempt, one.status) for one in found if one.task_name == "lingers"]
        assert [number for number, _ in tries] == [1, 2]
        assert all(status.terminal for _, status in tries), tries

    await eventually(over)
    await agrees(recorded, plugin, handle)


async def test_heartbeats_tell_the_last_step(start: Start) -> None:
    """What Temporal shows of a pending activity names the step that it has come to."""
    handle = await start(flows.odd, "linger", 60.0, heartbeat=2)

    async def told() -> None:
        pending = pending_activities(await handle.describe())
        beats = [list(one.heartbeat) for one in pending]
        assert beats == [[{"step": "lingers", "ordinal": 2}]]

    await eventually(told)
    await handle.terminate()


async def test_very_many_steps(
    start: Start, plugin: Plugin, request: pytest.FixtureRequest
) -> None:
    """Each of very many steps runs once, recorded once, though the activity fails behind them.

    Ten thousand; with `--fault-points 10` a hundred thousand.
    """
    count = 10_000 if request.config.getoption("--fault-points") < 10 else 100_000
    handle = await start(flows.many, count, 200, timeout=600)
    assert await handle.result() == count * (count - 1)
    assert flows.CALLS[handle.id] == {"one of many": count}
    numbers, cursor, run_id = [], None, await run_of(plugin, handle)
    while True:
        page = await plugin.store.tasks.list_attempts("default", run_id, limit=100, cursor=cursor)
        numbers += [one.task_index for one in page if one.type is TaskType.STEP]
        if not page.has_more:
            break
        cursor = page.data[-1].attempt_key
    assert sorted(numbers) == list(range(1, count + 1))


async def test_outside_an_activity(recorded: Client) -> None:
    """Without an activity there is nothing that steps could belong to."""
    with pytest.raises(ConfigurationError, match="outside an activity"):
        async with flowkeep.steps():
            pass
