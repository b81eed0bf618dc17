"""What one document may say: every problem with its path, line and hint."""

from typing import Any

import pytest

from flowkeep.definitions.document import read
from flowkeep.definitions.spec import DefinitionSpec
from flowkeep.definitions.validate import Validation, validate

HELLO: dict[str, Any] = {"ref": "hello", "tasks": [{"name": "say", "action": "core.sleep"}]}


def task(**fields: Any) -> dict[str, Any]:
    """A definition with one task."""
    return {"ref": "hello", "tasks": [{"name": "say", "action": "demo.say", **fields}]}


def told(data: dict[str, Any], **known: Any) -> dict[str, str]:
    """Messages by path; warnings begin with a question mark."""
    return {
        one.path: f"{'?' if one.level == 'warning' else ''}{one.message}"
        for one in validate(data, **known).problems
    }


def test_what_is_right_is_a_definition() -> None:
    """Without errors there is a spec, with what was left out filled in."""
    found = validate(HELLO)
    assert found == Validation(DefinitionSpec.model_validate(HELLO), [])
    everything = {
        "ref": "all",
        "label": "All",
        "version": "1",
        "tags": ["x"],
        "description": "d",
        "parameters": {"type": "object", "properties": {"n": {"type": "integer", "default": 3}}},
        "output": {"type": "object", "required": ["sum"]},
        "vars": {"begin": "{{ parameters.n }}", "key": "{{ secret('k') }}"},
        "output_map": {"sum": "{{ tasks.each.result | sum }}"},
        "cancellation_policy": "allow_finish",
        "tasks": [
            {
                "name": "each",
                "action": "demo.add",
                "with_items": "{{ parameters.all }}",
                "batch_size": 2,
                "concurrency": 3,
                "timeout": "1h30m",
                "input": {"items": "{{ item }}", "at": "{{ index }}", "batch": "{{ batch }}"},
                "retry": {"count": 2, "backoff": "linear", "delay": "1s", "on_error": "X"},
                "publish": {"found": "{{ result() }}"},
                "transitions": [
                    {"when": "failed() and error().code == 'X'", "do": ["ask", "both"]},
                    {"when": "{{ timed_out() }}", "do": "ask"},
                    {"do": "both"},
                ],
            },
            {"name": "ask", "human": {"assignee": "{{ vars.who }}", "title": "Go?"}},
            {
                "name": "both",
                "concurrency": 1,
                "join": 2,
                "when": "{{ tasks.each.status == 'succeeded' }}",
                "tasks": [{"name": "in", "workflow": "other"}, {"name": "x", "action": "a.b"}],
            },
        ],
    }
    everything["tasks"][2]["tasks"][0]["name"] = "inside"
    everything["tasks"][1]["transitions"] = [{"do": "both"}]
    found = validate(everything, actions={"demo.add", "a.b"}, definitions={"other"})
    assert found.problems == []
    assert found.spec is not None


@pytest.mark.parametrize(
    ("fields", "path", "message", "hint"),
    [
        ({"retries": 3}, "retries", "is not known", "did you mean retry?"),
        ({"inptu": {}}, "inptu", "is not known", "did you mean input?"),
        ({"next": "x"}, "next", "is not known", "did you mean transitions?"),
        ({"retry": {"count": 1, "dealy": 3}}, "retry.dealy", "is not known", "mean delay?"),
        ({"transitions": [{"doo": "x"}]}, "transitions[0].doo", "is not known", "mean do?"),
        ({"retry": {}}, "retry.count", "is missing", None),
        ({"retry": {"count": -1}}, "retry.count", "is less than 0", None),
        ({"retry": {"count": 1_001}}, "retry.count", "is more than 1000", None),
        ({"retry": {"count": "many"}}, "retry.count", "not a whole number", None),
        (
            {"retry": {"count": 1, "backoff": "exponentiel"}},
            "retry.backoff",
            "is none of constant, linear, exponential",
            "did you mean exponential?",
        ),
        ({"retry": {"count": 1, "delay": "5 ages"}}, "retry.delay", "no length of time", None),
        (
            {"retry": {"count": 1, "delay": "9s", "max_delay": 1}},
            "retry.max_delay",
            "short",
            "long",
        ),
        ({"timeout": 0}, "timeout", "is not more than 0", None),
        ({"timeout": [1]}, "timeout", "is a list, not a length of time", None),
        ({"when": []}, "when", "is a list, not a text or true or false", None),
        ({"join": "any"}, "join", "is the text 'any', not `all` or a whole number", None),
        ({"join": 0}, "join", "is less than 1", None),
        ({"input": None}, "input", "is null, not an object", "leave it out"),
        ({"name": "a-b"}, "name", "is no name", "letters, digits and _"),
        ({"name": "x" * 129}, "name", "is longer than 128 characters", None),
        ({"name": "item"}, "name", "means something else", "another name"),
        ({"name": "timed_out"}, "name", "means something else", "another name"),
        ({"action": "a b"}, "action", "is no name of that kind", "without spaces"),
        ({"batch_size": 2}, "batch_size", "needs with_items", None),
        ({"concurrency": 2}, "concurrency", "needs with_items", None),
        ({"concurrency": 0, "with_items": []}, "concurrency", "is less than 1", None),
        ({"with_items": 7}, "with_items", "is a number, not a text or a list", None),
        ({"with_items": "abc"}, "with_items", "is a text, which is no list", "{{"),
        ({"with_items": "{{ a }}, {{ b }}"}, "with_items", "is a text, which is no list", "{{"),
        ({"join": "all"}, "join", "nothing to join", "leave it out"),
        ({"workflow": "x"}, "action", "does not go together with `workflow`", "two"),
        ({"tasks": []}, "tasks", "is empty", None),
        ({"action": None}, "", "does nothing", "one of action, workflow, human and tasks"),
        ({"type": "workflow"}, "workflow", "is missing", "its type is workflow"),
        ({"max_iterations": 10**6}, "max_iterations", "is more than 100000", None),
    ],
)
def test_what_a_field_may_say(
    fields: dict[str, Any], path: str, message: str, hint: str | None
) -> None:
    """Each wrong field is told by its path, in plain words, with what to do."""
    whole = f"tasks[0].{path}".rstrip(".")
    found = [one for one in validate(task(**fields)).errors if one.path == whole]
    assert any(message in one.message for one in found), found
    assert hint is None or any(hint in (one.hint or "") for one in found), found
    assert validate(task(**fields)).spec is None


