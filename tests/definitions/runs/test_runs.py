"""Runs of definitions from begin to end, on real servers."""

import pytest

from flowkeep.contracts import TaskStatus, TaskType
from flowkeep.errors import RunFailed
from tests.definitions.runs.support import Stage

SEQUENCE = """
ref: sums
parameters:
  type: object
  properties: {start: {type: integer, default: 1}}
vars: {step: 10}
tasks:
  - name: first
    action: test.add
    input: {left: "{{ parameters.start }}", right: "{{ vars.step }}"}
    publish: {total: "{{ result() }}"}
  - name: second
    action: test.add
    input: {left: "{{ vars.total }}", right: 5}
output_map: {sum: "{{ tasks.second.result }}", text: "total {{ vars.total }}"}
output: {type: object, properties: {sum: {type: integer}}}
"""


async def test_a_sequence_hands_values_on(stage: Stage) -> None:
    """Parameters, variables and results reach later tasks with their types, and the output."""
    handle = await stage.start(SEQUENCE, start=7)
    assert await handle.result() == {"sum": 22, "text": "total 17"}
    rows = await stage.rows(handle)
    assert [(one.task_name, one.status, one.type) for one in rows] == [
        ("first", TaskStatus.SUCCEEDED, TaskType.ACTIVITY),
        ("second", TaskStatus.SUCCEEDED, TaskType.ACTIVITY),
    ]


async def test_an_unhandled_failure_names_its_task(stage: Stage) -> None:
    """A run whose task fails for good fails, and says which task and why."""
    text = "{ref: broken, tasks: [{name: only, action: test.break, input: {message: no disk}}]}"
    with pytest.raises(RunFailed, match="task 'only' failed: no disk"):
        await stage.run(text)
