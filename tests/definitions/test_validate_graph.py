"""How tasks follow one another, and what they call. Drawn by hand, so that the truth is seen."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowkeep.definitions.builtin import built_in
from flowkeep.definitions.spec import DefinitionSpec
from flowkeep.definitions.validate import BUILT_IN, called_definitions, find_cycles, validate


def graph(edges: str, **joins: Any) -> dict[str, Any]:
    """A definition of edges like `a>b,c b>c c>`; a task without `>` has no transitions."""
    tasks = []
    for word in edges.split():
        name, arrow, targets = word.partition(">")
        task: dict[str, Any] = {"name": name, "action": "demo.say"}
        if arrow:
            task["transitions"] = [{"do": [one for one in targets.split(",") if one]}]
        if name in joins:
            task["join"] = joins[name]
        tasks.append(task)
    return {"ref": "x", "tasks": tasks}


def told(data: dict[str, Any], **known: Any) -> dict[str, str]:
    return {
        one.path: f"{'?' if one.level == 'warning' else ''}{one.message}"
        for one in validate(data, **known).problems
    }


@pytest.mark.parametrize(
    ("edges", "joins", "expected"),
    [
        ("a b c", {}, {}),
        ("a>b b>c c>", {}, {}),
        ("a>b,c b>d c>d d>", {"d": "all"}, {}),
        ("a>b,c b>d c>d d>", {"d": 2}, {}),
        ("a>b,c b>d c>d d>", {"d": 3}, {"tasks[3].join": "waits for 3 transitions, and 2"}),
        ("a>b,b b>", {"b": 2}, {"tasks[1].join": "one transition leads here"}),
        ("a>b b>", {"a": "all"}, {"tasks[0].join": "no transition leads here"}),
        ("a b", {"b": "all"}, {"tasks[1].join": "no task has transitions"}),
        ("a>b b>c c>b,d d>", {}, {}),
        ("a>b b>c c>b d>b", {"b": 2}, {}),
        ("a>b b>c c>b", {"b": 2}, {"tasks[1].join": "one transition leads here"}),
        ("a>a", {}, {"tasks": "have no beginning"}),
        ("a>b b>a", {}, {"tasks": "have no beginning"}),
        ("a> b>c c>b", {}, {"tasks[1]": "is never reached", "tasks[2]": "is never reached"}),
        ("a> b>b c>", {}, {"tasks[1]": "is never reached"}),
        ("a> b>", {}, {}),
        ("a>b b c", {}, {"tasks[2]": "?begins at once"}),
        ("a>x b", {}, {"tasks[0].transitions[0].do[0]": "leads to 'x'", "tasks[1]": "?begins"}),
    ],
)
def test_graphs(edges: str, joins: dict[str, Any], expected: dict[str, str]) -> None:
    """Targets exist, every task is reached, and joins have enough to join."""
    found = told(graph(edges, **joins))
    assert set(found) == set(expected)
    for path, message in expected.items():
        assert message in found[path]


def test_a_mistyped_target_is_recognised() -> None:
    """The hint names the task that was meant; inner tasks cannot be led to."""
    data = graph("load>transfrom,inner transform>both both>")
    data["tasks"][2] |= {"action": None, "tasks": [{"name": "inner", "action": "a.b"}]}
    first, second = validate(data).errors[:2]
    assert (first.path, first.hint) == (
        *("tasks[0].transitions[0].do[0]", "did you mean transform?"),
    )
    assert second.message == "leads to 'inner', which is inside a parallel task"


def test_one_default_branch() -> None:
    """A task has at most one transition without a condition."""
    data = graph("a>b b>")
    data["tasks"][0]["transitions"] += [{"when": "failed()"}, {"publish": {"x": 1}}]
    assert told(data) == {"tasks[0].transitions[2]": "is a second transition without `when`"}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sets(st.integers(0, 7)), min_size=8, max_size=8))
def test_reached_is_what_a_walk_reaches(targets: list[set[int]]) -> None:
    """For any graph the tasks that are not told of are those a walk from the beginnings meets."""
    edges = " ".join(
        f"t{n}>{','.join(f't{one}' for one in sorted(to))}" for n, to in enumerate(targets)
    )
    found = told(graph(edges))
    reached = set(range(8)) - set().union(*targets)
    if not reached:
        assert "no beginning" in found["tasks"]
        return
    for _ in targets:
        reached |= {one for place in reached for one in targets[place]}
    assert {path for path, text in found.items() if "never" in text} == {
        f"tasks[{n}]" for n in range(8) if n not in reached
    }


SCHEMA = {
    "type": "object",
    "properties": {
        "url": {"type": "string"},
        "count": {"type": "integer", "maximum": 9},
        "options": {"type": "object", "properties": {"a": {"type": "integer"}}},
        "mode": {"enum": ["x", "y"]},
    },
    "required": ["url"],
    "additionalProperties": False,
    "if": {"properties": {"mode": {"const": "x"}}, "required": ["mode"]},
    "then": {"required": ["count"]},
}


@pytest.mark.parametrize(
    ("given_input", "expected"),
    [
        ({"url": "u"}, {}),
        ({}, {"url": "is missing"}),
        ({"url": 5}, {"url": "is a number, not a text"}),
        ({"url": "{{ parameters.x }}", "count": "{{ parameters.n }}"}, {}),
        ({"url": "{{ parameters.x }}", "count": 10}, {"count": "is more than 9"}),
        ({"url": "{{ parameters.x }}", "cuont": 1}, {"cuont": "is not known"}),
        ({"url": "u", "options": "{{ parameters.o }}"}, {}),
        ({"url": "u", "options": {"a": "{{ parameters.o }}"}}, {}),
        ({"url": "u", "options": {"a": "b"}}, {"options.a": "is a text, not a whole number"}),
        ({"url": "u", "mode": "x"}, {"count": "is missing"}),
        ({"url": "u", "mode": "{{ parameters.m }}"}, {}),
        ({"url": "{{ parameters.u }}", "mode": "x"}, {}),
    ],
)
def test_inputs_that_cannot_fit(given_input: dict[str, Any], expected: dict[str, str]) -> None:
    """Only what no value of a template could mend is an error."""
    data = {"ref": "x", "tasks": [{"name": "a", "action": "get.it", "input": given_input}]}
    found = told(data, actions=["get.it"], actions_schemas={"get.it": SCHEMA})
    assert found == {f"tasks[0].input.{path}": text for path, text in expected.items()}


def test_actions_that_are_not_there() -> None:
    """Others' may come later, built-in ones will not; nothing is said when none are known."""
    names = ["files.copy", "files.cpy", "core.http", "core.htp", "core.python", "core.mine"]
    data = {"ref": "x", "tasks": [{"name": f"t{n}", "action": a} for n, a in enumerate(names)]}
    found = validate(data, actions=["files.copy", "core.mine", "core.http"]).problems
    assert [(one.path, one.level) for one in found] == [
        ("tasks[1].action", "warning"),
        ("tasks[3].action", "error"),
        ("tasks[4].action", "error"),
    ]
    assert found[0].hint == "did you mean files.copy?"
    assert found[1].hint == "did you mean core.http?"
    assert {one.level for one in validate(data).problems} == {"error"}


