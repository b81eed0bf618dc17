"""What changed between two definitions."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flowkeep.definitions.difference import differences

OLD: dict[str, Any] = {
    "ref": "report",
    "label": "Report",
    "vars": {"n": 1},
    "tasks": [
        {"name": "load", "action": "a.load", "retry": {"count": 1, "delay": "1s"}},
        {"name": "clean", "action": "a.clean", "input": {"rows": [1, 2, 3]}},
        {"name": "both", "tasks": [{"name": "x", "action": "a.x"}, {"name": "y", "action": "a.y"}]},
        {"name": "send", "action": "a.send"},
    ],
}


def changed(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(OLD), **changes}


def told(new: dict[str, Any], old: dict[str, Any] = OLD) -> list[str]:
    return [str(one) for one in differences(old, new)]


def test_nothing_changed() -> None:
    """The order of names is no change."""
    assert told({key: OLD[key] for key in reversed(OLD)}) == []


def test_fields() -> None:
    """Added, removed and changed ones have their paths; tasks go by name."""
    new = changed(label="Reports", description="d")
    del new["vars"]
    new["tasks"][0]["retry"] = {"count": 2, "backoff": "linear"}
    new["tasks"][1]["input"]["rows"] = [1, 4]
    new["tasks"][2]["tasks"][1]["action"] = "a.z"
    assert told(new) == [
        'changed label: "Report" → "Reports"',
        "changed tasks.load.retry.count: 1 → 2",
        'added tasks.load.retry.backoff: "linear"',
        'removed tasks.load.retry.delay: "1s"',
        "changed tasks.clean.input.rows[1]: 2 → 4",
        "removed tasks.clean.input.rows[2]: 3",
        'changed tasks.both.tasks.y.action: "a.y" → "a.z"',
        'added description: "d"',
        'removed vars: {"n": 1}',
    ]


def test_tasks() -> None:
    """A new task at the top leaves the others where they were; one that moved is told alone."""
    load, clean, both, send = OLD["tasks"]
    first = {"name": "first", "action": "a.b"}
    assert told(changed(tasks=[first, *OLD["tasks"]])) == [
        'added tasks.first: {"name": "first", "action": "a.b"}'
    ]
    assert told(changed(tasks=[load, both, send])) == [
        'removed tasks.clean: {"name": "clean", "action": "a.clean", "input": {"rows": [1, 2, 3]}}'
    ]
    assert told(changed(tasks=[send, load, clean, both])) == [
        "moved tasks.send: behind both → first"
    ]
    assert told(changed(tasks=[clean, both, load, send])) == [
        "moved tasks.load: first → behind both"
    ]


def test_long_values_are_shortened() -> None:
    """A change takes a line."""
    (one,) = differences(OLD, changed(label="x" * 10_000))
    assert one.new is not None
    assert len(one.new) <= 80
    assert one.new.endswith("…")


def test_types_count() -> None:
    """True is not 1, and null is not missing."""
    assert told({"a": True, "b": None}, {"a": 1}) == ["changed a: 1 → true", "added b: null"]


@given(st.permutations("abcdefg"), st.permutations("abcdefg"))
def test_the_fewest_tasks_move(old: list[str], new: list[str]) -> None:
    """Without those that moved the others stand in the same order, and no smaller set would do."""
    before, after = ({"tasks": [{"name": one} for one in names]} for names in (old, new))
    moved = {one.path.removeprefix("tasks.") for one in differences(before, after)}
    assert [one for one in old if one not in moved] == [one for one in new if one not in moved]
    longest = [0] * 7
    places = [old.index(one) for one in new]
    for n, place in enumerate(places):
        rising = [longest[m] for m in range(n) if places[m] < place]
        longest[n] = 1 + max(rising, default=0)
    assert len(moved) == 7 - max(longest)
