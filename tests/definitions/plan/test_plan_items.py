"""Tasks that are done for every item of a list."""

from typing import Any

import pytest

from flowkeep.contracts.status import TaskStatus
from flowkeep.definitions.plan import TaskRef
from tests.definitions.plan.support import Driven, definition, last, step


def mapped(items: Any, **fields: Any) -> Driven:
    """A task with items, a task after it, and the results of the first as the result."""
    spec = definition(
        step("a", with_items=items, **{"input": {"item": "{{ item }}"}, **fields}),
        step("b"),
        output_map={"a": "{{ tasks.a.result }}"},
    )
    return Driven(spec, parameters={"items": ["x", "y", "z"]})


def test_an_item_is_a_call() -> None:
    """Each item is called with itself and its index; what follows waits for all of them."""
    driven = mapped("{{ parameters.items }}", input={"it": "{{ item }}", "at": "{{ index }}"})
    assert driven.begin() == ["a[0]", "a[1]", "a[2]"]
    assert driven.inputs == [{"it": "x", "at": 0}, {"it": "y", "at": 1}, {"it": "z", "at": 2}]
    assert driven.calls[2].ref == TaskRef("a", 0, 2)
    assert [(call.batch, call.calls) for call in driven.calls] == [(None, 3)] * 3
    assert driven.ok_all("a[2]", "a[0]") == []
    assert driven.ok("a[1]") == ["b"]


def test_results_are_in_the_order_of_items() -> None:
    """It does not matter which item ends first."""
    driven = mapped(["{{ 1 + 1 }}", 3, [4]])
    driven.begin()
    assert driven.inputs == [{"item": 2}, {"item": 3}, {"item": [4]}]
    driven.ok("a[2]", "third")
    driven.ok("a[0]", "first")
    driven.ok("a[1]")
    driven.ok("b")
    assert driven.result == {"a": ["first", None, "third"]}


def test_batches() -> None:
    """A call gets so many items at once, the last one what is left; one result per batch."""
    fields = {"item": "{{ item }}", "index": "{{ index }}", "batch": "{{ batch }}"}
    driven = mapped([1, 2, 3, 4, 5], batch_size=2, input=fields)
    assert driven.begin() == ["a[0]", "a[2]", "a[4]"]
    assert driven.inputs == [
        {"item": [1, 2], "index": 0, "batch": 0},
        {"item": [3, 4], "index": 2, "batch": 1},
        {"item": [5], "index": 4, "batch": 2},
    ]
    assert [call.batch for call in driven.calls] == [0, 1, 2]
    driven.run({"a[0]": "one", "a[2]": "two", "a[4]": "three"})
    assert driven.result == {"a": ["one", "two", "three"]}


@pytest.mark.parametrize(
    ("size", "calls"), [(1, 6), (2, 3), (3, 2), (4, 2), (5, 2), (6, 1), (7, 1)]
)
def test_sizes_of_batches(size: int, calls: int) -> None:
    """Together the batches hold every item once, in order."""
    driven = mapped([0, 1, 2, 3, 4, 5], batch_size=size).run()
    batches = [given["item"] for given in driven.inputs[:-1]]
    assert [item for batch in batches for item in batch] == [0, 1, 2, 3, 4, 5]
    assert len(batches) == calls


def test_no_items() -> None:
    """An empty list succeeds at once with an empty list, and leaves a note."""
    driven = mapped([])
    assert driven.begin() == ["b"]
    (note,) = driven.notes
    assert (note.ref.text, note.status, note.output) == ("a", TaskStatus.SUCCEEDED, [])
    assert note.reason == "empty"
    driven.ok("b")
    assert driven.result == {"a": []}


@pytest.mark.parametrize(
    ("items", "word"),
    [
        ("text", "a text"),
        ("{{ 3 }}", "a number"),
        ("{{ parameters }}", "an object"),
        ("{{ none }}", "null"),
        ("{{ {'$stored': 'k', 'bytes': 5} }}", "by reference"),
    ],
)
def test_items_that_are_no_list(items: str, word: str) -> None:
    """Anything but a list fails the task, which its transitions can handle."""
    spec = definition(
        step(
            "a",
            with_items=items,
            transitions=[{"when": "{{ failed() }}", "publish": {"e": "{{ error() }}"}}],
        ),
        output_map={"code": "{{ vars.e.code }}"},
    )
    driven = Driven(spec)
    assert driven.begin() == []
    assert driven.result == {"code": "ITEMS_NOT_A_LIST"}
    (note,) = driven.notes
    assert note.status is TaskStatus.FAILED
    assert note.error is not None
    assert "tasks.a.with_items" in note.error["message"]
    assert word in note.error["message"]


