"""Runs that continue as new: nothing is lost, and nothing happens twice."""

from collections import Counter
from datetime import timedelta

import pytest

from flowkeep.clients.workflow import RunHandle
from flowkeep.contracts import RunStatus, SegmentKind
from tests.definitions.runs import actions
from tests.definitions.runs.support import Stage
from tests.support import eventually


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs continue as new after 20 events."""
    monkeypatch.setattr("flowkeep.activities.definition.MOST_EVENTS", 20)


async def executions(stage: Stage, handle: RunHandle) -> int:
    """How many executions a run took."""
    segments = await stage.client.store.runs.list_segments(stage.tenant, handle.run_id)
    assert all(one.kind is SegmentKind.CONTINUE for one in segments[1:])
    return len(segments)


async def once(stage: Stage, handle: RunHandle) -> None:
    """Every task has one row over all executions."""
    counts = Counter(one.activity_id for one in await stage.rows(handle))
    assert {name: count for name, count in counts.items() if count > 1} == {}


async def test_items_in_the_middle(stage: Stage) -> None:
    """Items go on where they were; each runs once, results keep their order."""
    name = stage.unique("n")
    handle = await stage.start(
        f"""
ref: many
tasks:
  - name: each
    action: test.count
    with_items: "{{{{ range(24) | list }}}}"
    concurrency: 4
    input: {{name: {name}, value: "{{{{ item * 2 }}}}"}}
  - {{name: after, action: test.echo, input: {{value: "{{{{ tasks.each.result[23] }}}}"}}}}
output_map: {{all: "{{{{ tasks.each.result }}}}", last: "{{{{ tasks.after.result }}}}"}}
"""
    )
    assert await stage.result(handle) == {"all": [2 * n for n in range(24)], "last": 46}
    assert actions.begun[name] == 24
    assert await executions(stage, handle) > 1
    await once(stage, handle)
    assert len(await stage.rows(handle)) == 25
    run = await stage.recorded(handle)
    assert run.tasks_total == run.tasks_finished


async def test_a_cycle(stage: Stage) -> None:
    """A cycle counts on, and its variables are kept."""
    handle = await stage.start(
        """
ref: cycle
vars: {n: 0}
tasks:
  - {name: start, action: test.echo, transitions: [{do: step}]}
  - name: step
    action: test.add
    input: {left: "{{ vars.n }}", right: 1}
    publish: {n: "{{ result() }}"}
    transitions: [{when: "{{ vars.n < 9 }}", do: step}]
output_map: {n: "{{ vars.n }}"}
"""
    )
    assert await stage.result(handle) == {"n": 9}
    assert await executions(stage, handle) > 1
    await once(stage, handle)


async def test_a_long_task_keeps_nobody_waiting(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a long task others begin beyond the first bound of events, none beyond the second."""
    monkeypatch.setattr("flowkeep.activities.definition.MOST_EVENTS", 60)
    monkeypatch.setattr("flowkeep.workflows.definition_departure.PATIENCE", timedelta(seconds=0.1))
    long, name = stage.unique("long"), stage.unique("n")
    handle = await stage.start(
        f"""
ref: long
tasks:
  - name: both
    tasks:
      - {{name: long, action: test.hold, input: {{name: {long}}}}}
      - name: each
        action: test.count
        with_items: "{{{{ range(30) | list }}}}"
        concurrency: 1
        input: {{name: {name}, value: "{{{{ item }}}}"}}
output_map: {{all: "{{{{ tasks.each.result }}}}", long: "{{{{ tasks.long.result }}}}"}}
"""
    )
    first = stage.client.temporal.get_workflow_handle(
        handle.workflow_id, run_id=handle.temporal_run_id
    )

    async def is_full() -> None:
        assert (await first.describe()).history_length >= 120

    await eventually(is_full)
    assert 15 <= actions.begun[name] < 30
    actions.release(long)
    assert await stage.result(handle) == {"all": list(range(30)), "long": long}
    assert (await first.describe()).history_length < 140

    async def has_two() -> None:
        assert await executions(stage, handle) == 2

    await eventually(has_two)
    assert actions.begun[long] == 1
    assert actions.begun[name] == 30
    await once(stage, handle)


async def test_open_questions_and_waits(stage: Stage) -> None:
    """Questions and waits stay open over executions: asked once, answered and ended later."""
    name = stage.unique("n")
    handle = await stage.start(
        f"""
ref: asks
tasks:
  - {{name: go, action: test.echo, transitions: [{{do: [ask, nap, each]}}]}}
  - {{name: ask, human: {{assignee: ada, title: ok, deadline: 1h}}, transitions: [{{do: last}}]}}
  - {{name: nap, action: core.sleep, input: {{seconds: 2s}}, transitions: [{{do: last}}]}}
  - name: each
    action: test.count
    with_items: "{{{{ range(18) | list }}}}"
    concurrency: 3
    input: {{name: {name}}}
    transitions: [{{do: last}}]
  - name: last
    action: test.echo
    join: all
    input: {{value: "{{{{ tasks.ask.result.answer }}}}"}}
output_map: {{answer: "{{{{ tasks.last.result }}}}"}}
"""
    )
    run = await stage.until_status(handle, RunStatus.WAITING)
    assert run.wait == {"human": ["ask"]}
    assert actions.begun[name] == 18
    assert await executions(stage, handle) > 1
    row = await stage.row(handle, "ask")
    assert row.deadline_at is not None
    assert row.started_at is not None
    assert (row.deadline_at - row.started_at).total_seconds() == 3600
    await stage.client.questions.answer(
        stage.tenant, handle.run_id, "ask", {"fine": True}, by="ada"
    )
    assert await stage.result(handle) == {"answer": {"fine": True}}
    await once(stage, handle)
    kinds = await stage.kinds(handle)
    assert kinds.count("question_opened") == kinds.count("question_answered") == 1


