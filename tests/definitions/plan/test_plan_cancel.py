"""Cancelling a run."""

import pytest

from flowkeep.contracts.status import TaskStatus
from flowkeep.definitions.plan import CancelTask, Finish, Plan
from tests.definitions.plan.support import Driven, definition, last, step

HUMAN = {"assignee": "eva", "title": "ok?"}


def running(policy: str) -> Driven:
    """An action, a child and a question that run, and a task after the action."""
    spec = definition(
        step("a", "z"),
        last("w", workflow="other"),
        last("h", human=HUMAN),
        last("z"),
        cancellation_policy=policy,
    )
    driven = Driven(spec)
    assert driven.begin() == ["a", "w", "h"]
    return driven


def test_what_runs_is_cancelled() -> None:
    """With cancel_running everything active is cancelled; the run ends when all have ended."""
    driven = running("cancel_running")
    assert driven.take(driven.plan.cancel()) == []
    assert driven.cancelled == ["a", "w", "h"]
    for text in ("h", "w"):
        driven.end(text, TaskStatus.CANCELLED)
        assert driven.plan.outcome is None
    assert driven.ok("a") == []
    assert driven.finish == Finish("cancelled")


def test_what_runs_may_finish() -> None:
    """With allow_finish actions and children may end; only questions are withdrawn."""
    driven = running("allow_finish")
    driven.take(driven.plan.cancel())
    assert driven.cancelled == ["h"]
    driven.end("h", TaskStatus.CANCELLED)
    assert driven.ok("a") == []
    assert driven.plan.outcome is None
    driven.ok("w")
    assert driven.finish == Finish("cancelled")


@pytest.mark.parametrize("policy", ["cancel_running", "allow_finish"])
def test_a_failure_after_the_cancel_changes_nothing(policy: str) -> None:
    """A task that fails while the run is being cancelled does not make it a failed run."""
    driven = running(policy)
    driven.take(driven.plan.cancel())
    for text in ("a", "w", "h"):
        driven.fail(text)
    assert driven.finish == Finish("cancelled")


def test_a_cancel_after_a_failure_changes_nothing() -> None:
    """A run that has failed and waits for its tasks stays failed."""
    driven = running("allow_finish")
    driven.fail("a")
    assert driven.plan.cancel() == []
    driven.ok("w")
    driven.end("h", TaskStatus.CANCELLED)
    assert driven.error["task"] == "a"


def test_cancelling_twice() -> None:
    """The second cancel asks for nothing."""
    driven = running("cancel_running")
    driven.take(driven.plan.cancel())
    assert driven.plan.cancel() == []


def test_nothing_runs() -> None:
    """A run that has not begun, or is held with nothing active, is cancelled at once."""
    plan = Plan(definition(step("a")), parameters={})
    assert plan.cancel() == [Finish("cancelled")]
    assert plan.begin() == []
    driven = Driven(definition(step("a"), step("b")))
    driven.begin()
    driven.plan.hold()
    driven.ok("a")
    driven.take(driven.plan.cancel())
    assert driven.finish == Finish("cancelled")
    assert driven.plan.release() == []


def test_a_finished_run_cannot_be_cancelled() -> None:
    """Cancelling what has ended asks for nothing."""
    driven = Driven(definition(step("a"))).run()
    assert driven.plan.cancel() == []
    assert driven.result == {}


def test_items_and_inner_tasks() -> None:
    """Groups with members that run, wait for a place or have yet to be asked for all end."""
    spec = definition(
        last("x", with_items=[1, 2, 3], concurrency=2),
        last("p", tasks=[step("i", with_items=[1, 2]), step("j")]),
        last("q", with_items=[1]),
    )
    driven = Driven(spec, most_active=3)
    begun = driven.begin()
    assert begun == ["x[0]", "x[1]", "j"]
    commands = driven.plan.cancel()
    assert [c.ref.text for c in commands if isinstance(c, CancelTask)] == begun
    driven.commands += commands
    for text in begun:
        driven.end(text, TaskStatus.CANCELLED)
    assert driven.finish == Finish("cancelled")
    assert driven.begun == begun
    assert driven.plan.counts() == {
        "active": 0, "succeeded": 0, "failed": 5, "skipped": 0, "waiting": 0
    }  # fmt: skip
