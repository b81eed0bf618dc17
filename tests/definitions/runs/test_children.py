"""Definitions that call definitions and workflow classes, on real servers."""

import pytest

from flowkeep.contracts import (
    DefinitionPatch,
    NewAction,
    NewDefinition,
    RunStatus,
    StateType,
    Task,
    TaskStatus,
    TaskType,
)
from flowkeep.errors import Conflict, RunFailed
from tests.definitions.runs import actions
from tests.definitions.runs.support import Stage

CHILD = """
ref: child
parameters: {type: object, properties: {n: {type: integer}, add: {type: integer, default: 5}}}
tasks:
  - name: sum
    action: test.add
    input: {left: "{{ parameters.n }}", right: "{{ parameters.add }}"}
output_map: {sum: "{{ tasks.sum.result }}"}
"""


async def test_a_child_run(stage: Stage) -> None:
    """A child is a run of its own that pins its version and names its parent; the row names it."""
    await stage.store(CHILD)
    handle = await stage.start(
        """
ref: parent
tasks:
  - {name: inner, workflow: child, input: {n: 3}}
  - {name: called, action: child, input: {n: 4, add: 1}}
output_map: {first: "{{ tasks.inner.result.sum }}", second: "{{ tasks.called.result.sum }}"}
"""
    )
    assert await stage.result(handle) == {"first": 8, "second": 5}
    rows = {one.activity_id: one for one in await stage.rows(handle)}
    assert list(rows) == ["called", "inner"]
    definition = await stage.client.store.definitions.get_by_ref(stage.tenant, "child")
    for row, sum_ in ((rows["inner"], 8), (rows["called"], 5)):
        assert (row.type, row.status, row.output) == (
            TaskType.CHILD,
            TaskStatus.SUCCEEDED,
            {"sum": sum_},
        )
        assert row.child_run_id is not None
        child = await stage.client.store.runs.get(stage.tenant, row.child_run_id)
        assert child.status is RunStatus.SUCCEEDED
        assert child.parent_run_id == handle.run_id
        assert child.workflow_id == row.external_id
        assert child.definition_id == definition.id
        assert child.definition_revision == definition.version_revision
        assert child.outputs == {"sum": sum_}
    run = await stage.recorded(handle)
    assert (run.tasks_total, run.tasks_finished) == (3, 3)


async def test_children_of_items(stage: Stage) -> None:
    """Each item of a task may be a child run; its row has index and child."""
    await stage.store(CHILD)
    handle = await stage.start(
        """
ref: parents
tasks: [{name: each, workflow: child, with_items: [1, 2], input: {n: "{{ item }}"}}]
output_map: {all: "{{ tasks.each.result }}"}
"""
    )
    assert await stage.result(handle) == {"all": [{"sum": 6}, {"sum": 7}]}
    rows = await stage.rows(handle)
    assert [one.task_index for one in rows] == [0, 1]
    assert len({one.child_run_id for one in rows}) == 2


async def fails(stage: Stage, text: str = "{name: inner, workflow: child}") -> tuple[str, Task]:
    """Run a definition whose only task fails; returns the run's error and the task's row."""
    handle = await stage.start(f"{{ref: parent, tasks: [{text}]}}")
    with pytest.raises(RunFailed) as caught:
        await stage.result(handle)
    return str(caught.value), await stage.row(handle, "inner")


async def test_a_child_that_fails(stage: Stage) -> None:
    """A failed child fails its task with the child's code and message."""
    await stage.store("{ref: child, tasks: [{name: bad, action: test.break}]}")
    text, row = await fails(stage)
    assert "task 'bad' failed: broken" in text
    assert row.status is TaskStatus.FAILED
    assert row.error is not None
    assert row.error.code == "BROKEN"
    assert row.child_run_id is not None
    child = await stage.client.store.runs.get(stage.tenant, row.child_run_id)
    assert child.status is RunStatus.FAILED


async def test_a_child_that_takes_too_long(stage: Stage) -> None:
    """The task's timeout ends the child; the row has timed out."""
    await stage.store(
        "{ref: child, tasks: [{name: long, action: core.sleep, input: {seconds: 1h}}]}"
    )
    stage.repairs = True  # the server ends the child, and tells no worker
    _, row = await fails(stage, "{name: inner, workflow: child, timeout: 1s}")
    assert row.status is TaskStatus.TIMED_OUT
    assert row.timeout_seconds == 1
    assert row.deadline_at is not None


async def test_a_child_that_is_tried_again(stage: Stage) -> None:
    """The task's retry starts the child anew; it stays one child run and one row."""
    await stage.store(
        f"""
ref: child
tasks:
  - name: bad
    action: test.flaky
    input: {{name: {stage.unique("n")}, failures: 1}}
    retry: {{count: 0}}
output_map: {{n: "{{{{ tasks.bad.result }}}}"}}
"""
    )
    handle = await stage.start(
        """
ref: parent
tasks: [{name: inner, workflow: child, retry: {count: 2, delay: 10ms}}]
output_map: {n: "{{ tasks.inner.result.n }}"}
"""
    )
    assert await stage.result(handle) == {"n": 2}
    row = await stage.row(handle, "inner")
    assert (row.attempt, row.status) == (1, TaskStatus.SUCCEEDED)
    assert row.child_run_id is not None
    child = await stage.client.store.runs.get(stage.tenant, row.child_run_id)
    assert child.status is RunStatus.SUCCEEDED
    segments = await stage.client.store.runs.list_segments(stage.tenant, child.id)
    assert [str(one.kind) for one in segments] == ["start", "retry"]


