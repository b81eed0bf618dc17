"""What is checked of definitions that people write, with a real ledger around them."""

import json

from flowkeep.clients.authoring import Authoring
from flowkeep.clients.authoring_known import Known
from flowkeep.clients.authoring_report import examine
from tests.clients.authoring_support import TENANT, TEXT, authoring, calling, store

__all__ = ["authoring", "store"]


async def test_unreadable_texts_have_a_line(authoring: Authoring) -> None:
    """A text that is no YAML is a problem with the line where it ends to be one."""
    report = await authoring.validate(TENANT, "ref: a\ntasks: [\n", name="a.yaml")
    [problem] = report.problems
    assert (report.document, problem.path, problem.level) == (None, "document", "error")
    assert problem.line in (2, 3)
    assert "a.yaml" not in problem.message


async def test_actions_of_the_ledger_count(authoring: Authoring) -> None:
    """An action that no worker registered is a warning; one that is gets its input checked."""
    text = (
        "ref: a\n"
        "tasks:\n"
        "  - {name: one, action: shop.lod}\n"
        "  - {name: two, action: shop.load, input: {dai: secret-4711}}\n"
    )
    report = await authoring.validate(TENANT, text)
    warning, error = report.problems
    assert (warning.level, warning.path, warning.line) == ("warning", "tasks[0].action", 3)
    assert warning.hint == "did you mean shop.load?"
    assert (error.level, error.line) == ("error", 4)
    assert "4711" not in str(report.problems)
    foreign = await authoring.validate("other", text)
    assert [one.level for one in foreign.problems] == ["warning", "warning"]


async def test_definitions_of_the_ledger_count(authoring: Authoring) -> None:
    """A call of what is not stored, or cannot be run now, is a warning."""
    await authoring.apply(TENANT, TEXT)
    await authoring.apply(TENANT, calling("weekly"))
    await authoring.set_enabled(TENANT, "weekly", False)
    text = calling("a", "report", "reprot", "weekly")
    report = await authoring.validate(TENANT, text)
    assert [(one.path, one.level) for one in report.problems] == [
        ("tasks[1].workflow", "warning"),
        ("tasks[2].workflow", "warning"),
    ]
    assert report.problems[0].hint == "did you mean report?"
    assert "disabled" in report.problems[1].message
    beside = [json.loads(calling("reprot")), json.loads(calling("weekly"))]
    report = await authoring.validate(TENANT, text, beside=beside)
    assert report.problems == []


async def test_calls_that_never_end(authoring: Authoring) -> None:
    """A way back to the definition is an error, told with the way, unless a condition is on it."""
    await authoring.apply(TENANT, calling("b", "c"))
    await authoring.apply(TENANT, calling("c", "d", "a"))
    report = await authoring.validate(TENANT, calling("a", "b"))
    [error] = report.errors
    assert error.path == "tasks[0].workflow"
    assert "a → b → c → a" in error.message
    assert report.spec is None
    under = await authoring.validate(TENANT, calling("a", "b", when="{{ vars }}"))
    assert under.errors == []
    each = await authoring.validate(TENANT, calling("a", "b", with_items="{{ parameters.x }}"))
    assert each.errors == []
    listed = await authoring.validate(TENANT, calling("a", "b", with_items=[1]))
    assert len(listed.errors) == 1
    await authoring.apply(TENANT, calling("c", "a", when="{{ vars }}"))
    assert (await authoring.validate(TENANT, calling("a", "b"))).errors == []


async def test_an_action_may_be_a_definition(authoring: Authoring) -> None:
    """A task whose action is the ref of a definition calls it, with all that follows."""
    text = "{ref: a, tasks: [{name: one, action: b.c}]}"
    assert [one.level for one in (await authoring.validate(TENANT, text)).problems] == ["warning"]
    await authoring.apply(TENANT, calling("b.c"))
    assert (await authoring.validate(TENANT, text)).problems == []
    await authoring.apply(TENANT, text)
    report = await authoring.validate(TENANT, calling("b.c", "a"))
    assert ["b.c → a → b.c" in one.message for one in report.errors] == [True]


CHOOSING = """
ref: a
tasks:
  - name: ask
    action: shop.load
    transitions: [{when: "{{ failed() }}", do: [%s]}, {do: [other]}]
  - {name: again, workflow: a}
  - {name: other, action: shop.load}
  - {name: third, action: shop.load, transitions: [{do: [%s]}]}
"""


async def test_a_transition_is_a_condition(authoring: Authoring) -> None:
    """What a transition with a `when` leads to may call its own definition; else it must not."""
    chosen = await authoring.validate(TENANT, CHOOSING % ("again", "other"))
    assert chosen.errors == []
    always = await authoring.validate(TENANT, CHOOSING % ("other", "again"))
    [error] = always.errors
    assert (error.path, error.line) == ("tasks[1].workflow", 7)
    assert [one for one in always.problems if one.path == error.path] == [error]


async def test_offline_knows_only_what_is_beside() -> None:
    """Without a ledger nothing is said of actions, and other documents count as stored."""
    beside = [json.loads(calling("b", "a"))]
    text = calling("a", "b")
    report = await examine(text, name="a.json", known=Known(beside))
    assert ["a → b → a" in one.message for one in report.problems] == [True]
    alone = await examine(TEXT, name="a.yaml", known=Known())
    assert alone.problems == []
