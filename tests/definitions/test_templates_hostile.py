"""Hostile templates: each is refused or contained, within time and memory that do not grow."""

import gc
import json
import sys
import threading
import time
import tracemalloc

import pytest

from flowkeep.definitions import templates
from flowkeep.definitions.template_limits import MOST_CHARACTERS
from flowkeep.definitions.templates import Scope, TemplateError, check, holds, render, task_names
from tests.definitions.hostile_templates import BOMBS, ESCAPES, MISFITS

SECONDS = 0.1
"""Processor time that a bomb may take."""

BYTES = 64 * 1024 * 1024
"""Memory that a bomb may take."""


def _variables():
    loop = {"name": "x"}
    loop["self"] = loop
    return {
        "parameters": {"text": "abc", "number": 3, "list": [1, 2]},
        "item": "abc",
        "loop_": loop,
        "deep": json.loads("[" * 500 + "]" * 500),
        "long": "ab" * 400_000,
        "many": list(range(90_000)),
    }


@pytest.fixture(scope="module")
def scope():
    """What hostile templates see; they may not change it."""
    return Scope(_variables())


def _outcome(text, scope):
    """Return what came out, or None when it was refused."""
    try:
        return render(text, scope)
    except TemplateError:
        return None


@pytest.mark.parametrize("text", ESCAPES + MISFITS, ids=lambda text: text[:40])
def test_escapes_and_misfits_are_refused(text, scope):
    """Whatever reaches for Python, for statements, or for what is not defined is refused."""
    with pytest.raises(TemplateError) as caught:
        render(text, scope)
    assert " object at 0x" not in str(caught.value)
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("text", BOMBS, ids=lambda text: text[:40])
def test_bombs_are_defused(text, scope):
    """What would take for ever or all memory ends at once, refused or small."""
    took = SECONDS
    for _ in range(5):  # the best of some: others use the machine too
        begun = time.process_time()
        outcome = _outcome(text, scope)
        took = min(took, time.process_time() - begun)
        if took < SECONDS:
            break
    assert took < SECONDS
    assert len(json.dumps(outcome)) < 6 * 1024 * 1024


def test_bombs_do_not_take_memory(scope):
    """No bomb takes more than 64 MiB at any moment."""
    gc.collect()
    tracemalloc.start()
    try:
        for text in BOMBS:
            if len(text) > MOST_CHARACTERS:
                continue
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            _outcome(text, scope)
            _, peak = tracemalloc.get_traced_memory()
            assert peak - before < BYTES, text[:60]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("text", ESCAPES + MISFITS + BOMBS, ids=lambda text: text[:40])
def test_checking_hostile_ones_never_fails(text):
    """Checking, and looking for tasks, has an answer for everything, before any run."""
    begun = time.process_time()
    assert isinstance(check({"a": text}, "t", ["item"]), list)
    assert task_names(text) == set()
    assert time.process_time() - begun < 5 * SECONDS


def test_hostile_ones_leave_nothing_behind(scope):
    """After all of them their values are what they were."""
    before = _variables()
    for text in ESCAPES + MISFITS:
        _outcome(text, scope)
    for name in ("parameters", "item", "long", "many"):
        assert scope.variables[name] == before[name]


def test_results_are_data_only(scope):
    """Even generators, tuples and classes of Jinja's kind come out as plain lists and texts."""
    for text in ("{{ [1]|map('string') }}", "{{ (1,) }}", "{{ {'a': 1}|items }}", "{{ [1]|zip }}"):
        value = render(text, scope)
        assert json.loads(json.dumps(value)) == value


def test_nested_documents_of_any_depth():
    """A document nested without end is refused, not run out of stack with."""
    value = "{{ 1 }}"
    for _ in range(5_000):
        value = [value]
    with pytest.raises(TemplateError, match="nested deeper"):
        render(value, Scope({}))
    (problem,) = check(value, "t", [])
    assert "nested deeper" in problem.message


def test_the_deepest_allowed_ones_fit_into_a_used_stack():
    """What is within the limits also renders when the caller stands 400 frames deep."""
    # Every way to get deep, each at its limit.
    brackets = "{{ " + "[" * 24 + "1" + "]" * 24 + " }}"
    calls = "{{ " + "range(" * 24 + "0" + ")" * 24 + " | length }}"
    signs = "{{ " + "-(" * 12 + "1" + ")" * 12 + " }}"
    chain = "{{ 1" + "+1" * 96 + " }}"
    deep = "{{ w == w and w }}"
    data = json.loads("[" * 60 + "]" * 60)

    def down(levels):
        if levels:
            return down(levels - 1)
        return [_deep_outcome(text, data) for text in (brackets, calls, signs, chain, deep)]

    outcomes = []
    templates._compiled.cache_clear()
    thread = threading.Thread(target=lambda: outcomes.extend(down(400)))
    thread.start()
    thread.join()
    assert sys.getrecursionlimit() >= 1000
    assert outcomes[0] == json.loads("[" * 24 + "1" + "]" * 24)
    assert "RecursionError" not in str(outcomes)
    assert outcomes[2:] == [1, 97, data]


def _deep_outcome(text, data):
    try:
        return render(text, Scope({"w": data}))
    except TemplateError as error:
        return str(error)


def test_hostile_conditions(scope):
    """Conditions are held to the same rules, with braces or without."""
    for condition in ("''.__class__", "range(10**9)", "1 }} {{ 1", "{% if 1 %}", "x" * 20_000):
        with pytest.raises(TemplateError):
            holds(condition, scope)
