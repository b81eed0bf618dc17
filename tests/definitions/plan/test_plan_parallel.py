"""Tasks that hold others, and how many run at a time in all."""

from typing import Any

from flowkeep.contracts.status import TaskStatus
from tests.definitions.plan.support import Driven, definition, last, step


def side_by_side(*inner: dict[str, Any], **fields: Any) -> Driven:
    """A parallel task `p`, a task after it, and the result of the first as the result."""
    spec = definition(
        step("p", tasks=list(inner), **fields),
        step("end"),
        output_map={"p": "{{ tasks.p.result }}"},
    )
    return Driven(spec)


def test_inner_tasks_run_side_by_side() -> None:
    """All begin together; the result has one entry for each, in their order."""
    driven = side_by_side(step("a"), step("b"))
    assert driven.begin() == ["a", "b"]
    assert driven.ok("b", 2) == []
    assert driven.ok("a", 1) == ["end"]
    driven.ok("end")
    assert list(driven.result["p"].items()) == [("a", 1), ("b", 2)]


def test_concurrency_of_inner_tasks() -> None:
    """At most so many inner tasks run at a time."""
    driven = side_by_side(step("a"), step("b"), step("c"), concurrency=1)
    assert driven.begin() == ["a"]
    assert driven.ok("a") == ["b"]
    assert driven.ok("b") == ["c"]
    assert driven.ok("c") == ["end"]


def test_skipped_inner_tasks_give_null() -> None:
    """An inner task whose condition does not hold is skipped; a place is free at once."""
    driven = side_by_side(step("a", when=False), step("b"), step("c", when=False), concurrency=1)
    assert driven.begin() == ["b"]
    driven.run({"b": 1})
    assert driven.skipped == ["a", "c"]
    assert driven.result == {"p": {"a": None, "b": 1, "c": None}}


def test_a_failed_inner_task_fails_the_whole() -> None:
    """None begins after it, the others may end, then the parallel task has failed."""
    driven = side_by_side(step("a"), step("b"), step("c"), concurrency=2)
    driven.begin()
    assert driven.fail("b", "no disk") == []
    assert driven.cancelled == []
    assert driven.ok("a") == []
    assert driven.error == {
        "code": "BROKEN",
        "message": "task 'p' failed: task 'b': no disk",
        "task": "p",
    }


def test_the_failure_of_a_parallel_task_can_be_handled() -> None:
    """Its transitions see that it failed, whichever way the inner one did."""
    spec = definition(
        step("p", tasks=[step("a")], transitions=[{"when": "{{ failed() }}", "do": "b"}]),
        last("b", input={"status": "{{ tasks.p.status }}", "a": "{{ tasks.a.status }}"}),
    )
    driven = Driven(spec)
    driven.begin()
    assert driven.end("a", TaskStatus.TIMED_OUT) == ["b"]
    assert driven.inputs[-1] == {"status": "failed", "a": "timed_out"}


def test_inner_tasks_with_items() -> None:
    """An inner task may have items; it counts as one of those that run side by side."""
    driven = side_by_side(step("a", with_items=[1, 2, 3], concurrency=2), step("b"), concurrency=1)
    assert driven.begin() == ["a[0]", "a[1]"]
    assert driven.ok_all("a[1]", "a[0]") == ["a[2]"]
    assert driven.ok("a[2]", 3) == ["b"]
    driven.run()
    assert driven.result == {"p": {"a": [None, None, 3], "b": None}}


def test_inner_items_go_on_when_a_neighbour_fails() -> None:
    """An inner task that has begun ends in its own time, all of its items included."""
    driven = side_by_side(step("a", with_items=[1, 2], concurrency=1), step("b"))
    driven.begin()
    driven.fail("b")
    assert driven.ok("a[0]") == ["a[1]"]
    driven.ok("a[1]")
    assert driven.error["task"] == "p"


def test_inner_tasks_publish() -> None:
    """An inner task publishes as it succeeds; those that begin later see it."""
    driven = side_by_side(
        step("a", publish={"n": "{{ result() }}"}),
        step("b", input={"n": "{{ vars.n }}", "a": "{{ tasks.a.result }}"}),
        concurrency=1,
    ).run({"a": 5})
    assert driven.inputs[1] == {"n": 5, "a": 5}


def test_a_parallel_task_that_is_skipped() -> None:
    """Its inner tasks are skipped with it."""
    driven = side_by_side(step("a"), step("b"), when=False).run()
    assert driven.skipped == ["p", "a", "b"]
    assert driven.result == {"p": None}


def test_nothing_in_parallel() -> None:
    """A parallel task of nothing succeeds at once."""
    driven = side_by_side().run()
    assert driven.begun == ["end"]
    assert driven.result == {"p": {}}


def test_most_active() -> None:
    """All tasks and items together share the places there are, and wait in order."""
    spec = definition(last("a", with_items=[1, 2, 3]), last("b", workflow="other"), last("c"))
    driven = Driven(spec, most_active=2)
    assert driven.begin() == ["b", "c"]
    assert driven.ok("c") == ["a[0]"]
    assert driven.ok("a[0]") == ["a[1]"]
    assert driven.ok("b") == ["a[2]"]


def test_people_take_no_place() -> None:
    """A question that is open keeps no action from beginning."""
    human = {"assignee": "eva", "title": "ok?"}
    driven = Driven(definition(last("h", human=human), last("a"), last("b")), most_active=1)
    assert driven.begin() == ["h", "a"]
    assert driven.ok("h") == []
    assert driven.ok("a") == ["b"]


def test_hold_and_release() -> None:
    """While held nothing begins, whatever ends; then everything does in its order."""
    driven = Driven(definition(step("a", "b", "c"), step("b"), last("c", with_items=[1, 2])))
    driven.begin()
    driven.plan.hold()
    assert driven.plan.active
    assert driven.ok("a") == []
    assert driven.plan.quiet
    assert driven.plan.outcome is None
    assert driven.take(driven.plan.release()) == ["b", "c[0]", "c[1]"]


def test_a_held_run_may_end() -> None:
    """Holding keeps things from beginning, not the run from ending."""
    driven = Driven(definition(step("a")))
    driven.begin()
    driven.plan.hold()
    driven.ok("a")
    assert driven.result == {}
