"""Failures: unhandled ones, the policy, and templates that cannot be rendered."""

from typing import Any

import pytest

from flowkeep.contracts.status import TaskStatus
from tests.definitions.plan.support import Driven, definition, last, step

HUMAN = {"assignee": "eva", "title": "ok?"}
BROKEN = "{{ parameters.missing }}"


def test_an_unhandled_failure_cancels_what_runs() -> None:
    """With cancel_running all that is active is cancelled; the run ends when all have ended."""
    spec = definition(last("a"), step("b", "d"), last("c", human=HUMAN), last("d"))
    driven = Driven(spec)
    driven.begin()
    assert driven.fail("a") == []
    assert driven.cancelled == ["b", "c"]
    assert driven.end("c", TaskStatus.CANCELLED) == []
    assert driven.plan.outcome is None
    assert driven.ok("b") == []
    assert driven.error["task"] == "a"
    assert driven.plan.counts()["waiting"] == 1


def test_an_unhandled_failure_lets_what_runs_finish() -> None:
    """With allow_finish only questions are withdrawn; nothing follows what ends."""
    spec = definition(
        last("a"),
        step("b", "d"),
        last("c", human=HUMAN),
        last("d"),
        last("w", workflow="other"),
        cancellation_policy="allow_finish",
    )
    driven = Driven(spec)
    driven.begin()
    driven.fail("a")
    assert driven.cancelled == ["c"]
    assert driven.ok("b") == []
    driven.end("c", TaskStatus.CANCELLED)
    assert driven.plan.outcome is None
    driven.ok("w")
    assert driven.error["task"] == "a"


def test_the_first_failure_is_the_reason() -> None:
    """Tasks that fail while the run is ending do not change why it failed."""
    driven = Driven(definition(last("a"), last("b")))
    driven.begin()
    driven.fail("b", "first")
    driven.fail("a", "second")
    assert driven.error["message"] == "task 'b' failed: first"
    assert driven.plan.counts()["failed"] == 2


def test_what_waits_does_not_begin() -> None:
    """Tasks and items that wait for a place when the run fails never begin."""
    spec = definition(last("x", with_items=[1, 2, 3]), last("a"), last("b"), last("c"))
    driven = Driven(spec, most_active=2)
    assert driven.begin() == ["a", "b"]
    driven.fail("a")
    driven.end("b", TaskStatus.CANCELLED)
    assert driven.error["task"] == "a"
    assert driven.begun == ["a", "b"]


def test_items_that_run_when_the_run_fails() -> None:
    """Running items are cancelled, no further one begins, and the task ends as cancelled."""
    driven = Driven(definition(last("a"), last("x", with_items=[1, 2, 3], concurrency=2)))
    driven.begin()
    driven.fail("a")
    assert driven.cancelled == ["x[0]", "x[1]"]
    assert driven.ok("x[0]") == []
    driven.end("x[1]", TaskStatus.CANCELLED)
    assert driven.error["task"] == "a"
    assert driven.plan.counts() == {
        "active": 0, "succeeded": 0, "failed": 2, "skipped": 0, "waiting": 0
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (TaskStatus.FAILED, "task 'a' failed: "),
        (TaskStatus.TIMED_OUT, "task 'a' timed out: "),
        (TaskStatus.CANCELLED, "task 'a' was cancelled: "),
    ],
)
def test_how_it_ended_is_said(status: TaskStatus, message: str) -> None:
    """The error of the run names the task and how it ended, though no reason was given."""
    driven = Driven(definition(step("a")))
    driven.begin()
    driven.end("a", status)
    assert driven.error["message"].startswith(message)
    assert driven.error["code"] == f"TASK_{status.upper()}"


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"when": BROKEN}, "tasks.a.when"),
        ({"input": {"url": BROKEN}}, "tasks.a.input.url"),
        ({"input": {"deep": [{"x": BROKEN}]}}, "tasks.a.input.deep[0].x"),
        ({"with_items": BROKEN}, "tasks.a.with_items"),
        ({"with_items": [1, BROKEN]}, "tasks.a.with_items[1]"),
        ({"workflow": "other", "input": {"p": BROKEN}}, "tasks.a.input.p"),
        ({"human": {"assignee": BROKEN, "title": ""}}, "tasks.a.human.assignee[0]"),
        ({"human": {"assignee": "eva", "title": BROKEN}}, "tasks.a.human.title"),
        ({"human": {**HUMAN, "details": BROKEN}}, "tasks.a.human.details"),
    ],
)
def test_what_cannot_be_rendered_fails_the_task(fields: dict[str, Any], path: str) -> None:
    """The task has failed before it began; the note and the error name the path."""
    handler = [{"when": "{{ failed() }}", "do": "b"}]
    spec = definition(
        step("a", transitions=handler, **fields),
        last("b", input={"error": "{{ tasks.a.error }}"}),
    )
    driven = Driven(spec)
    assert driven.begin() == ["b"]
    error = driven.inputs[0]["error"]
    assert error["code"] == "TEMPLATE_ERROR"
    assert path in error["message"]
    (note,) = driven.notes
    assert (note.ref.text, note.status, note.error) == ("a", TaskStatus.FAILED, error)


