"""Failures in runs on real servers: handled, unhandled, and found before anything is called."""

import pytest

from flowkeep.contracts import RunStatus, TaskStatus
from flowkeep.errors import RunFailed
from tests.definitions.runs import actions
from tests.definitions.runs.support import Stage


async def test_a_parallel_task_fails(stage: Stage) -> None:
    """When one inner task fails the others may end, skipped ones give null, and the whole fails."""
    name = stage.unique("n")
    handle = await stage.start(
        f"""
ref: sidefails
tasks:
  - name: all
    tasks:
      - {{name: slow, action: test.hold, input: {{name: {name}}}}}
      - {{name: bad, action: test.break, input: {{message: no disk}}}}
      - {{name: left, action: test.break, when: "{{{{ false }}}}"}}
    transitions: [{{when: "{{{{ failed() }}}}", do: after}}]
  - {{name: after, action: test.echo, input: {{value: "{{{{ tasks.all.error.message }}}}"}}}}
output_map: {{why: "{{{{ tasks.after.result }}}}"}}
"""
    )
    await stage.begun(name)
    await stage.until(handle, "bad", "failed")
    assert "after" not in await stage.states(handle)
    actions.release(name)
    assert await stage.result(handle) == {"why": "task 'bad': no disk"}
    assert await stage.states(handle) == {
        "slow": "succeeded",
        "bad": "failed",
        "left": "skipped",
        "after": "succeeded",
    }


async def test_an_endless_cycle_ends(stage: Stage) -> None:
    """A cycle that goes on for ever fails the run with a code of its own."""
    handle = await stage.start(
        """
ref: endless
tasks:
  - {name: start, action: test.echo, transitions: [{do: step}]}
  - {name: step, action: test.echo, max_iterations: 3, transitions: [{do: step}]}
"""
    )
    run = await stage.ended(handle)
    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert run.error.code == "TOO_MANY_ITERATIONS"
    assert len(await stage.rows(handle)) == 4


async def test_a_handled_failure(stage: Stage) -> None:
    """A failure with a transition that fires is no failure of the run; it can be read."""
    handle = await stage.start(
        """
ref: handled
tasks:
  - name: bad
    action: test.break
    input: {message: no disk, code: DISK}
    transitions:
      - {when: "{{ failed() }}", publish: {why: "{{ error().code }}"}, do: mend}
  - {name: mend, action: test.echo, input: {value: "{{ vars.why }}"}}
vars: {why: null}
output_map: {why: "{{ tasks.mend.result }}", text: "{{ tasks.bad.error.message }}"}
"""
    )
    assert await stage.result(handle) == {"why": "DISK", "text": "no disk"}
    row = await stage.row(handle, "bad")
    assert (row.status, row.error and row.error.code) == (TaskStatus.FAILED, "DISK")
    run = await stage.recorded(handle)
    assert run.status is RunStatus.SUCCEEDED
    assert run.exceptions_count == 1


async def test_an_unhandled_failure_stops_the_others(stage: Stage) -> None:
    """The run fails and names the task; what runs beside is cancelled, nothing else begins."""
    name = stage.unique("beside")
    handle = await stage.start(
        f"""
ref: unhandled
tasks:
  - {{name: beside, action: test.hold, input: {{name: {name}}}, transitions: [{{do: never}}]}}
  - {{name: first, action: test.echo, transitions: [{{do: bad}}]}}
  - {{name: bad, action: test.break, input: {{message: no disk}}}}
  - {{name: never, action: test.echo}}
"""
    )
    with pytest.raises(RunFailed, match="task 'bad' failed: no disk"):
        await stage.result(handle)
    assert await stage.states(handle) == {
        "beside": "cancelled",
        "first": "succeeded",
        "bad": "failed",
    }
    run = await stage.recorded(handle)
    assert run.error is not None
    assert run.error.code == "BROKEN"


async def test_allow_finish_lets_others_end(stage: Stage) -> None:
    """With `allow_finish` what runs beside a failure may end; the run fails nevertheless."""
    name = stage.unique("beside")
    handle = await stage.start(
        f"""
ref: unhandled
cancellation_policy: allow_finish
tasks:
  - {{name: beside, action: test.hold, input: {{name: {name}}}, transitions: [{{do: never}}]}}
  - {{name: bad, action: test.break}}
  - {{name: never, action: test.echo}}
"""
    )
    await stage.begun(name)
    await stage.learned(handle, 1)
    actions.release(name)
    assert (await stage.ended(handle)).status is RunStatus.FAILED
    assert await stage.states(handle) == {"beside": "succeeded", "bad": "failed"}


async def test_a_result_that_does_not_fit(stage: Stage) -> None:
    """A result that does not fit the output schema fails the run and names the path."""
    handle = await stage.start(
        """
ref: misfit
tasks: [{name: only, action: test.echo, input: {value: text}}]
output_map: {total: {n: "{{ tasks.only.result }}"}}
output: {type: object, properties: {total: {properties: {n: {type: integer}}}}}
"""
    )
    run = await stage.ended(handle)
    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert run.error.code == "OUTPUT_MISMATCH"
    assert "output.total.n" in run.error.message


async def test_a_template_that_cannot_be_rendered(stage: Stage) -> None:
    """An error in an input fails the task before anything is called, and can be handled."""
    handle = await stage.start(
        """
ref: unrendered
tasks:
  - name: bad
    action: test.echo
    input: {value: "{{ 1 / parameters.zero }}"}
    transitions: [{when: "{{ failed() }}", do: after}]
  - {name: after, action: test.echo, input: {value: done}}
output_map: {after: "{{ tasks.after.result }}"}
""",
        zero=0,
    )
    assert await stage.result(handle) == {"after": "done"}
    row = await stage.row(handle, "bad")
    assert row.status is TaskStatus.FAILED
    assert row.error is not None
    assert "tasks.bad.input.value" in row.error.message
    assert "task_refused" in await stage.kinds(handle)


async def test_an_unknown_action(stage: Stage) -> None:
    """An action that no worker serves fails its task with a code that says so."""
    handle = await stage.start(
        "{ref: unknown, tasks: [{name: only, action: test.nobody, retry: {count: 0}}]}"
    )
    run = await stage.ended(handle)
    assert run.error is not None
    assert run.error.code == "ACTIVITY_NOT_REGISTERED"
