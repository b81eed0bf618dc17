"""What a rerun takes over and what it does again, without servers."""

import pytest

from flowkeep.contracts.status import TaskStatus
from flowkeep.definitions.plan_commands import TaskRef
from flowkeep.definitions.rerun import is_whole, plan_rerun, read_ref
from flowkeep.definitions.spec import DefinitionSpec
from flowkeep.errors import InvalidInput
from flowkeep.redaction import MASK

OK, BAD, LEFT = TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.SKIPPED


def spec(*tasks: object) -> DefinitionSpec:
    return DefinitionSpec.model_validate({"ref": "d", "tasks": list(tasks)})


def task(name: str, *targets: str, **more: object) -> dict[str, object]:
    return {"name": name, "action": "a.b", "transitions": [{"do": list(targets)}], **more}


GRAPH = spec(
    task("a", "b", "c"),
    task("b", "d"),
    task("c", "e"),
    {"name": "d", "tasks": [{"name": "d1", "action": "a.b"}, {"name": "d2", "action": "a.b"}]},
    task("e"),
)


def test_what_follows_a_failed_task_is_done_again() -> None:
    """Only the failed task and what lies behind it run again."""
    found = plan_rerun(GRAPH, {"a": OK, "b": BAD, "c": OK, "e": OK})
    assert found.reused == ("a", "c", "e")
    assert found.again == ("b", "d", "d1", "d2")


def test_inside_of_a_parallel_task() -> None:
    """The tasks beside a failed one inside of a parallel task are taken over."""
    found = plan_rerun(GRAPH, {"a": OK, "b": OK, "c": OK, "e": OK, "d1": BAD, "d2": OK})
    assert found.reused == ("a", "b", "c", "e", "d2")
    assert found.again == ("d1",)


def test_chosen_tasks() -> None:
    """A chosen task is done again with what follows, though all succeeded."""
    outcomes = dict.fromkeys(("a", "b", "c", "d1", "d2", "e"), OK)
    found = plan_rerun(GRAPH, outcomes, tasks=["c"])
    assert found.reused == ("a", "b", "d1", "d2")
    assert found.again == ("c", "e")
    with pytest.raises(InvalidInput, match="x is no task of 'd'"):
        plan_rerun(GRAPH, outcomes, tasks=["x"])


def test_items_that_succeeded_are_kept() -> None:
    """Of a failed task its good items are taken over; of a chosen one none."""
    each = spec({"name": "a", "action": "a.b", "with_items": [1, 2]})
    outcomes = {"a[0]": OK, "a[1]": BAD}
    assert plan_rerun(each, outcomes).reused == ("a[0]",)
    assert plan_rerun(each, outcomes, tasks=["a"]).reused == ()


def test_a_changed_task_is_done_again() -> None:
    """A task that the newer version describes differently runs again; another label is nothing."""
    before = spec(task("a", "b"), task("b"), task("c"))
    after = spec(task("a", "b", input={"x": 1}), task("b"), task("c", label="C"))
    found = plan_rerun(after, {"a": OK, "b": OK, "c": OK}, before=before)
    assert found.reused == ("c",)
    assert found.again == ("a", "b")


def test_rows_that_are_no_tasks() -> None:
    """What fails beside the tasks, or is no task any more, has no part in it."""
    found = plan_rerun(spec(task("a")), {"L1": BAD, "gone": BAD, "a": OK, "what ever": BAD})
    assert found.reused == ("a",)
    assert found.again == ()


@pytest.mark.parametrize(
    "ref", [TaskRef("a"), TaskRef("a", 2), TaskRef("a", 0, 3), TaskRef("a_1", 4, 5)]
)
def test_refs_are_read(ref: TaskRef) -> None:
    """What `text` gives is read again."""
    assert read_ref(ref.text) == ref


@pytest.mark.parametrize("text", ["", "a b", "a[x]", "a#", "1a", "a[1]#2x"])
def test_other_texts_are_none(text: str) -> None:
    """What is no name of a task is not read."""
    assert read_ref(text) is None


@pytest.mark.parametrize(
    ("output", "whole"),
    [
        (None, True),
        ({"size": 3}, True),
        ({"size": 3, "sha256": "x", "rows": 1}, True),
        ({"size": 3, "sha256": "x", "type": "str"}, False),
        ({"size": 3, "sha256": "x", "type": "str", "not_recorded": "larger"}, False),
        ([{"password": MASK}], False),
        (f"postgresql://u:{MASK}@h", False),
    ],
)
def test_outputs_that_are_not_whole(output: object, whole: bool) -> None:
    """What the ledger masked or left out is no result to go on with."""
    assert is_whole(output) is whole


def test_other_values_reach_every_task() -> None:
    """Where variables, parameters or what is published differ, nothing is taken over."""
    outcomes = {"a": OK, "b": BAD, "c": OK, "e": OK}
    same = GRAPH.model_copy(update={"label": "Other"})
    assert plan_rerun(same, outcomes, before=GRAPH).reused == ("a", "c", "e")
    for field, value in (("vars", {"t": [1]}), ("parameters", {"type": "object"})):
        other = GRAPH.model_copy(update={field: value})
        assert plan_rerun(other, outcomes, before=GRAPH).reused == ()
    published = spec(
        {**task("a"), "transitions": [{"do": ["b", "c"], "publish": {"n": 1}}]},
        *(one.model_dump(mode="json", exclude_none=True) for one in GRAPH.tasks[1:]),
    )
    assert plan_rerun(published, outcomes, before=GRAPH).reused == ()
