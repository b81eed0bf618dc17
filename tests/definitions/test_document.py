"""Texts in, plain data with lines out, and back. The truth is JSON, and YAML 1.2's own examples."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowkeep.definitions.document import DEEPEST, LARGEST, dump, read
from flowkeep.errors import InvalidInput

TEXT = """\
ref: hello            # line 1

tasks:
  - name: first
    input: {a: 1, b: [x, y]}
    retry:
      count: 3
  - name: second
"""

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        "on",
        "no",
        "~",
        "null",
        "0o17",
        "1e3",
        "08",
        "2020-01-01",
        "- a",
        "a: b",
        "#",
        "{{ x }}",
        "<<",
    ]
)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def refused(text: str | bytes, **more: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        read(text, **more)
    assert caught.value.hint
    return str(caught.value)


def test_lines_are_those_of_the_text() -> None:
    """Every value has the line on which its name, or it itself as an item, stands."""
    document = read(TEXT)
    assert document.data["tasks"][0]["retry"] == {"count": 3}
    rows = TEXT.splitlines()
    for path, word in {
        "ref": "ref:",
        "tasks": "tasks:",
        "tasks[0]": "- name: first",
        "tasks[0].name": "- name: first",
        "tasks[0].input.b[1]": "input:",
        "tasks[0].retry": "retry:",
        "tasks[0].retry.count": "count:",
        "tasks[1].name": "- name: second",
    }.items():
        assert word in rows[document.lines[path] - 1], path


def test_json_has_lines_too() -> None:
    """JSON gives the same data and lines, with tabs, escapes and surrogate pairs."""
    text = '{\n\t"ref": "\\ud83d\\ude00\\/\\n",\n\t"tasks": [\n{"a": 1.5},\n null, -3e2]\n}'
    document = read(text)
    assert document.data == json.loads(text)
    assert document.lines == {
        "ref": 2,
        "tasks": 3,
        "tasks[0]": 4,
        "tasks[0].a": 4,
        "tasks[1]": 5,
        "tasks[2]": 5,
    }


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(TEXTS, PLAIN, max_size=5))
def test_what_is_written_is_read(data: dict[str, Any]) -> None:
    """Any plain data comes back from YAML and from JSON, types and order of names included."""
    for text in (dump(data), json.dumps(data), json.dumps(data, ensure_ascii=False, indent=1)):
        found = read(text).data
        assert json.dumps(found) == json.dumps(data)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("", None),
        ("2020-01-01", "2020-01-01"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("0o14", 12),
        ("0xC", 12),
        ("012", 12),
        ("12e03", 12000.0),
        ("-.5", -0.5),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("! 5", "5"),
        ("!!float 5", 5.0),
        ("|\n  a\n  b", "a\nb\n"),
        ("=", "="),
    ],
)
def test_plain_words_are_read_by_the_core_schema(text: str, value: Any) -> None:
    """What YAML 1.2 says is a number, true, false or null is one, and nothing else is."""
    found = read(f"a: {text}\n").data["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("a: 1\nb: 2\na: 3", "line 3, column 1", "a was given in line 1 already"),
        ('{"a": {"b": 1,\n "b": 2}}', "line 2, column 2", "a.b was given in line 1 already"),
        ("a: &x 1", "line 1, column 4", "alias"),
        ("a: 1\nb: *x", "line 2, column 4", "alias"),
        ("a: !!python/object/apply:os.system [x]", "line 1, column 4", "!!python/object"),
        ("a: !mine {b: 1}", "line 1, column 4", "!mine"),
        ("a: !!timestamp 2020-01-01", "line 1, column 4", "!!timestamp"),
        ("a: {{ parameters.x }}", "line 1, column 5", 'in quotes: "{{'),
        ("a:\n  - {{ x }} and more", "line 2", 'in quotes: "{{'),
        ("a:\n\t- b", "line 2", "indent with spaces"),
        ("a: 'b", "line 1", "is no YAML"),
        ("a: 1\n---\nb: 1", "line 2", "second document"),
        ("404: x", "line 1, column 1", "a name is no text"),
        ("true: x", "line 1, column 1", "a name is no text"),
        ("- a", "line 1", "is no object"),
        ("", "line 1", "is no object"),
        ("a: .nan", "line 1, column 4", "is no number of JSON"),
        ('{"a":\n NaN}', "line 2, column 2", "is no number of JSON"),
        ("a: 1e999", "line 1, column 4", "too big"),
        ("a: 1" + "0" * 30, "line 1, column 4", "more than 64 bits"),
        ('{"a": 1' + "0" * 5000 + "}", "line 1, column 7", "more than 64 bits"),
        ('{"a": "\\ud800"}', "line 1, column 7", "surrogate"),
        ("a: 1\nb: \ud800", "line 2", "surrogate"),
        (b"a: 1\nb: \xff", "line 2", "is not UTF-8"),
        ("a: 1\nb: \x00", "line 2", "is no YAML"),
        ("a:\n  " + "[" * 60 + "]" * 60, f"line 2, column {DEEPEST + 2}", "deeper than 50"),
        ("a: " + "[" * 100_000, "line 1", "deeper than 50"),
        ('{"a":' * 100_000, "line 1", "deeper than 50"),
    ],
)
def test_what_is_refused_is_placed(text: str | bytes, place: str, says: str) -> None:
    """Errors name line and column, what is wrong and what to do."""
    message = refused(text)
    assert place in message
    assert says in message


def test_a_file_called_json_has_to_be_json() -> None:
    """Only by that name is what YAML alone can read refused."""
    assert read("{a: 1,}").data == {"a": 1}
    assert "x.json line 1, column 2: is no JSON" in refused("{a: 1,}", name="x.json")


def test_bombs_and_big_texts_are_refused_at_once() -> None:
    """Aliases that multiply and texts over the limit cost next to nothing."""
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join(f'*{old}' for _ in range(9))}]\n"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    began = time.perf_counter()
    assert "alias" in refused(bomb)
    assert f"has {5 * LARGEST} bytes" in refused("#" * (5 * LARGEST))
    assert f"has {LARGEST + 1} bytes" in refused(b"#" * (LARGEST + 1))
    assert time.perf_counter() - began < 1
    assert read("a: 1\n" + "#" * (LARGEST - 5)).data == {"a": 1}


def test_a_byte_order_mark_is_no_content() -> None:
    """Files of some editors begin with one."""
    assert read(b"\xef\xbb\xbf" + b'{"a": 1}').data == read("\ufeffa: 1").data == {"a": 1}
