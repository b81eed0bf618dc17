"""Templates take only so much, and the same everywhere."""

import os
import subprocess
import sys

import pytest

from flowkeep.definitions import template_limits as limits
from flowkeep.definitions.templates import Scope, TemplateError, render

SCOPE = Scope({})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ a }}" + " " * limits.MOST_CHARACTERS, "16,384 characters"),
        ("{{ [" + "1," * limits.MOST_NODES + "] }}", "500 parts"),
        ("{{ " + "(" * 25 + "1" + ")" * 25 + " }}", "24 levels"),
        ("{{ " + "+".join("1" * 101) + " }}", "100 parts"),
        ("{{ range(100001) }}", "100,000 entries"),
        ("{{ range(90000) | list | list | length }}", "200,000 operations"),
        ("{{ 'a' * 1048577 }}", "1,048,576 characters"),
        ("{{ 2 ** 4096 }}", "4,096 bits"),
    ],
)
def test_limits(text, told):
    """Each limit is named when it is passed."""
    with pytest.raises(TemplateError) as caught:
        render(text, SCOPE)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("{{ [" + "1," * 450 + "] | length }}", 450),
        ("{{ " + "(" * 22 + "1" + ")" * 22 + " }}", 1),
        ("{{ " + "+".join("1" * 90) + " }}", 90),
        ("{{ range(90000) | length }}", 90_000),
        ("{{ ('a' * 1048576) | length }}", 1_048_576),
        ("{{ 2 ** 4095 > 0 }}", True),
    ],
)
def test_just_within_limits(text, size):
    """What stays within the limits is done."""
    assert render(text, SCOPE) == size


TELL = """
from flowkeep.definitions.templates import *
scope = Scope({"rows": [{"k": k, "n": n} for n, k in enumerate("the quick brown fox")]})
for text in ("{{ rows | groupby('k') }}", "{{ rows | map(attribute='k') | unique }}",
             "x{{ rows }}", "{{ rows | dictsort }}", "{{ nope }}", "{{ 1 | nope }}",
             "{{ ({'a': 1} | combine({'c': 1, 'b': 2})) | keys }}"):
    try:
        print(render(text, scope))
    except TemplateError as error:
        print(error)
print(check("{{ a + b + c + d }}", "p", {"x", "y", "z"}), sorted(task_names("{{ tasks.a }}")))
"""


def test_the_same_in_every_interpreter():
    """Fresh interpreters with other hash seeds render the same, errors included."""
    told = {
        subprocess.run(
            [sys.executable, "-c", TELL],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1
    assert "grouper" in told.pop()