def test_built_in_actions_are_those_that_come_with_the_project() -> None:
    """Validation knows the same ones that workers can serve."""
    assert {one.ref for one in built_in(allow_shell=True)} == BUILT_IN


def test_definitions_that_are_not_there() -> None:
    """A missing one is a warning, and so is calling oneself without a condition."""
    call = {"name": "a", "workflow": "b"}
    itself = {"name": "again", "workflow": "x"}
    data = {"ref": "x", "tasks": [call, itself]}
    assert set(told(data)) == {"tasks[0].workflow", "tasks[1].workflow"}
    assert validate(data).spec is not None
    conditional = {"ref": "x", "tasks": [call, {**itself, "when": "{{ parameters.n > 0 }}"}]}
    assert told(conditional, definitions=["b"]) == {}
    data = {
        "ref": "x",
        "tasks": [{**call, "transitions": [{"when": "vars.more", "do": "again"}]}, itself],
    }
    assert told(data, definitions=["b"]) == {}


def test_called_definitions() -> None:
    """Each once, in order, those of parallel tasks too."""
    inner = [{"name": "c", "workflow": "two"}, {"name": "d", "workflow": "one"}]
    tasks = [{"name": "a", "workflow": "one"}, {"name": "b", "tasks": inner}]
    spec = DefinitionSpec.model_validate({"ref": "x", "tasks": tasks})
    assert called_definitions(spec) == ["one", "two"]


@pytest.mark.parametrize(
    ("edges", "cycles"),
    [
        ({}, []),
        ({"a": ["b"], "b": ["c"]}, []),
        ({"a": ["a"]}, [["a"]]),
        ({"b": ["a"], "a": ["b", "z"]}, [["a", "b"]]),
        (
            {"a": ["b", "c"], "b": ["c"], "c": ["a"], "x": ["y"], "y": ["x"]},
            [["a", "c"], ["x", "y"]],
        ),
        ({f"n{i:05}": [f"n{(i + 1) % 5000:05}"] for i in range(5000)}, None),
    ],
)
def test_cycles(edges: dict[str, list[str]], cycles: list[list[str]] | None) -> None:
    """The shortest way round of each group, however long it is."""
    found = find_cycles(edges)
    assert found == ([sorted(edges)] if cycles is None else cycles)