async def test_a_pause_goes_on(stage: Stage) -> None:
    """A run that is paused when it continues as new stays paused, and can be resumed."""
    names = [stage.unique(str(n)) for n in range(12)]
    handle = await stage.start(
        """
ref: paused
tasks:
  - name: each
    action: test.hold
    with_items: "{{ parameters.names }}"
    concurrency: 6
    input: {name: "{{ item }}"}
  - {name: after, action: test.echo}
""",
        names=names,
    )
    await stage.begun(*names[:6])
    await handle.pause("look first")
    await stage.until_status(handle, RunStatus.WAITING)
    for name in names[:6]:  # one by one, so that the history grows beyond its bound
        actions.release(name)
        await stage.until(handle, f"each[{names.index(name)}]", "succeeded")
    temporal = stage.client.temporal.get_workflow_handle(handle.workflow_id)

    async def went_on() -> None:
        assert await executions(stage, handle) > 1

    await eventually(went_on)
    progress = await temporal.query("progress")
    assert (progress["paused"], progress["pause_reason"]) == (True, "look first")
    assert not any(actions.begun[name] for name in names[6:])
    await handle.resume()
    actions.release(*names)
    await stage.result(handle)
    assert all(actions.begun[name] == 1 for name in names)
    await once(stage, handle)


async def test_a_paused_run_keeps_its_deadlines(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question of a paused run runs out of time, though a departure was given up before."""
    monkeypatch.setattr("flowkeep.activities.definition.MOST_EVENTS", 60)
    monkeypatch.setattr("flowkeep.workflows.definition_departure.PATIENCE", timedelta(seconds=3))
    names = [stage.unique(str(n)) for n in range(14)]
    handle = await stage.start(
        """
ref: late
tasks:
  - {name: go, action: test.echo, transitions: [{do: [ask, each]}]}
  - name: ask
    human: {assignee: ada, title: ok, deadline: 25s}
    transitions: [{when: "{{ timed_out() }}", do: after}]
  - name: each
    action: test.hold
    with_items: "{{ parameters.names }}"
    concurrency: 14
    input: {name: "{{ item }}"}
  - {name: after, action: test.echo}
""",
        names=names,
    )
    await stage.begun(*names)
    await handle.pause("look first")
    await stage.until_status(handle, RunStatus.WAITING)
    for number, name in enumerate(names[:-1]):  # so that the history grows beyond its bound
        actions.release(name)
        await stage.until(handle, f"each[{number}]", "succeeded")
    history = await stage.client.temporal.get_workflow_handle(handle.workflow_id).describe()
    assert 60 <= history.history_length < 120
    assert (await stage.states(handle))["ask"] == "waiting"
    await stage.until(handle, "ask", "timed_out")
    await handle.resume()
    actions.release(names[-1])
    await stage.result(handle)
    await once(stage, handle)


async def test_cancel_after_it(stage: Stage) -> None:
    """A run that continued as new is cancelled like any other."""
    handle = await stage.start(
        """
ref: cancelled
tasks:
  - {name: each, action: test.echo, with_items: "{{ range(12) | list }}", concurrency: 2}
  - {name: ask, human: {assignee: ada, title: ok}}
"""
    )
    await stage.until_status(handle, RunStatus.WAITING)
    assert await executions(stage, handle) > 1
    await handle.cancel()
    assert (await stage.ended(handle)).status is RunStatus.CANCELLED
    assert (await stage.states(handle))["ask"] == "cancelled"


async def test_a_child_keeps_its_version(stage: Stage) -> None:
    """A child that continues as new goes on with its version though its definition is gone."""
    name = stage.unique("n")
    await stage.store(
        f"""
ref: child
tasks:
  - {{name: wait, action: test.hold, input: {{name: {name}}}}}
  - {{name: each, action: test.echo, with_items: "{{{{ range(12) | list }}}}", concurrency: 2}}
output_map: {{n: "{{{{ tasks.each.result | length }}}}"}}
"""
    )
    handle = await stage.start(
        "{ref: parent, tasks: [{name: inner, workflow: child}],"
        " output_map: {n: '{{ tasks.inner.result.n }}'}}"
    )
    await stage.begun(name)
    found = await stage.client.store.definitions.get_by_ref(stage.tenant, "child")
    await stage.client.store.definitions.delete(
        stage.tenant, found.id, expected_revision=found.revision
    )
    actions.release(name)
    assert await stage.result(handle) == {"n": 12}
