"""Sequences, conditions, variables, what templates see, and the result of a run."""

from typing import Any

import pytest

from flowkeep.contracts.status import TaskStatus
from flowkeep.definitions.plan import AskHuman, CallAction, Note, Plan, RunChild, TaskRef
from flowkeep.definitions.spec import DefinitionSpec
from flowkeep.errors import InvalidInput
from tests.definitions.plan.support import Driven, definition, last, step


def test_one_after_the_other() -> None:
    """Tasks without transitions run in their order, each after the one before has succeeded."""
    driven = Driven(definition(step("a"), step("b"), step("c")))
    assert driven.begin() == ["a"]
    assert driven.ok("a") == ["b"]
    assert driven.ok("b") == ["c"]
    assert driven.plan.outcome is None
    assert driven.ok("c") == []
    assert driven.result == {}


def test_a_skipped_task_is_passed_over() -> None:
    """A task whose condition does not hold is noted as skipped, and the next one begins."""
    driven = Driven(definition(step("a", when=False), step("b", when="{{ 1 > 2 }}"), step("c")))
    assert driven.begin() == ["c"]
    assert driven.skipped == ["a", "b"]
    assert [note.reason for note in driven.notes] == ["condition", "condition"]


def test_a_run_of_which_everything_is_skipped_succeeds() -> None:
    """When no condition holds the run ends at once."""
    driven = Driven(
        definition(step("a", when=False), step("b", when="parameters.no")), parameters={"no": False}
    )
    assert driven.begin() == []
    assert driven.result == {}


def test_the_sequence_ends_with_a_failure() -> None:
    """What follows a failed task of a sequence never begins."""
    driven = Driven(definition(step("a"), step("b")))
    driven.begin()
    assert driven.fail("a", "no such host") == []
    assert driven.error == {
        "code": "BROKEN",
        "message": "task 'a' failed: no such host",
        "task": "a",
    }


def test_kinds_of_tasks() -> None:
    """Actions get inputs, children parameters, people a question; all of them rendered."""
    human = {
        "assignee": ["{{ parameters.who }}", "eva"],
        "title": "Release {{ parameters.day }}?",
        "details": {"day": "{{ parameters.day }}"},
        "response": {"type": "boolean"},
        "deadline": "2h",
    }
    spec = definition(
        last("a", input={"day": "{{ parameters.day }}"}),
        last("b", workflow="other", input={"n": "{{ 1 + 1 }}"}),
        last("c", human=human),
    )
    driven = Driven(spec, parameters={"day": 3, "who": "ada"})
    driven.begin()
    a, b, c = driven.calls
    assert a == CallAction(TaskRef("a"), spec.tasks[0], {"day": 3}, None)
    assert b == RunChild(TaskRef("b"), spec.tasks[1], {"n": 2}, None)
    assert c == AskHuman(
        TaskRef("c"),
        spec.tasks[2],
        assignee=["ada", "eva"],
        title="Release 3?",
        details={"day": 3},
        response={"type": "boolean"},
        deadline=7200.0,
        batch=None,
    )


def test_an_assignee_may_render_to_a_list() -> None:
    """One template can name everybody who may answer."""
    human = {"assignee": "{{ parameters.who }}", "title": "ok?"}
    driven = Driven(definition(step("a", human=human)), parameters={"who": ["ada", "eva"]})
    driven.begin()
    (question,) = driven.calls
    assert isinstance(question, AskHuman)
    assert question.assignee == ["ada", "eva"]


@pytest.mark.parametrize("who", [3, [], [[]], None, "", ["ada", 3]])
def test_who_nobody_is(who: Any) -> None:
    """An assignee that renders to anything but texts fails the task; it would never end."""
    human = {"assignee": "{{ parameters.who }}", "title": "ok?"}
    driven = Driven(definition(step("a", human=human)), parameters={"who": who})
    assert driven.begin() == []
    assert driven.error["code"] == "TEMPLATE_ERROR"
    assert "tasks.a.human.assignee" in driven.error["message"]


def test_what_templates_see() -> None:
    """Parameters, variables, earlier tasks, settings and the run can be named."""
    names = ["parameters.p", "vars.v", "tasks.a.result.x", "tasks.a.status", "config.c", "run.id"]
    spec = definition(
        step("a"),
        step("b", input={str(i): f"{{{{ {name} }}}}" for i, name in enumerate(names)}),
        vars={"v": "variable"},
    )
    options: dict[str, Any] = {"parameters": {"p": 1}, "config": {"c": 2}, "run": {"id": "r"}}
    driven = Driven(spec, **options).run({"a": {"x": [5]}})
    assert list(driven.inputs[1].values()) == [1, "variable", [5], "succeeded", 2, "r"]


def test_a_task_before_and_while_it_runs() -> None:
    """Templates see tasks as pending, then running without a result."""
    see = {name: f"{{{{ tasks.{name} }}}}" for name in ("a", "b", "c")}
    driven = Driven(definition(last("a"), last("b", input=see), last("c")))
    driven.begin()
    nothing = {"result": None, "error": None}
    assert driven.inputs[1] == {
        "a": {"status": "running", **nothing},
        "b": {"status": "running", **nothing},
        "c": {"status": "pending", **nothing},
    }


def test_variables_begin_in_their_order() -> None:
    """A variable can use those above it."""
    spec = definition(
        step("a", input={"all": "{{ vars }}"}),
        vars={"z": 1, "y": "{{ vars.z + 1 }}", "x": ["{{ vars.y }}"]},
    )
    assert Driven(spec).run().inputs == [{"all": {"z": 1, "y": 2, "x": [2]}}]