def test_concurrency() -> None:
    """At most so many run at a time; each one that ends makes room for the next."""
    driven = mapped(list(range(5)), concurrency=2)
    assert driven.begin() == ["a[0]", "a[1]"]
    assert driven.ok("a[1]") == ["a[2]"]
    assert driven.ok("a[2]") == ["a[3]"]
    assert driven.ok("a[0]") == ["a[4]"]
    assert driven.ok_all("a[3]", "a[4]") == ["b"]


def test_items_that_wait_for_a_place_count() -> None:
    """When places become free at last, no more items run than may."""
    spec = definition(last("b"), last("c"), last("a", with_items=[1, 2, 3, 4, 5], concurrency=2))
    driven = Driven(spec, most_active=3)
    assert driven.begin() == ["b", "c", "a[0]"]
    assert driven.ok("a[0]") == ["a[1]"]
    assert driven.ok("b") == ["a[2]"]
    assert driven.ok("c") == []
    assert driven.ok("a[1]") == ["a[3]"]


def test_concurrency_left_out() -> None:
    """Fifty items run at a time unless something else is said."""
    assert len(mapped(list(range(60))).begin()) == 50


def test_a_failed_item_ends_the_others() -> None:
    """After a failure no item begins; those that run may end, then the task has failed."""
    driven = mapped(list(range(6)), concurrency=3)
    driven.begin()
    assert driven.fail("a[1]", "no disk") == []
    assert driven.ok("a[0]") == []
    assert driven.plan.outcome is None
    assert driven.ok("a[2]") == []
    assert driven.error == {
        "code": "BROKEN",
        "message": "task 'a' failed: item 1: no disk",
        "task": "a",
    }


def test_the_first_failed_item_is_named() -> None:
    """Of several failed items the one with the lowest index is named, whenever it failed."""
    driven = mapped(list(range(6)), batch_size=2)
    driven.begin()
    driven.fail("a[4]", "late")
    driven.end("a[2]", TaskStatus.TIMED_OUT, message="early", code="SLOW")
    driven.ok("a[0]")
    assert driven.error["message"] == "task 'a' failed: item 2: early"
    assert driven.error["code"] == "SLOW"


def test_a_failed_item_that_waited_with_others_for_a_place() -> None:
    """Items that wait in the queue when another one fails never begin."""
    spec = definition(
        step("a", with_items=[1, 2, 3, 4], transitions=[{"when": "{{ failed() }}", "do": "b"}]),
        last("b"),
    )
    driven = Driven(spec, most_active=2)
    assert driven.begin() == ["a[0]", "a[1]"]
    assert driven.fail("a[0]") == []
    assert driven.ok("a[1]") == ["b"]
    driven.ok("b")
    assert driven.result == {}


def test_an_item_that_cannot_be_rendered_fails() -> None:
    """A template error of one item is its failure; the task names the item."""
    driven = mapped([{"n": 1}, {}, {"n": 3}], input={"n": "{{ item.n }}"})
    assert driven.begin() == ["a[0]"]
    (note,) = driven.notes
    assert (note.ref.text, note.status, note.reason) == ("a[1]", TaskStatus.FAILED, "refused")
    driven.ok("a[0]")
    assert driven.error["code"] == "TEMPLATE_ERROR"
    assert "item 1: tasks.a.input.n" in driven.error["message"]


def test_a_condition_is_about_the_whole_task() -> None:
    """The condition is decided once, before there are items."""
    driven = mapped("{{ parameters.missing }}", when=False)
    assert driven.begin() == ["b"]
    assert driven.skipped == ["a"]


def test_while_items_run_the_task_has_no_result() -> None:
    """Templates see a task with items as running until all have ended."""
    spec = definition(
        last("a", with_items=[1, 2]), step("b", "c"), last("c", input={"a": "{{ tasks.a }}"})
    )
    driven = Driven(spec)
    driven.begin()
    driven.ok("a[0]", 5)
    driven.ok("b")
    assert driven.inputs[-1] == {"a": {"status": "running", "result": None, "error": None}}


def test_children_and_people_with_items() -> None:
    """Every kind of task can have items."""
    human = {"assignee": "{{ item }}", "title": "{{ index }}"}
    spec = definition(
        step("a", workflow="other", with_items=[1, 2], input={"n": "{{ item }}"}),
        step("b", human=human, with_items=["eva", "ada"]),
    )
    driven = Driven(spec).run()
    assert driven.begun == ["a[0]", "a[1]", "b[0]", "b[1]"]
    assert [call.title for call in driven.calls if hasattr(call, "title")] == ["0", "1"]
