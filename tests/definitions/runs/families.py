"""One definition per family of features, and how its run is driven to its end."""

from collections.abc import Awaitable, Callable

from flowkeep.clients.workflow import RunHandle
from flowkeep.contracts import RunStatus
from tests.definitions.runs import actions
from tests.definitions.runs.support import Stage

Family = Callable[[Stage], Awaitable[RunHandle]]

SEQUENCE = """
ref: sequence
vars: {n: 1}
tasks:
  - {name: a, action: test.add, input: {left: "{{ vars.n }}", right: 2}, publish: {n: "{{ result() }}"}}
  - {name: b, action: test.echo, when: "{{ vars.n > 5 }}"}
  - {name: c, action: core.sleep, input: {seconds: 50ms}}
  - {name: d, action: test.echo, input: {value: "{{ tasks.b.status }}"}}
output_map: {n: "{{ vars.n }}", d: "{{ tasks.d.result }}"}
"""  # noqa: E501
GRAPH = """
ref: graph
tasks:
  - {name: one, action: test.echo, transitions: [{do: [left, right, third]}]}
  - {name: other, action: test.echo, transitions: [{do: last}]}
  - {name: left, action: test.echo, transitions: [{do: [last, two]}]}
  - name: right
    action: test.break
    transitions: [{when: "{{ failed() }}", do: last}, {do: never}]
  - {name: third, action: test.echo, transitions: [{do: [last, two]}]}
  - {name: never, action: test.echo}
  - {name: two, action: test.echo, join: all}
  - {name: last, action: test.echo, join: 2}
"""
ITEMS = """
ref: items
tasks:
  - {name: each, action: test.echo, with_items: [3, 1, 2], concurrency: 2, input: {value: "{{ item }}"}}
  - {name: few, action: test.echo, with_items: [1, 2, 3, 4, 5], batch_size: 2, input: {value: "{{ batch }}"}}
  - {name: none_, action: test.echo, with_items: []}
output_map: {all: "{{ tasks.each.result }}"}
"""  # noqa: E501
PARALLEL = """
ref: parallel
tasks:
  - name: both
    tasks:
      - {name: left, action: test.echo}
      - name: right
        action: test.flaky
        input: {name: "{{ run.id }}", failures: 2}
        retry: {count: 3, delay: 10ms, backoff: linear}
      - {name: bad, action: test.break, when: "{{ false }}"}
"""
HUMAN = """
ref: human
tasks:
  - {name: late, human: {assignee: ada, title: ok, deadline: 50ms}, transitions: [{when: "{{ timed_out() }}", do: ask}]}
  - {name: ask, human: {assignee: ada, title: ok, deadline: 1h}, transitions: [{do: after}]}
  - {name: after, action: test.echo, input: {value: "{{ tasks.ask.result.answer }}"}}
"""  # noqa: E501
CHILD = """
ref: child
tasks:
  - {name: inner, workflow: sequence}
  - {name: coded, action: core.workflow, input: {workflow_type: Adds, arguments: {numbers: [1, 2]}}}
"""
CYCLE = """
ref: cycle
vars: {n: 0}
tasks:
  - {name: start, action: test.echo, transitions: [{do: step}]}
  - name: step
    action: test.add
    input: {left: "{{ vars.n }}", right: 1}
    publish: {n: "{{ result() }}"}
    transitions: [{when: "{{ vars.n < 3 }}", do: step}, {do: last}]
  - {name: last, action: test.echo}
"""
LONG = """
ref: long
tasks:
  - {name: start, action: test.echo, transitions: [{do: [each, ask]}]}
  - {name: each, action: test.echo, with_items: "{{ range(30) | list }}", concurrency: 3}
  - {name: ask, human: {assignee: ada, title: ok}}
"""
CANCELLED = """
ref: cancelled
tasks:
  - name: all
    tasks:
      - {name: ask, human: {assignee: ada, title: ok}}
      - {name: nap, action: core.sleep, input: {seconds: 1h}}
      - {name: work, action: test.hold, input: {name: "{{ run.id }}"}}
"""


def _runs(text: str, *others: str) -> Family:
    async def run(stage: Stage) -> RunHandle:
        for other in others:
            await stage.store(other)
        handle = await stage.start(text)
        await stage.ended(handle)
        return handle

    return run


async def _answered(stage: Stage, text: str) -> RunHandle:
    handle = await stage.start(text)
    await stage.until(handle, "ask", "waiting")
    await stage.until_status(handle, RunStatus.WAITING)
    await stage.client.questions.answer(stage.tenant, handle.run_id, "ask", {}, by="ada")
    await stage.ended(handle)
    return handle


async def _human(stage: Stage) -> RunHandle:
    return await _answered(stage, HUMAN)


async def _long(stage: Stage) -> RunHandle:
    return await _answered(stage, LONG)


async def _cancelled(stage: Stage) -> RunHandle:
    handle = await stage.start(CANCELLED)
    await stage.begun(str(handle.run_id))
    await stage.until(handle, "ask", "waiting")
    await handle.pause("look first")
    await handle.cancel("enough")
    await stage.ended(handle)
    actions.let_go()
    return handle


FAMILIES: dict[str, Family] = {
    "sequence": _runs(SEQUENCE),
    "graph": _runs(GRAPH),
    "items": _runs(ITEMS),
    "parallel": _runs(PARALLEL),
    "human": _human,
    "child": _runs(CHILD, SEQUENCE),
    "cycle": _runs(CYCLE),
    "long": _long,
    "cancelled": _cancelled,
}