@pytest.mark.parametrize(
    ("kind", "unfit"),
    [
        (
            {"human": {"assignee": "x", "title": "y"}},
            {"retry": {"count": 1}, "timeout": 5, "input": {"a": 1}},
        ),
        (
            {"tasks": [{"name": "i", "action": "a.b"}]},
            {"retry": {"count": 1}, "timeout": 5, "input": {"a": 1}, "with_items": [1]},
        ),
        ({"workflow": "other"}, {"retry": {"count": 1, "backoff": "linear"}}),
        ({"workflow": "other"}, {"retry": {"count": 1, "on_error": "X"}}),
    ],
)
def test_fields_that_do_not_go_with_a_kind(kind: dict[str, Any], unfit: dict[str, Any]) -> None:
    """What a kind of task cannot do is refused; without it the task is right."""
    known = {"definitions": ["other"]}
    assert validate(task(action=None, **kind), **known).errors == []
    for name, value in unfit.items():
        (found,) = validate(task(action=None, **kind, **{name: value}), **known).errors
        assert found.path.startswith(f"tasks[0].{name}")
        assert "is not for" in found.message


def test_human_tasks_may_be_asked_for_items() -> None:
    """One question for each item, with the item in it."""
    asked = {"assignee": "{{ item }}", "title": "{{ index }}?", "details": {"a": ["{{ item }}"]}}
    assert validate(task(action=None, human=asked, with_items=["a"], concurrency=2)).problems == []


