"""Templates: what they mean, what errors tell, and what can be known before a run."""

import copy

import pytest

from flowkeep.definitions.templates import (
    Ended,
    Scope,
    TemplateError,
    as_template,
    check,
    holds,
    render,
    task_names,
)
from flowkeep.errors import InvalidInput

VARIABLES = {
    "parameters": {"a": 1, "name": "orders", "rate": 0.5, "tables": ["x", "y"], "none": None},
    "tasks": {
        "load": {"status": "succeeded", "result": {"items": [3, 1, 2], "keys": "own"}},
        "big": {"status": "succeeded", "result": {"$stored": "k/1", "bytes": 12_345_678}},
    },
    "rows": [{"id": 2, "kind": "b"}, {"id": 1, "kind": "a"}, {"id": 3, "kind": "b"}],
    "item": {"name": "größe", "on": True},
}
SCOPE = Scope(VARIABLES)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ parameters.a }}", 1),
        ("{{parameters['rate']}}", 0.5),
        ("{{ parameters }}", VARIABLES["parameters"]),
        ("{{ parameters.none }}", None),
        ("{{ item.on }}", True),
        ("{{ (1, 2) }}", [1, 2]),
        ("{{ tasks.load.result.items }}", [3, 1, 2]),
        ("{{ tasks.load.result.keys }}", "own"),
        ("{{ rows[-1].id }}", 3),
        ("{{ rows.0.id }}", 2),
        ("{{ tasks.load.result.items[1:] }}", [1, 2]),
        ("{{ 7 / 2 }}", 3.5),
        ("{{ 2 ** 100 }}", 1267650600228229401496703205376),
        ("{{ -0.0 }}", -0.0),
    ],
)
def test_one_expression_keeps_its_type(text, value):
    """A text that is one expression becomes its value, type included."""
    rendered = render(text, SCOPE)
    assert rendered == value
    assert type(rendered) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ parameters.a }} ", "1 "),
        ("{{ parameters.a }}{{ parameters.a }}", "11"),
        ("on={{ item.on }} none={{ none }} {{ [1, 'x'] }}", 'on=true none=null [1, "x"]'),
        ("{{ {'b': 1.5, 'a': 'ü'} }}!", '{"a": "ü", "b": 1.5}!'),
        ("{{ '{{' }} stays }}", "{{ stays }}"),
        ("echo ${#names[@]} {% 50", "echo ${#names[@]} {% 50"),
        ("no template", "no template"),
        ("{{ 'a }} b' }}\n", "a }} b\n"),
    ],
)
def test_mixed_text_becomes_text(text, value):
    """Around expressions text stays, and values are written as JSON."""
    assert render(text, SCOPE) == value


def test_nested_values():
    """Templates are found at any depth; keys and other values stay as they are."""
    value = {"list": ["{{ parameters.a }}", 2, None], "{{ k }}": {"x": ("{{ item.name }}",)}}
    assert render(value, SCOPE) == {"list": [1, 2, None], "{{ k }}": {"x": ["größe"]}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ parametres.a }}", "parametres is not defined (did you mean parameters?)"),
        ("{{ parameters.b }}", "parameters.b is not defined"),
        ("{{ tasks.load.result.rows[0] }}", "tasks.load.result.rows is not defined"),
        ("{{ rows[7].id }}", "rows[7] is not defined"),
        ("{{ result }}", "call it: result()"),
        ("{{ result() }}", "use it in transitions"),
        ("{{ item.name.upper() }}", "| upper"),
        ("{{ upper(item.name) }}", "it is a filter"),
        ("{{ item.name | uper }}", "did you mean upper?"),
        ("{{ item is strng }}", "did you mean string?"),
        ("{{ item.name | upper(1) }}", "called wrongly"),
        ("{{ item.name + 1 }}", "a text + a number"),
        ("{{ 1 / 0 }}", "by zero"),
        ("{{ 1 if false }}", "no `else`"),
        ("{{ }}", "Expected an expression"),
        ("{{ 1 +", "no valid template"),
        ("{% if a %}x{% endif %}", "statement"),
        ("a {# b #} {{ 1 }}", "comment"),
        ("{{ {1: 2} }}", "key"),
        ("{{ 'x' | int }}", "whole number"),
    ],
)
def test_errors_say_what_and_where(text, told):
    """An error names the place and what is wrong, and is an invalid input with its own code."""
    with pytest.raises(TemplateError) as caught:
        render({"a": [text]}, SCOPE, "tasks[0].input")
    assert str(caught.value).startswith("tasks[0].input.a[0]: ")
    assert told in str(caught.value)
    assert isinstance(caught.value, InvalidInput)
    assert caught.value.code == "TEMPLATE_ERROR"


@pytest.mark.parametrize(
    "expression",
    ["w | int", "w + 1", "w | fromjson", "w.x", "w * w", "[w, 1] | sort", "w | b64decode", "-w"],
)
def test_errors_do_not_tell_values(expression):
    """What a value holds never appears in an error."""
    with pytest.raises(TemplateError) as caught:
        render(f"{{{{ {expression} }}}}", Scope({"w": "hunter2"}))
    assert "hunter2" not in str(caught.value)


def test_default_and_defined_along_a_path():
    """Any part of a path may be missing for `default` and `is defined`."""
    assert render("{{ tasks.gone.result.x | default([]) }}", SCOPE) == []
    assert render("{{ parameters.none.x is defined }}", SCOPE) is False
    with pytest.raises(TemplateError):
        render("{{ (gone ~ 'x') | upper }}", SCOPE)


