"""The course of runs on real servers: what follows what, and what the ledger has of it."""

import pytest

from flowkeep.contracts import NewApp, StateType, TaskStatus, TaskType
from flowkeep.errors import InvalidInput
from tests.definitions.runs import actions
from tests.definitions.runs.support import Stage

GRAPH = """
ref: graph
parameters: {type: object, properties: {n: {type: integer}}, required: [n]}
vars: {path: []}
tasks:
  - name: start
    action: test.echo
    input: {value: "{{ parameters.n }}"}
    publish: {path: "{{ vars.path + ['start'] }}"}
    transitions:
      - when: "{{ result() > 10 }}"
        publish: {path: "{{ vars.path + ['large'] }}"}
        do: large
      - when: "{{ result() % 2 == 0 }}"
        do: [even, more]
      - do: neither
  - {name: large, action: test.echo, transitions: [{do: last}]}
  - {name: even, action: test.echo, transitions: [{do: last}]}
  - {name: more, action: test.echo, transitions: [{do: last}]}
  - {name: neither, action: test.echo, transitions: [{do: last}]}
  - {name: last, action: test.echo, input: {value: "{{ vars.path }}"}}
output_map: {path: "{{ tasks.last.result }}"}
"""


@pytest.mark.parametrize(
    ("n", "path", "skipped"),
    [
        (12, ["start", "large"], {"neither"}),
        (13, ["start", "large"], {"neither", "even", "more"}),
        (4, ["start"], {"neither", "large"}),
        (5, ["start"], {"large", "even", "more"}),
    ],
)
async def test_transitions_and_join(
    stage: Stage, n: int, path: list[str], skipped: set[str]
) -> None:
    """Each true transition fires, the default one when none did, and the join runs once."""
    handle = await stage.start(GRAPH, n=n)
    assert await stage.result(handle) == {"path": path}
    states = await stage.states(handle)
    assert {name for name, status in states.items() if status == "skipped"} == skipped
    assert {name for name, status in states.items() if status == "succeeded"} == (
        {"start", "large", "even", "more", "neither", "last"} - skipped
    )
    for name in skipped:
        row = await stage.row(handle, name)
        assert row.status is TaskStatus.SKIPPED
        assert row.started_at is None
        assert row.finished_at is not None
        assert row.type is TaskType.ITEM
    run = await stage.recorded(handle)
    # The task that loads the definition counts too.
    assert (run.tasks_total, run.tasks_finished, run.exceptions_count) == (7, 7, 0)


async def test_when_skips_and_the_next_follows(stage: Stage) -> None:
    """A task whose `when` does not hold is skipped, is no error, and gives null."""
    handle = await stage.start(
        """
ref: skips
tasks:
  - {name: left, action: test.break, when: "{{ 1 > 2 }}"}
  - {name: after, action: test.echo, input: {value: "{{ tasks.left.status }}"}}
output_map: {seen: "{{ tasks.after.result }}", gave: "{{ tasks.left.result }}"}
"""
    )
    assert await stage.result(handle) == {"seen": "skipped", "gave": None}
    assert (await stage.row(handle, "left")).started_at is None
    assert "task_condition" in await stage.kinds(handle)


async def test_parallel_is_bounded(stage: Stage) -> None:
    """The tasks of a parallel one run side by side, never more than `concurrency`."""
    names = [stage.unique(name) for name in "abcd"]
    inner = ", ".join(
        f"{{name: {letter}, action: test.hold, input: {{name: {name}, group: {stage.tenant}}}}}"
        for letter, name in zip("abcd", names, strict=True)
    )
    handle = await stage.start(
        f"{{ref: side, tasks: [{{name: all, concurrency: 2, tasks: [{inner}]}}],"
        " output_map: {all: '{{ tasks.all.result }}'}}"
    )
    await stage.begun(*names[:2])
    actions.release(names[1])
    await stage.begun(names[2])
    assert not actions.begun[names[3]]
    actions.release(*names)
    assert await stage.result(handle) == {"all": dict(zip("abcd", names, strict=True))}
    assert actions.at_once[stage.tenant] == [0, 2]
    assert {one.type for one in await stage.rows(handle)} == {TaskType.ACTIVITY}


async def test_a_cycle_counts_its_turns(stage: Stage) -> None:
    """A task in a cycle has a row per turn; the edge that leaves it fires once."""
    handle = await stage.start(
        """
ref: turns
vars: {n: 0}
tasks:
  - {name: start, action: test.echo, transitions: [{do: step}]}
  - name: step
    action: test.add
    input: {left: "{{ vars.n }}", right: 1}
    publish: {n: "{{ result() }}"}
    transitions:
      - {when: "{{ vars.n < 4 }}", do: step}
      - {do: done}
  - {name: done, action: test.echo, input: {value: "{{ vars.n }}"}}
output_map: {n: "{{ tasks.done.result }}"}
"""
    )
    assert await stage.result(handle) == {"n": 4}
    assert await stage.states(handle) == dict.fromkeys(
        ["start", "step", "step#1", "step#2", "step#3", "done"], "succeeded"
    )


async def test_what_templates_can_name(stage: Stage) -> None:
    """Variables, the app's settings and the run itself reach a task."""
    await stage.client.store.apps.create(stage.tenant, NewApp(id="shop", ref="shop", name="Shop"))
    await stage.client.store.state.save_state(
        stage.tenant, "config/shop", {"region": "eu"}, StateType.STATE
    )
    text = """
ref: names
version: v7
vars: {longest: 2, twice: "{{ vars.longest * 2 }}"}
tasks:
  - name: only
    action: test.echo
    input:
      value: ["{{ config.region }}", "{{ vars.twice }}", "{{ run.id }}", "{{ run.workflow_id }}",
              "{{ run.tenant }}", "{{ run.app }}", "{{ run.definition }}", "{{ run.version }}"]
output_map: {all: "{{ tasks.only.result }}"}
"""
    ref = await stage.store(text, app_id="shop", version="v7")
    handle = await stage.execute(ref)
    assert await stage.result(handle) == {
        "all": [
            "eu",
            4,
            str(handle.run_id),
            handle.workflow_id,
            stage.tenant,
            "shop",
            "names",
            "v7",
        ]
    }


async def test_parameters_are_checked_before_the_start(stage: Stage) -> None:
    """Parameters that do not fit, or name a secret, start nothing."""
    ref = await stage.store(
        """
ref: strict
parameters: {type: object, properties: {n: {type: integer}}, required: [n]}
tasks: [{name: only, action: test.echo}]
"""
    )
    for wrong in ({}, {"n": "x"}, {"n": 1, "x": {"$secret": "name"}}):
        with pytest.raises(InvalidInput, match="parameters"):
            await stage.client.definitions.run(ref, wrong, tenant_id=stage.tenant)
    found = await stage.client.store.definitions.get_by_ref(stage.tenant, ref)
    assert found.execution_count == 0