def test_every_problem_is_told_in_order_with_its_line() -> None:
    """Wrong shapes do not hide wrong meanings, and lines are those of the text."""
    text = """\
ref: hello
vers: 3
tasks:
  - name: one
    action: core.slep
    retry: {count: x}
    transitions:
      - {do: [two, four]}
  - action: demo.say
    input: {a: "{{ tasks.three.result }}", b: "{{ itm }}"}
  - name: two
    human: {title: Really?}
    timeout: soon
  - 7
output_map: {x: "{{ 1 + }}"}
"""
    document = read(text)
    found = validate(document.data, lines=document.lines)
    assert [(one.line, one.path) for one in found.errors] == [
        (2, "vers"),
        (5, "tasks[0].action"),
        (6, "tasks[0].retry.count"),
        (8, "tasks[0].transitions[0].do[1]"),
        (9, "tasks[1].name"),
        (10, "tasks[1].input.a"),
        (10, "tasks[1].input.b"),
        (12, "tasks[2].human.assignee"),
        (13, "tasks[2].timeout"),
        (14, "tasks[3]"),
        (15, "output_map.x"),
    ]
    assert found.spec is None
    assert str(found.errors[0]).startswith("line 2: vers is not known")
    assert validate(document.data, lines=document.lines) == found


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        ({}, ["ref", "tasks"]),
        ({"ref": "a", "tasks": []}, ["tasks"]),
        ({"ref": "a", "tasks": "x"}, ["tasks"]),
        ({"ref": "a", "tasks": [None]}, ["tasks[0]"]),
        ({**HELLO, "ref": "a b"}, ["ref"]),
        ({**HELLO, "version": 1.0}, ["version"]),
        ({**HELLO, "cancellation_policy": "stop"}, ["cancellation_policy"]),
        ({**HELLO, "parameters": {"type": "array"}}, ["parameters.type"]),
        ({**HELLO, "parameters": {"size": {"type": "integer"}}}, ["parameters.size"]),
        ({**HELLO, "parameters": {"type": "objekt"}}, ["parameters.type"]),
        ({**HELLO, "parameters": {"$ref": "http://x/y"}}, ["parameters.$ref"]),
        ({**HELLO, "parameters": []}, ["parameters"]),
        ({**HELLO, "output": {"properties": {"a": 1}}}, ["output.properties.a"]),
        (
            {**HELLO, "parameters": {"properties": {"n": {"type": "integer", "default": "x"}}}},
            ["parameters.properties.n.default"],
        ),
        (
            task(action=None, human={"assignee": "a", "title": "t", "response": {"type": 1}}),
            ["tasks[0].human.response.type"],
        ),
        ({"ref": "a", "tasks": [{"name": "b", "action": "a.b", "input": {1: 2}}]}, ["definition"]),
    ],
)
def test_what_a_definition_may_say(data: dict[str, Any], paths: list[str]) -> None:
    """Its own fields and its schemas are checked like those of tasks."""
    assert [one.path for one in validate(data).errors] == paths


@pytest.mark.parametrize(
    ("fields", "path", "message"),
    [
        ({"input": {"a": "{{ item }}"}}, "input.a", "item is not known"),
        ({"input": {"a": ["{{ result() }}"]}}, "input.a[0]", "calls result()"),
        ({"input": {"a": "{{ 'result()' ~ parameters.result }}"}}, "", ""),
        ({"when": "{{ item }}", "with_items": [1]}, "when", "item is not known"),
        ({"with_items": [1], "input": {"a": "{{ batch }}"}}, "input.a", "batch is not known"),
        ({"with_items": [1], "batch_size": 2, "input": {"a": "{{ batch }}"}}, "", ""),
        ({"with_items": "{{ item }}"}, "with_items", "item is not known"),
        ({"when": "succeeded()"}, "when", "calls succeeded()"),
        ({"when": "parameters.a ="}, "when", "is no valid template"),
        ({"when": "a {{ parameters.a }}"}, "when", "is no single expression"),
        ({"when": "parameters.a == {'x': 1}.x"}, "", ""),
        ({"publish": {"a": "{{ failed() }}"}}, "", ""),
        ({"publish": {"a": "{{ tasks.sya.result }}"}}, "publish.a", "names the task 'sya'"),
        ({"transitions": [{"when": "{{ itme }}"}]}, "transitions[0].when", "itme is not known"),
        ({"transitions": [{"publish": {"a": "{{ x }}"}}]}, "transitions[0].publish.a", "x is not"),
        ({"input": {"a": "{{ open('x') }}"}}, "input.a", "open"),
        ({"label": "{{ x }}", "description": "{{ x }}"}, "", ""),
    ],
)
def test_templates_name_what_there_is(fields: dict[str, Any], path: str, message: str) -> None:
    """Each field knows the names of its moment; other texts are no templates."""
    found = told(task(**fields))
    if path:
        assert message in found[f"tasks[0].{path}"]
    else:
        assert found == {}


def test_variables_begin_before_tasks() -> None:
    """They cannot name tasks; the result can, and no item."""
    found = told({**HELLO, "vars": {"a": "{{ tasks.say }}"}, "output_map": {"b": "{{ item }}"}})
    assert "tasks is not known" in found["vars.a"]
    assert "item is not known" in found["output_map.b"]


def test_names_are_unique_inside_parallel_tasks_too() -> None:
    """A name means one task of the whole definition."""
    group = {"name": "both", "tasks": [{"name": "say", "action": "a.b"}]}
    found = told({"ref": "x", "tasks": [*HELLO["tasks"], group]})
    assert found == {"tasks[1].tasks[0].name": "repeats 'say', the name of tasks[0]"}


def test_inside_parallel_tasks() -> None:
    """No transitions, no join, and no parallel task."""
    inner = {"name": "group", "tasks": [{"name": "deep", "action": "a.b"}]}
    group = [inner, {"name": "b", "action": "a.b", "transitions": [], "join": "all"}]
    found = told({"ref": "x", "tasks": [{"name": "both", "tasks": group}]})
    assert set(found) == {
        *("tasks[0].tasks[0]", "tasks[0].tasks[1].transitions", "tasks[0].tasks[1].join")
    }