@pytest.mark.parametrize(
    ("status", "held"),
    [("succeeded", "succeeded"), ("failed", "failed"), ("timed_out", "timed_out failed")],
)
def test_functions_about_the_ended_task(status, held):
    """succeeded, failed and timed_out tell how the task ended; timed out is failed too."""
    scope = Scope({}, Ended(status, {"n": 5}, {"code": "X"}))
    for name in ("succeeded", "failed", "timed_out"):
        assert holds(f"{name}()", scope) is (name in held.split())
    assert render("{{ [result().n, error().code] }}", scope) == [5, "X"]


@pytest.mark.parametrize(
    ("condition", "held"),
    [
        (True, True),
        (False, False),
        ("{{ parameters.a == 1 }}", True),
        (" {{ parameters.a > 1 }}\n", False),
        ("parameters.a == 1 and item.on", True),
        ("parameters.none", False),
        ("[]", False),
    ],
)
def test_conditions(condition, held):
    """A condition is an expression with or without braces."""
    assert holds(condition, SCOPE) is held


@pytest.mark.parametrize("condition", ["{{ 1 }} {{ 2 }}", "x{{ 1 }}", "", "1 }} {{ 2", "nope"])
def test_conditions_that_are_none(condition):
    """What is no single expression is no condition."""
    with pytest.raises(TemplateError):
        holds(condition, SCOPE, "when")


def test_references_are_passed_on_as_a_whole():
    """Stored values and secrets may be whole values, alone or inside others."""
    stored = VARIABLES["tasks"]["big"]["result"]
    assert render("{{ tasks.big.result }}", SCOPE) == stored
    assert render("{{ [tasks.big.result] | first }}", SCOPE) == stored
    assert render("{{ tasks.big.result or 1 }}", SCOPE) == stored
    assert render("{{ tasks.big.result is none }}", SCOPE) is False
    assert render({"t": "{{ {'k': secret('db')} }}"}, SCOPE) == {"t": {"k": {"$secret": "db"}}}


@pytest.mark.parametrize(
    "use",
    """
    {0}.x | {0}['$stored'] | {0}.bytes | {0}[0] | {0}[1:] | {0}|length | {0}|list | {0}|items
    {0}|keys | {0}|tojson | {0}|string | {0} ~ 'x' | [{0}]|join | [{0}]|tojson | {0} == 1
    [[{0}]]|map('first')|map('first') | 1 in {0} | {0} in [1] | {0} + 1 | {0} < 1 | {0}|upper
    [{0},{0}]|sort | [{0}]|unique | {0} is mapping | {0}|combine({{}}) | {0}|first | {0}|sum
    [{0}]|map(attribute='x') | {0}.x|default(1) | {0}|int(default=1) | [{0}]|sum | {0}|sha256
    [1]|zip({0}) | {{'a': {0}}}|tojson | -{0} | 'x' * {0} | 'x'|replace('x', {0}) | {0} is even
    """.replace("\n", " | ").split(" | ")[1:-1],
)
@pytest.mark.parametrize(
    "reference", ["tasks.big.result", "secret('db')", "{'secret_ref': 'x', 'shown': 'y'}"]
)
def test_references_are_not_looked_into(use, reference):
    """Looking into a reference is an error that says why."""
    with pytest.raises(TemplateError) as caught:
        render("{{ " + use.format(reference) + " }}", SCOPE)
    told = "12,345,678 bytes" if "big" in reference else "secret"
    assert told in str(caught.value)


def test_values_are_neither_changed_nor_shared():
    """Rendering leaves its values alone, and a later change of what it gave does not reach them."""
    before = copy.deepcopy(VARIABLES)
    rendered = render("{{ rows | sort(attribute='id') }}", SCOPE)
    rendered[0]["id"] = 99
    render("{{ tasks.load.result.items }}", SCOPE).append(4)
    assert before == VARIABLES


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), {1}, b"x", object(), {1: 2}, (x for x in "a"), print, "\ud800"],
)
def test_only_what_json_can_say(value):
    """What JSON has no form for does not come out."""
    with pytest.raises(TemplateError):
        render("{{ w }}", Scope({"w": [value]}))


def test_check_finds_what_can_be_known():
    """Checking names each place, what is wrong there, and what was probably meant."""
    value = {
        "a": "{{ itm.x }}",
        "b": ["{{ item.x }}", "{{ x | uper }}"],
        "c": "{% if %}",
        "d": "{{ 1 + }}",
        "e": "{{ result }} {{ result() }}",
        "{{ f }}": 1,
    }
    found = {(p.path, p.hint) for p in check(value, "t", ["item", "x"])}
    assert {
        ("t.a", "did you mean item?"),
        ("t.b[1]", "did you mean upper?"),
        ("t.e", "call it: result()"),
    } <= found
    assert {path for path, _ in found} == {"t.a", "t.b[1]", "t.c", "t.d", "t.e", "t"}


def test_check_leaves_right_ones_alone():
    """What is right has no problems, conditions without braces included."""
    value = ["{{ item.a.b | default(1) }}", "plain", 3, as_template("item and failed()")]
    assert check(value, "t", ["item"]) == []


def test_check_warns_of_space_around_an_expression():
    """A line break at the end makes a text of a value: that is warned of."""
    (problem,) = check("{{ item }}\n", "t", ["item"])
    assert problem.level == "warning"


def test_task_names():
    """Tasks are found by dot and by brackets, at any depth, and nowhere else."""
    value = {
        "a": ["{{ tasks.one.result }}", "x {{ tasks['two'].status ~ tasks.three }}"],
        "b": "tasks.four {{ 'tasks.five' }} {{ item.tasks.six }} {{ tasks[item] }}",
    }
    assert task_names(value) == {"one", "two", "three"}
    assert task_names(as_template("tasks.seven.result")) == {"seven"}
