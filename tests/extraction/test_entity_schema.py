"""The published JSON Schema, and that entities are what it says."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from flowkeep.extraction.metadata.entity_schema import entity_schema
from flowkeep.extraction.metadata.kinds import KINDS
from flowkeep.storage import Storage
from tests.extraction.support import entities, extract, extraction_of

PUBLISHED = Path(__file__).parents[2] / "docs" / "reference" / "entity.schema.json"


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    """Checks an entity."""
    schema = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


@pytest.fixture(scope="module")
def found(
    sample_url: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[dict[str, Any]]]:
    """The entities of the sample database by kind."""
    storage = Storage(tmp_path_factory.mktemp("storage").as_uri())
    manifest = extract(extraction_of(sample_url, storage))[1]
    return {kind: entities(storage, manifest, kind) for kind in KINDS}


def test_the_published_schema_is_the_code_s() -> None:
    """`python -m flowkeep.extraction.metadata.entity_schema` prints the published file."""
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == entity_schema()


@pytest.mark.parametrize("kind", KINDS)
def test_entities_are_valid(
    kind: str, found: dict[str, list[dict[str, Any]]], validator: Draft202012Validator
) -> None:
    """Every entity of every kind of the sample fits the schema, and every attribute is known."""
    assert found[kind], f"the sample has no {kind}"
    known = set(validator.schema["$defs"][kind]["properties"])  # type: ignore[index]
    for one in found[kind]:
        validator.validate(one)
        assert set(one["attributes"]) <= known


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("columns", ("attributes", "ordinalPosition"), "1"),
        ("columns", ("attributes", "isNullable"), "true"),
        ("columns", ("attributes", "name"), None),
        ("columns", ("relationshipAttributes", "table"), None),
        ("constraints", ("attributes", "columns"), '["a"]'),
        ("constraints", ("attributes", "columns"), [1]),
        ("databases", ("relationshipAttributes",), {}),
        ("tables", ("guid",), "00000000-0000-1000-8000-000000000000"),
        ("tables", ("lastSeen",), "2025-01-01T00:00:00+00:00"),
        ("tables", ("more",), 1),
    ],
)
def test_what_is_wrong_is_invalid(
    kind: str,
    path: tuple[str, ...],
    value: Any,
    found: dict[str, list[dict[str, Any]]],
    validator: Draft202012Validator,
) -> None:
    """Values of other types, missing links and unknown fields of the envelope are refused."""
    entity = copy.deepcopy(found[kind][0])
    place = entity
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ValidationError):
        validator.validate(entity)


def test_additions_are_valid(
    found: dict[str, list[dict[str, Any]]], validator: Draft202012Validator
) -> None:
    """Attributes and kinds of one's own fit."""
    entity = copy.deepcopy(found["columns"][0])
    entity["attributes"]["sensitivity"] = 3
    validator.validate(entity)
    entity["scope"]["kind"] = "policies"
    entity["attributes"] = {"roles": ["x"]}
    entity["relationshipAttributes"] = None
    validator.validate(entity)
