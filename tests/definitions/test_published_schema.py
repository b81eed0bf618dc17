"""The published JSON Schema of definitions, and that it says what validation says."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from flowkeep.definitions import schemas
from flowkeep.definitions.canvas import read_canvas
from flowkeep.definitions.published_schema import definition_schema
from flowkeep.definitions.validate_shape import shape
from tests.definitions.test_canvas import SENT

PUBLISHED = Path(__file__).parents[2] / "docs" / "reference" / "definition.schema.json"

RIGHT: list[dict[str, Any]] = [
    {"name": "a", "action": "x.y"},
    {"name": "a", "action": "x.y", "timeout": "1h30m", "retry": {"count": 1, "on_error": "E"}},
    {"name": "a", "action": "x.y", "retry": {"count": 1, "on_error": ["E"], "delay": 0.5}},
    {"name": "a", "action": "x.y", "when": True, "with_items": [1], "join": 2},
    {"name": "a", "action": "x.y", "join": "all", "transitions": [{"do": "b"}, {"do": ["b"]}]},
    {"name": "a", "human": {"assignee": "x", "title": "y", "deadline": "2d"}},
    {"name": "a", "type": "parallel", "tasks": [{"name": "b", "workflow": "x"}]},
]
WRONG: list[dict[str, Any]] = [
    {"action": "x.y"},
    {"name": "a b", "action": "x.y"},
    {"name": "a", "action": "x.y", "nxt": 1},
    {"name": "a", "action": "x.y", "timeout": "soon"},
    {"name": "a", "action": "x.y", "retry": {"count": -1}},
    {"name": "a", "action": "x.y", "retry": {"count": 1, "backoff": "random"}},
    {"name": "a", "action": "x.y", "join": "any"},
    {"name": "a", "action": "x.y", "transitions": [{"do": 7}]},
    {"name": "a", "human": {"assignee": "x"}},
    {"name": "a", "tasks": [{"name": "b", "with": 1}]},
]


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_published_schema_is_the_code_s() -> None:
    """`python -m flowkeep.definitions.published_schema` prints the published file."""
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == definition_schema()
    assert schemas.check(definition_schema(), "") == []


@pytest.mark.parametrize("task", RIGHT)
def test_what_is_right_fits(task: dict[str, Any], validator: Draft202012Validator) -> None:
    """Documents that validation takes fit the schema."""
    data = {"ref": "x", "tasks": [task]}
    assert shape(data)[1] == []
    validator.validate(data)


@pytest.mark.parametrize("task", WRONG)
def test_what_is_wrong_does_not_fit(task: dict[str, Any], validator: Draft202012Validator) -> None:
    """Documents whose shape validation refuses do not."""
    data = {"ref": "x", "tasks": [task]}
    assert shape(data)[1] != []
    assert not validator.is_valid(data)


def test_what_a_canvas_becomes_fits(validator: Draft202012Validator) -> None:
    """Imported drawings are documents like any other."""
    validator.validate(read_canvas(SENT, ref="x", app="demo").data)


def test_every_field_is_described(validator: Draft202012Validator) -> None:
    """Editors show what a task's and a definition's fields mean."""
    task = validator.schema["$defs"]["Task"]["properties"]  # type: ignore[index]
    lacking = [name for name, one in task.items() if "description" not in one]
    assert lacking == ["description"], "which says what it is by its name"