def test_a_publish_that_cannot_be_rendered_fails_the_task() -> None:
    """The task counts as failed although it did its work, and none of it is published."""
    publish = {"n": 1, "m": "{{ result().missing }}"}
    handler = [{"when": "{{ failed() and result() is none }}", "do": "b"}]
    spec = definition(
        step("a", publish=publish, transitions=handler),
        last("b", input={"vars": "{{ vars }}", "message": "{{ tasks.a.error.message }}"}),
    )
    driven = Driven(spec).run({"a": {}})
    assert driven.inputs[-1]["vars"] == {}
    assert "tasks.a.publish.m" in driven.inputs[-1]["message"]
    assert driven.result == {}


@pytest.mark.parametrize(
    ("transition", "status", "path"),
    [
        ({"when": BROKEN}, TaskStatus.SUCCEEDED, "tasks.a.transitions[1].when"),
        ({"when": BROKEN}, TaskStatus.FAILED, "tasks.a.transitions[1].when"),
        (
            {"when": True, "publish": {"n": BROKEN}},
            TaskStatus.FAILED,
            "tasks.a.transitions[1].publish.n",
        ),
        ({"publish": {"n": BROKEN}}, TaskStatus.SUCCEEDED, "tasks.a.transitions[1].publish.n"),
    ],
)
def test_a_transition_that_cannot_be_decided_fails_the_run(
    transition: dict[str, Any], status: TaskStatus, path: str
) -> None:
    """The run fails, even if another transition might have handled it; nothing begins."""
    transitions = [{"when": False}, {"do": "b", **transition}, {"when": "failed()", "do": "b"}]
    driven = Driven(definition(step("a", transitions=transitions), last("b"), last("c")))
    driven.begin()
    assert driven.end("a", status) == []
    assert driven.cancelled == ["c"]
    driven.end("c", TaskStatus.CANCELLED)
    assert driven.error["code"] == "TEMPLATE_ERROR"
    assert driven.error["task"] == "a"
    assert path in driven.error["message"]


def test_a_failure_inside_a_long_chain_of_failures() -> None:
    """A chain of 2,000 tasks that each fail to be rendered and are handled needs no stack."""
    handler = [{"when": "{{ failed() }}", "do": "t1"}]
    tasks = [
        step(f"t{n}", input={"x": BROKEN}, transitions=[{**handler[0], "do": f"t{n + 1}"}])
        for n in range(2_000)
    ]
    driven = Driven(definition(*tasks, last("t2000")))
    assert driven.begin() == ["t2000"]
    assert len(driven.notes) == 2_000
