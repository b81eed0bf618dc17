"""JSON Schemas: what is one, what fits, defaults. The truth is the `jsonschema` library."""

import time
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowkeep.definitions import schemas
from flowkeep.errors import InvalidInput

PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "pattern": "^[a-z]+$"},
        "age": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]},
        "born": {"format": "date"},
        "role": {"enum": ["admin", "guest"]},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        "boss": {"$ref": "#"},
    },
    "required": ["name"],
    "additionalProperties": False,
}


def told(value: Any) -> list[str]:
    return [str(one) for one in schemas.problems(PERSON, value, "input")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"name": "ann"}, []),
        ([], ["input is a list, not an object"]),
        ({}, ["input.name is missing"]),
        ({"nam": "ann"}, ["input.nam is not known (did you mean name?)", "input.name is missing"]),
        (
            {"name": "X", "role": "root", "born": "soon"},
            [
                "input.born is no date",
                "input.name does not match ^[a-z]+$",
                "input.name is shorter than 2 characters",
                "input.role is none of admin, guest",
            ],
        ),
        ({"name": "ann", "age": -1}, ["input.age is less than 0"]),
        ({"name": "ann", "age": "1"}, ["input.age is a text, not a whole number or null"]),
        (
            {"name": "ann", "tags": ["a", 2, "c", None]},
            [
                "input.tags has more than 2 items",
                "input.tags[1] is a number, not a text",
                "input.tags[3] is null, not a text",
            ],
        ),
        ({"name": "ann", "boss": {"boss": {}, "name": "bob"}}, ["input.boss.boss.name is missing"]),
    ],
)
def test_every_error_is_told_with_its_path(value: Any, expected: list[str]) -> None:
    """All of them, in plain words and in the order of paths."""
    assert told(value) == expected


def test_values_are_not_told() -> None:
    """What does not fit may be a secret."""
    secret = "Sesame-Open"
    everything = dict.fromkeys(PERSON["properties"], secret) | {"tags": [secret, 3]}
    found = told(everything) + told([secret]) + told(secret)
    assert len(found) >= 8
    assert secret not in " ".join(found)


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"type": "foo"}, "p.type"),
        ({"properties": {"a": {"minimum": "x"}}}, "p.properties.a.minimum"),
        ({"properties": {"a": 3}}, "p.properties.a"),
        ({"required": "a"}, "p.required"),
        ({"items": [{}]}, "p.items"),
        ({"pattern": "(a"}, "p.pattern"),
        ({"minLength": -1}, "p.minLength"),
        ({"type": ["string", "strin"]}, "p.type[1]"),
        (7, "p"),
        ([], "p"),
        ("object", "p"),
        ({"$ref": "#/$defs/gone"}, "p.$ref"),
        ({"properties": {"enum": {"$ref": "http://127.0.0.1:9/x"}}}, "p.properties.enum.$ref"),
        ({"$defs": {"a": {"$ref": "file:///etc/passwd"}}}, "p.$defs.a.$ref"),
        ({"$dynamicRef": "https://example.com/x"}, "p.$dynamicRef"),
        ({"$ref": "other.json"}, "p.$ref"),
        ({"x": {1: 2}}, "p"),
    ],
)
def test_what_is_no_schema_is_placed(schema: Any, path: str) -> None:
    """Everything that is none, or that leads out of itself, is an error at its path."""
    assert path in [one.path for one in schemas.check(schema, "p")]


def test_all_errors_of_a_schema_are_told() -> None:
    """Not only the first."""
    wrong = {"properties": {"a": {"type": 5, "minimum": "x"}}, "required": "a"}
    assert [one.path for one in schemas.check(wrong, "p")] == [
        *("p.properties.a.minimum", "p.properties.a.type", "p.required")
    ]


@pytest.mark.parametrize(
    "schema",
    [
        {},
        PERSON,
        {"const": {"$ref": "http://example.com"}},
        {"default": {"$ref": "#/gone"}},
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        {"x-order": 3, "$comment": "mine"},
    ],
)
def test_what_is_a_schema_is_one(schema: Any) -> None:
    """What only looks like a reference is none, and other words are allowed."""
    assert schemas.check(schema, "p") == []