def test_a_variable_that_cannot_be_rendered_fails_the_run() -> None:
    """Nothing begins when a variable cannot be set."""
    driven = Driven(definition(step("a"), vars={"v": "{{ parameters.missing }}"}))
    assert driven.begin() == []
    assert driven.error["code"] == "TEMPLATE_ERROR"
    assert driven.error["task"] is None
    assert "vars.v" in driven.error["message"]


def test_a_task_publishes_when_it_succeeds() -> None:
    """Published values are variables from then on; in one publish they do not see each other."""
    spec = definition(
        step("a", publish={"n": "{{ result() + 1 }}", "before": "{{ vars.n }}"}),
        step("b", input={"n": "{{ vars.n }}", "before": "{{ vars.before }}"}),
        vars={"n": 0},
    )
    assert Driven(spec).run({"a": 41}).inputs[1] == {"n": 42, "before": 0}


def test_a_skipped_task_publishes_nothing() -> None:
    """Only success publishes."""
    spec = definition(
        step("a", when=False, publish={"n": 1}),
        step("b", input={"n": "{{ vars.n }}"}),
        vars={"n": 0},
    )
    assert Driven(spec).run().inputs == [{"n": 0}]


def test_what_is_published_later_does_not_change_earlier_inputs() -> None:
    """A rendered input stays as it was when variables and tasks move on."""
    spec = definition(
        step("a", input={"vars": "{{ vars }}", "tasks": "{{ tasks }}"}, publish={"n": 2}),
        vars={"n": 1},
    )
    driven = Driven(spec)
    driven.begin()
    driven.ok("a", "done")
    assert driven.inputs[0]["vars"] == {"n": 1}
    assert driven.inputs[0]["tasks"]["a"]["result"] is None


def test_the_output_map_is_rendered_at_the_end() -> None:
    """The result of a run sees everything, tasks that were skipped too."""
    spec = definition(
        step("a", publish={"n": "{{ result() }}"}),
        step("b", when=False),
        output_map={"n": "{{ vars.n }}", "b": "{{ tasks.b.status }}", "r": "{{ tasks.b.result }}"},
    )
    assert Driven(spec).run({"a": 5}).result == {"n": 5, "b": "skipped", "r": None}


def test_an_output_map_that_cannot_be_rendered_fails_the_run() -> None:
    """The run fails although every task succeeded, and says where."""
    driven = Driven(definition(step("a"), output_map={"n": "{{ vars.n }}"})).run()
    assert driven.error["code"] == "TEMPLATE_ERROR"
    assert driven.error["task"] is None
    assert "output_map.n" in driven.error["message"]


def test_counts() -> None:
    """Each task is counted once, where it stands."""
    driven = Driven(definition(step("a", when=False), step("b"), step("c"), step("d")))
    zero = dict.fromkeys(("active", "succeeded", "failed", "skipped", "waiting"), 0)
    assert driven.plan.counts() == {**zero, "waiting": 4}
    driven.begin()
    assert driven.plan.counts() == {**zero, "skipped": 1, "active": 1, "waiting": 2}
    driven.ok("b")
    driven.fail("c")
    assert driven.plan.counts() == {**zero, "skipped": 1, "succeeded": 1, "failed": 1, "waiting": 1}


def test_events_that_come_too_late_change_nothing() -> None:
    """A second begin, a second end, and whatever comes after the finish ask for nothing."""
    driven = Driven(definition(step("a"), step("b")))
    driven.begin()
    assert driven.plan.begin() == []
    driven.ok("a")
    again = driven.plan.ended(TaskRef("a"), TaskStatus.FAILED)
    assert again == []
    assert driven.plan.ended(TaskRef("nobody"), TaskStatus.SUCCEEDED) == []
    driven.ok("b")
    for commands in (
        driven.plan.begin(),
        driven.plan.ended(TaskRef("b"), TaskStatus.FAILED),
        driven.plan.cancel(),
        driven.plan.release(),
    ):
        assert commands == []
    assert driven.result == {}


def test_an_end_is_an_end() -> None:
    """A status that ends nothing is refused."""
    driven = Driven(definition(step("a")))
    driven.begin()
    with pytest.raises(InvalidInput, match="a cannot have ended as running"):
        driven.plan.ended(TaskRef("a"), TaskStatus.RUNNING)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (definition(step("a"), step("a")), r"tasks\[1\].name 'a' is taken"),
        (definition(step("a", "b")), "tasks.a.transitions leads to 'b'"),
        (definition(step("p", tasks=[step("a")], with_items=[1])), r"tasks\[0\].with_items"),
        (definition(step("p", tasks=[step("q", tasks=[step("a")])])), r"tasks\[0\].tasks"),
    ],
)
def test_what_cannot_be_planned(spec: DefinitionSpec, message: str) -> None:
    """A definition that nobody has validated is refused rather than run wrongly."""
    with pytest.raises(InvalidInput, match=message):
        Plan(spec, parameters={})


def test_at_least_one_at_a_time() -> None:
    """A plan that may begin nothing is refused: it would never end."""
    with pytest.raises(InvalidInput, match="most_active"):
        Plan(definition(step("a")), parameters={}, most_active=0)


def test_texts_of_refs() -> None:
    """References are written as the ledger writes activity ids; iteration 0 is left out."""
    refs = [TaskRef("a"), TaskRef("a", 0, 3), TaskRef("a", 2), TaskRef("a", 2, 3)]
    assert [ref.text for ref in refs] == ["a", "a[3]", "a#2", "a[3]#2"]


def test_a_note_says_which_task() -> None:
    """Notes carry the description of their task."""
    spec = definition(step("a", when=False))
    driven = Driven(spec)
    driven.begin()
    expected = Note(TaskRef("a"), spec.tasks[0], TaskStatus.SKIPPED, reason="condition")
    assert driven.notes == [expected]
