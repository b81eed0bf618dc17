"""Reruns: what succeeded is taken over, the rest is done again."""

import pytest

from flowkeep.clients.workflow import RunHandle
from flowkeep.contracts import DefinitionPatch, RunStatus, TaskStatus
from flowkeep.errors import InvalidInput
from tests.definitions.runs import actions, coded
from tests.definitions.runs.support import Stage


def chain(stage: Stage) -> str:
    """A definition whose last task fails once."""
    return f"""
ref: chain
parameters: {{type: object, properties: {{n: {{type: integer}}}}}}
tasks:
  - name: first
    action: test.count
    input: {{name: {stage.unique("first")}, value: "{{{{ parameters.n }}}}"}}
  - name: both
    tasks:
      - {{name: left, action: test.count, input: {{name: {stage.unique("left")}, value: 1}}}}
      - name: right
        action: test.flaky
        input: {{name: {stage.unique("right")}, failures: 1}}
        retry: {{count: 0}}
  - name: last
    action: test.add
    input: {{left: "{{{{ tasks.first.result }}}}", right: "{{{{ tasks.both.result.left }}}}"}}
output_map: {{sum: "{{{{ tasks.last.result }}}}", all: "{{{{ tasks.both.result }}}}"}}
"""


async def rerun(stage: Stage, handle: RunHandle, **options: object) -> RunHandle:
    """Repeat a run."""
    again = await stage.client.definitions.rerun(stage.tenant, handle.run_id, **options)  # type: ignore[arg-type]
    stage.handles.append(again)
    return again


async def test_from_the_failed_tasks(stage: Stage) -> None:
    """Tasks that succeeded are not called again, inside of parallel ones too; the ledger tells."""
    ref = await stage.store(chain(stage))
    handle = await stage.client.definitions.run(
        ref, {"n": 7}, tenant_id=stage.tenant, goal="a sum", labels={"for": "tests"}
    )
    stage.handles.append(handle)
    assert (await stage.ended(handle)).status is RunStatus.FAILED
    plan = await stage.client.definitions.preview_rerun(stage.tenant, handle.run_id)
    assert set(plan.reused) == {"first", "left"}
    assert plan.again == ("right", "last")
    again = await rerun(stage, handle)
    assert await stage.result(again) == {"sum": 8, "all": {"left": 1, "right": 2}}
    assert actions.begun[stage.unique("first")] == actions.begun[stage.unique("left")] == 1
    run = await stage.recorded(again)
    assert (run.retry_of, run.triggered_from) == (handle.run_id, "retry")
    assert (run.goal, run.labels) == ("a sum", {"for": "tests"})
    assert run.definition_revision == (await stage.recorded(handle)).definition_revision
    row = await stage.row(again, "first")
    assert (row.status, row.output) == (TaskStatus.SUCCEEDED, 7)
    assert (await stage.kinds(again)).count("task_reused") == 2
    assert set(await stage.states(again)) == {"first", "left", "right", "last"}


async def test_from_a_chosen_task(stage: Stage) -> None:
    """A chosen task and what follows it are done again, though they succeeded."""
    name = stage.unique("n")
    handle = await stage.start(
        f"""
ref: chosen
tasks:
  - {{name: a, action: test.count, input: {{name: {name}a, value: 1}}}}
  - {{name: b, action: test.count, input: {{name: {name}b, value: 2}}}}
  - {{name: c, action: test.count, input: {{name: {name}c, value: 3}}}}
"""
    )
    await stage.result(handle)
    again = await rerun(stage, handle, tasks=["b"])
    await stage.result(again)
    assert [actions.begun[f"{name}{letter}"] for letter in "abc"] == [1, 2, 2]
    whole = await rerun(stage, handle, everything=True)
    await stage.result(whole)
    assert [actions.begun[f"{name}{letter}"] for letter in "abc"] == [2, 3, 3]
    with pytest.raises(InvalidInput, match="no task of 'chosen'"):
        await rerun(stage, handle, tasks=["d"])


