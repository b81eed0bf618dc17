"""Tasks that several transitions lead to."""

from typing import Any

import pytest

from tests.definitions.plan.support import Driven, definition, last, step


def joined(join: Any, *sources: str) -> Driven:
    """Tasks that may lead to `end`, if their result is true; `after` follows it."""
    when = [{"when": "{{ result() }}", "do": "end"}]
    return Driven(
        definition(
            *(step(name, transitions=when) for name in sources),
            step("end", "after", join=join),
            last("after"),
        )
    )


@pytest.mark.parametrize(
    ("join", "fired", "ends_with"),
    [
        (None, "ttt", 2),
        (None, "tff", 2),
        (None, "fft", 2),
        (None, "fff", None),
        ("all", "ttt", 2),
        ("all", "ttf", None),
        ("all", "fff", None),
        (1, "ttt", 0),
        (1, "ftt", 1),
        (1, "fft", 2),
        (1, "fff", None),
        (2, "ttf", 1),
        (2, "ftt", 2),
        (2, "tff", None),
        (3, "ttt", 2),
        (3, "tft", None),
    ],
)
def test_when_it_begins(join: Any, fired: str, ends_with: int | None) -> None:
    """It begins with the edge that decides it, once, or is skipped, and what follows with it."""
    driven = joined(join, "a", "b", "c")
    driven.begin()
    begun_at = None
    for number, (name, fires) in enumerate(zip("abc", fired, strict=True)):
        if driven.ok(name, fires == "t") == ["end"]:
            assert begun_at is None
            begun_at = number
    assert begun_at == ends_with
    assert driven.skipped == ([] if begun_at is not None else ["end", "after"])
    if begun_at is not None:
        assert driven.plan.active[0].text == "end"
        assert driven.ok("end") == ["after"]
        driven.ok("after")
    assert driven.result == {}


@pytest.mark.parametrize(("join", "needed"), [("all", 1), (3, 1), (2, 2)])
def test_it_is_skipped_as_soon_as_it_cannot_begin(join: Any, needed: int) -> None:
    """Once too many edges are dead it does not wait for the others."""
    driven = joined(join, "a", "b", "c")
    driven.begin()
    for name in "abc"[:needed]:
        assert driven.skipped == []
        driven.ok(name, False)
    assert driven.skipped == ["end", "after"]
    driven.run()
    assert driven.begun == ["a", "b", "c"]


def test_edges_of_skipped_tasks_are_dead() -> None:
    """A join counts the edge of a task that nothing led to as dead, not as open."""
    driven = Driven(
        definition(
            step("a", transitions=[{"when": "{{ result() }}", "do": "b"}, {"do": "c"}]),
            step("b", "end"),
            step("c", "end"),
            last("end"),
        )
    ).run({"a": False})
    assert driven.begun == ["a", "c", "end"]
    assert driven.skipped == ["b"]


def test_a_diamond() -> None:
    """Both branches run side by side, the end after both."""
    driven = Driven(
        definition(step("a", "b", "c"), step("b", "d"), step("c", "d"), last("d", join="all"))
    )
    driven.begin()
    assert driven.ok("a") == ["b", "c"]
    assert driven.ok("c") == []
    assert driven.ok("b") == ["d"]


def test_a_join_that_nothing_can_fulfil() -> None:
    """A join for more edges than there are is skipped rather than waited for for ever."""
    driven = joined(2, "a").run({"a": True})
    assert driven.begun == ["a"]
    assert driven.skipped == ["end", "after"]