def test_hostile_schemas_and_values_are_refused_at_once() -> None:
    """References that double with each level, patterns that explode, values without end."""
    doubling = {
        "$defs": {"a0": {"type": "integer"}}
        | {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n - 1}"}] * 2} for n in range(1, 60)},
        "$ref": "#/$defs/a59",
    }
    deep: list[Any] = []
    for _ in range(200_000):
        deep = [deep]
    began = time.perf_counter()
    assert [one.path for one in schemas.check(doubling, "p")] == ["p"]
    assert schemas.check({"pattern": "(?=a)b"}, "p")
    assert schemas.check({"pattern": "(a{1000}){1000}"}, "p")
    assert schemas.check({"not": deep}, "p")
    assert schemas.problems({"pattern": "^(a+)+$"}, "a" * 100_000 + "b", "p")
    for value in (deep, {1: 2}, object(), "\ud800"):
        with pytest.raises(InvalidInput):
            schemas.violations({"items": {"$ref": "#"}}, value)
    assert time.perf_counter() - began < 1


SIMPLE = st.recursive(
    st.sampled_from(
        [
            *({"type": one} for one in ("integer", "string", "null", "boolean", "number")),
            *({"minimum": 2}, {"maxLength": 1}, {"const": 1}, {"enum": ["a", None]}, {}),
        ]
    ),
    lambda inner: st.one_of(
        st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner),
        st.builds(lambda a, b: {"allOf": [a, b]}, inner, inner),
        st.builds(lambda a: {"not": a}, inner),
        st.builds(lambda a: {"items": a, "minItems": 1}, inner),
        st.builds(lambda a, b: {"properties": {"a": a}, "additionalProperties": b}, inner, inner),
    ),
    max_leaves=6,
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "ab", 1.5]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=200, deadline=None)
@given(SIMPLE, VALUES)
def test_what_fits_agrees_with_another_library(schema: Any, value: Any) -> None:
    """There are violations exactly if the reference implementation finds some."""
    expected = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert (schemas.violations(schema, value) == []) is expected


def test_defaults_are_filled_in() -> None:
    """At every level, never over what is there, without changing what was given."""
    schema = {
        "properties": {
            "a": {"default": 1},
            "b": {"default": {}, "properties": {"c": {"default": None}}},
            "d": {"$ref": "#/$defs/d"},
            "e": {"items": {"properties": {"f": {"default": [1]}}}},
            "g": {"anyOf": [{"properties": {"h": {"default": 1}}}]},
        },
        "allOf": [{"properties": {"i": {"default": "x"}}}],
        "$defs": {"d": {"default": True}},
    }
    given_value = {"e": [{}, {"f": 2}, 3], "a": None, "g": {}}
    assert schemas.with_defaults(schema, given_value) == {
        "e": [{"f": [1]}, {"f": 2}, 3],
        "a": None,
        "g": {},
        "i": "x",
        "b": {"c": None},
        "d": True,
    }
    assert given_value == {"e": [{}, {"f": 2}, 3], "a": None, "g": {}}
    assert schema["properties"]["b"] == {"default": {}, "properties": {"c": {"default": None}}}


def test_defaults_without_end_end() -> None:
    """A schema whose default needs its own default twice is filled in once."""
    node = {"default": {}, "properties": {"l": {"$ref": "#/$defs/n"}, "r": {"$ref": "#/$defs/n"}}}
    schema = {"properties": {"tree": {"$ref": "#/$defs/n"}}, "$defs": {"n": node}}
    began = time.perf_counter()
    assert "tree" in schemas.with_defaults(schema, {})
    assert time.perf_counter() - began < 0.5


def test_what_does_not_fit_is_raised_in_one_error() -> None:
    """`require` names the first errors and how many more there are."""
    schemas.require(PERSON, {"name": "ann"}, "parameters")
    with pytest.raises(InvalidInput, match=r"parameters\[0\] is a number.*; and 3 more") as caught:
        schemas.require({"items": {"type": "string"}}, [1] * 8, "parameters", code="BAD")
    assert caught.value.code == "BAD"