async def test_items_are_taken_over(stage: Stage) -> None:
    """Of a failed task with items only the items that did not succeed run again."""
    name = stage.unique("n")
    handle = await stage.start(
        f"""
ref: some
tasks:
  - {{name: make, action: test.echo, input: {{value: [1, 2, 3]}}}}
  - name: each
    action: test.flaky
    with_items: "{{{{ tasks.make.result }}}}"
    concurrency: 1
    retry: {{count: 0}}
    input: {{name: "{name}{{{{ index }}}}", failures: "{{{{ 1 if index == 1 else 0 }}}}"}}
output_map: {{all: "{{{{ tasks.each.result }}}}"}}
"""
    )
    assert (await stage.ended(handle)).status is RunStatus.FAILED
    again = await rerun(stage, handle)
    assert await stage.result(again) == {"all": [1, 2, 1]}
    assert [actions.begun[f"{name}{n}"] for n in range(3)] == [1, 2, 1]


async def test_on_the_newest_version(stage: Stage) -> None:
    """With `newest` a task that is described differently now is done again."""
    handle = await stage.start(chain(stage), n=7)
    await stage.ended(handle)
    store = stage.client.store.definitions
    found = await store.get_by_ref(stage.tenant, "chain")
    spec = dict(found.spec)
    spec["tasks"] = [dict(one) for one in spec["tasks"]]
    spec["tasks"][0]["input"] = {"name": stage.unique("first"), "value": 100}
    changed = await store.update(
        stage.tenant, found.id, DefinitionPatch(spec=spec), expected_revision=found.revision
    )
    again = await rerun(stage, handle, newest=True)
    assert (await stage.result(again))["sum"] == 101
    assert (await stage.recorded(again)).definition_revision == changed.version_revision


async def test_answers_are_taken_over(stage: Stage) -> None:
    """A rerun does not ask again what was answered, and knows who answered."""
    handle = await stage.start(
        f"""
ref: asked
tasks:
  - {{name: ask, human: {{assignee: ada, title: ok}}}}
  - name: bad
    action: test.flaky
    input: {{name: {stage.unique("n")}, failures: 1}}
    retry: {{count: 0}}
output_map: {{by: "{{{{ tasks.ask.result.by }}}}", answer: "{{{{ tasks.ask.result.answer }}}}"}}
"""
    )
    await stage.until_status(handle, RunStatus.WAITING)
    await stage.client.questions.answer(stage.tenant, handle.run_id, "ask", {"ok": True}, by="ada")
    assert (await stage.ended(handle)).status is RunStatus.FAILED
    again = await rerun(stage, handle)
    assert await stage.result(again) == {"by": "ada", "answer": {"ok": True}}


async def test_masked_outputs_are_not_taken_over(stage: Stage) -> None:
    """What the ledger has only masked is done again: a mask is no result."""
    handle = await stage.start(
        f"""
ref: masked
tasks:
  - {{name: login, action: test.echo, input: {{value: {{password: not-so-secret}}}}}}
  - name: bad
    action: test.flaky
    input: {{name: {stage.unique("n")}, failures: 1}}
    retry: {{count: 0}}
output_map: {{login: "{{{{ tasks.login.result.password | length }}}}"}}
"""
    )
    assert (await stage.ended(handle)).status is RunStatus.FAILED
    plan = await stage.client.definitions.preview_rerun(stage.tenant, handle.run_id)
    assert plan.again == ("login", "bad")
    again = await rerun(stage, handle)
    assert await stage.result(again) == {"login": 13}


async def test_a_workflow_class_is_repeated(stage: Stage) -> None:
    """A run of a workflow class is repeated with its arguments."""
    handle = await stage.client.start_workflow(
        {"numbers": [1, 2]}, coded.Adds, tenant_id=stage.tenant
    )
    stage.handles.append(handle)
    assert await stage.result(handle) == 3
    again = await rerun(stage, handle)
    assert await stage.result(again) == 3
    assert (await stage.recorded(again)).retry_of == handle.run_id
    with pytest.raises(InvalidInput, match="as a whole"):
        await rerun(stage, handle, tasks=["sum"])


async def test_an_open_run_is_not_repeated(stage: Stage) -> None:
    """Only what has ended is repeated."""
    handle = await stage.start("{ref: open, tasks: [{name: a, human: {assignee: a, title: t}}]}")
    with pytest.raises(InvalidInput, match="only a run that has ended"):
        await rerun(stage, handle)
    await handle.cancel()
    await stage.ended(handle)