async def test_a_child_that_is_not_there(stage: Stage) -> None:
    """A missing, disabled or unfinished definition fails the task and says which."""
    text, _ = await fails(stage)
    assert "child" in text
    assert "does not exist" in text


async def test_a_child_that_is_disabled(stage: Stage) -> None:
    """A disabled definition is not run as a child."""
    await stage.store(CHILD, enabled=False)
    text, row = await fails(stage)
    assert "definition 'child' is disabled" in text
    assert row.status is TaskStatus.FAILED


async def test_a_child_that_is_a_draft(stage: Stage) -> None:
    """A draft is not run as a child."""
    new = NewDefinition(name="child", ref="child", spec={"ref": "child"}, draft=True)
    await stage.client.store.definitions.create(stage.tenant, new)
    text, _ = await fails(stage)
    assert "definition 'child' is a draft" in text


async def test_children_without_end(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Definitions that call each other for ever end with a clear error."""
    monkeypatch.setattr("flowkeep.activities.definition.MOST_DEPTH", 2)
    await stage.store("{ref: child, tasks: [{name: again, workflow: other}]}")
    await stage.store("{ref: other, tasks: [{name: back, workflow: child}]}")
    text, _ = await fails(stage)
    assert "more than 2 deep" in text


async def test_a_workflow_class(stage: Stage) -> None:
    """`core.workflow` runs a coded class with its arguments as a child run."""
    handle = await stage.start(
        """
ref: calls
tasks:
  - name: sum
    action: core.workflow
    input: {workflow_type: Adds, arguments: {numbers: [1, 2, "{{ parameters.n }}"]}}
output_map: {sum: "{{ tasks.sum.result }}"}
""",
        n=4,
    )
    assert await stage.result(handle) == {"sum": 7}
    row = await stage.row(handle, "sum")
    assert (row.type, row.status) == (TaskType.CHILD, TaskStatus.SUCCEEDED)
    assert row.child_run_id is not None
    child = await stage.client.store.runs.get(stage.tenant, row.child_run_id)
    assert (child.workflow_type, child.parent_run_id) == ("Adds", handle.run_id)
    kept = await stage.client.store.state.get_state(
        stage.tenant, child.workflow_id, StateType.WORKFLOWS
    )
    assert kept.value == {"numbers": [1, 2, 4]}


@pytest.mark.parametrize(
    "given",
    [
        "{}",
        "{workflow_type: Adds, argument: {}}",
        "{workflow_type: '{{ [1] }}'}",
        "{workflow_type: flowkeep.Retention}",
    ],
)
async def test_a_workflow_class_called_wrongly(stage: Stage, given: str) -> None:
    """An input that `core.workflow` does not take fails the task and names the field."""
    text, row = await fails(stage, f"{{name: inner, action: core.workflow, input: {given}}}")
    assert "input." in text
    assert row.error is not None
    assert row.error.code == "INVALID_INPUT"


async def test_an_action_stands_for_its_definition(stage: Stage) -> None:
    """An action that is linked to a definition runs that one, whatever their names are."""
    await stage.store(
        "{ref: adds, tasks: [{name: a, action: test.add, input: {left: 1, right: 2}}],"
        ' output_map: {sum: "{{ tasks.a.result }}"}}'
    )
    store = stage.client.store
    found = await store.definitions.get_by_ref(stage.tenant, "adds")
    made = await store.actions.create(stage.tenant, NewAction(ref="sums.make"))
    await store.actions.link_definition(stage.tenant, made.id, found.id)
    text = (
        "{ref: calls, tasks: [{name: c, action: sums.make}],"
        ' output_map: {c: "{{ tasks.c.result.sum }}"}}'
    )
    assert await stage.run(text) == {"c": 3}


async def test_one_workflow_id_is_one_definition(stage: Stage) -> None:
    """A start under the workflow_id of an open run of another definition is a conflict."""
    name = stage.unique("held")
    first = await stage.store(
        f"{{ref: one, tasks: [{{name: h, action: test.hold, input: {{name: {name}}}}}]}}"
    )
    other = await stage.store("{ref: two, tasks: [{name: h, action: test.attempt}]}")
    runs = stage.client.definitions
    handle = await runs.run(first, {}, tenant_id=stage.tenant, workflow_id=name)
    again = await runs.run(first, {}, tenant_id=stage.tenant, workflow_id=name)
    assert again.run_id == handle.run_id
    with pytest.raises(Conflict, match="another definition"):
        await runs.run(other, {}, tenant_id=stage.tenant, workflow_id=name)
    await handle.terminate("seen enough")


async def test_an_open_run_keeps_its_version(stage: Stage) -> None:
    """Whatever becomes of the definition, an open run goes on with the version it began with."""
    name = stage.unique("n")
    text = f"""
ref: changing
tasks:
  - {{name: wait, action: test.hold, input: {{name: {name}}}}}
  - {{name: after, action: test.echo, input: {{value: old}}}}
output_map: {{value: "{{{{ tasks.after.result }}}}"}}
"""
    handle = await stage.start(text)
    await stage.begun(name)
    store = stage.client.store.definitions
    found = await store.get_by_ref(stage.tenant, "changing")
    spec = {**found.spec, "output_map": {"value": "new"}}
    found = await store.update(
        stage.tenant,
        found.id,
        DefinitionPatch(spec=spec, enabled=False),
        expected_revision=found.revision,
    )
    await store.delete(stage.tenant, found.id, expected_revision=found.revision)
    actions.release(name)
    assert await stage.result(handle) == {"value": "old"}
