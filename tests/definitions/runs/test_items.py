"""Tasks with items on real servers."""

from typing import Any

import pytest

from flowkeep.contracts import RunStatus, TaskStatus, TaskType
from flowkeep.definitions.spec import DefinitionSpec
from flowkeep.errors import RunFailed
from flowkeep.workflows.definition_results import Room
from tests.definitions.runs import actions
from tests.definitions.runs.support import Stage


async def test_items_keep_their_order(stage: Stage) -> None:
    """Each item is a row with its index; results are in the order of the items, nulls too."""
    handle = await stage.start(
        """
ref: items
tasks:
  - name: each
    action: test.echo
    with_items: "{{ parameters.list }}"
    input: {value: ["{{ item }}", "{{ index }}"]}
output_map: {all: "{{ tasks.each.result }}"}
""",
        list=["a", None, 3],
    )
    assert await stage.result(handle) == {"all": [["a", 0], [None, 1], [3, 2]]}
    rows = await stage.rows(handle)
    assert [(one.activity_id, one.task_name, one.task_index, one.batch) for one in rows] == [
        ("each[0]", "each", 0, None),
        ("each[1]", "each", 1, None),
        ("each[2]", "each", 2, None),
    ]
    assert all(one.type is TaskType.ACTIVITY for one in rows)
    run = await stage.recorded(handle)
    assert (run.tasks_total, run.tasks_finished) == (4, 4)


async def test_batches(stage: Stage) -> None:
    """With `batch_size` a call gets a list; its row tells the first index and the batch."""
    handle = await stage.start(
        """
ref: batches
tasks:
  - name: each
    action: test.echo
    with_items: [10, 11, 12, 13, 14]
    batch_size: 2
    input: {value: {got: "{{ item }}", at: "{{ index }}", batch: "{{ batch }}"}}
output_map: {all: "{{ tasks.each.result }}"}
"""
    )
    assert await stage.result(handle) == {
        "all": [
            {"got": [10, 11], "at": 0, "batch": 0},
            {"got": [12, 13], "at": 2, "batch": 1},
            {"got": [14], "at": 4, "batch": 2},
        ]
    }
    rows = await stage.rows(handle)
    assert [(one.task_index, one.batch) for one in rows] == [(0, "0"), (2, "1"), (4, "2")]


async def test_an_empty_list(stage: Stage) -> None:
    """No items: the task succeeds at once with an empty list, and a row says so."""
    handle = await stage.start(
        """
ref: empty
tasks:
  - {name: each, action: test.break, with_items: []}
  - {name: after, action: test.echo, input: {value: "{{ tasks.each.result }}"}}
output_map: {all: "{{ tasks.after.result }}"}
"""
    )
    assert await stage.result(handle) == {"all": []}
    row = await stage.row(handle, "each")
    assert (row.status, row.type, row.output) == (TaskStatus.SUCCEEDED, TaskType.ITEM, [])
    assert "task_empty" in await stage.kinds(handle)


async def test_items_that_are_no_list(stage: Stage) -> None:
    """What is no list fails the task before anything is called."""
    handle = await stage.start(
        """
ref: nolist
tasks: [{name: each, action: test.echo, with_items: "{{ parameters.list }}"}]
""",
        list="abc",
    )
    with pytest.raises(RunFailed, match="with_items"):
        await stage.result(handle)
    row = await stage.row(handle, "each")
    assert row.error is not None
    assert (row.status, row.error.code) == (TaskStatus.FAILED, "ITEMS_NOT_A_LIST")
    run = await stage.recorded(handle)
    assert (run.status, run.exceptions_count) == (RunStatus.FAILED, 1)


async def test_concurrency_bounds_items(stage: Stage) -> None:
    """Never more than `concurrency` items run at a time; the next begins when one has ended."""
    names = [stage.unique(str(number)) for number in range(5)]
    handle = await stage.start(
        """
ref: bounded
tasks:
  - name: each
    action: test.hold
    with_items: "{{ parameters.names }}"
    concurrency: 2
    input: {name: "{{ item }}", group: "{{ run.tenant }}"}
output_map: {all: "{{ tasks.each.result }}"}
""",
        names=names,
    )
    await stage.begun(*names[:2])
    actions.release(names[1])
    await stage.begun(names[2])
    assert not actions.begun[names[3]]
    actions.release(*names)
    assert await stage.result(handle) == {"all": names}
    assert actions.at_once[stage.tenant] == [0, 2]


async def test_results_of_items_share_the_room(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result that is bigger than its share becomes a reference, which actions look into."""
    monkeypatch.setattr("flowkeep.workflows.definition_results.ROOM_BYTES", 8_000)
    handle = await stage.start(
        """
ref: share
tasks:
  - {name: each, action: test.big, with_items: [10, 1998, 1999, 5000], input: {size: "{{ item }}"}}
  - {name: alone, action: test.big, input: {size: 2600}}
  - {name: after, action: test.length, input: {text: "{{ tasks.each.result[3] }}"}}
output_map:
  each: "{{ tasks.each.result }}"
  alone: "{{ tasks.alone.result }}"
  after: "{{ tasks.after.result }}"
"""
    )
    found = await stage.result(handle)
    small, just, above, big = found["each"]
    assert (small, just) == ("x" * 10, "x" * 1998)
    assert above == {"$stored": above["$stored"], "bytes": 2001}
    assert big["bytes"] == 5002
    assert (found["alone"], found["after"]) == ("x" * 2600, 5000)


@pytest.mark.parametrize(
    ("tasks", "calls", "share"),
    [(1, 1, 65_536), (1, 64, 65_536), (1, 2_000, 2_097), (1_000, 1, 4_194), (1, 100_000, 1_024)],
)
def test_shares(tasks: int, calls: int, share: int) -> None:
    """4 MiB are shared among the tasks, or the calls of one; nobody gets more than 64 KiB."""
    named: list[Any] = [{"name": f"t{number}", "action": "a.b"} for number in range(tasks)]
    spec = DefinitionSpec.model_validate({"ref": "room", "tasks": named})
    assert Room(spec).share(calls) == share


async def test_a_failed_item_names_its_index(stage: Stage) -> None:
    """The first item that fails for good fails the task; no further item begins."""
    handle = await stage.start(
        """
ref: badone
tasks:
  - name: each
    action: test.refuse
    with_items: [0, 1, 2, 3, 4]
    concurrency: 1
    input: {value: "{{ item }}", refused: 2}
"""
    )
    with pytest.raises(RunFailed, match="item 2: 2 is refused"):
        await stage.result(handle)
    assert await stage.states(handle) == {
        "each[0]": "succeeded",
        "each[1]": "succeeded",
        "each[2]": "failed",
    }
    row = await stage.row(handle, "each[0]")
    assert row.input == {"task": "each[0]", "input": {"value": 0, "refused": 2}}
