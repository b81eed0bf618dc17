"""What an extraction ends with, as others read it."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openlineage.client.generated import column_lineage_dataset

from flowkeep.extraction.logs.kinds import LOG_KINDS
from flowkeep.extraction.logs.outputs.openlineage import FACET_SCHEMA
from flowkeep.storage import Storage
from tests.extraction.logs.support import Runs, entities_of, listed, statement
from tests.extraction.support import lines

PUBLISHED = Path(__file__).parents[3] / "docs" / "reference" / "entity.schema.json"
COPY = (
    "INSERT INTO report (total, customer)"
    " SELECT o.amount * 2, o.customer FROM orders o WHERE id > 5"
)


@pytest.fixture
def manifest(tmp_path: Path, storage: Storage) -> dict[str, Any]:
    """A run over some statements, with its export."""
    texts = [COPY, "SELECT amount FROM orders", "SELECT FROM WHERE", "SET a.b = 'c'"]
    texts.append("INSERT INTO archive SELECT * FROM orders")
    log = listed(tmp_path / "log", [statement(text) for text in texts])
    return Runs(storage, log, openlineage=True).run()


@pytest.mark.parametrize("kind", LOG_KINDS)
def test_entities_are_valid(kind: str, manifest: dict[str, Any], storage: Storage) -> None:
    """Every entity fits the published schema, and every attribute of it is known."""
    schema = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    found = entities_of(storage, manifest, kind)
    assert found
    for one in found:
        validator.validate(one)
        assert set(one["attributes"]) <= set(schema["$defs"][kind]["properties"])
    assert len({one["qualifiedName"] for one in found}) == len(found)


def test_openlineage_reads_the_lineage(manifest: dict[str, Any], storage: Storage) -> None:
    """Each table whose columns' origin is known is an event that OpenLineage's classes take."""
    events = {
        event["dataset"]["name"]: event
        for part in manifest["exports"]
        for event in map(json.loads, lines(storage, part["key"]))
    }
    assert set(events) == {"shop.public.report"}
    facet = events["shop.public.report"]["dataset"]["facets"]["columnLineage"]
    assert facet["_schemaURL"] == FACET_SCHEMA
    assert column_lineage_dataset.ColumnLineageDatasetFacet._get_schema() == FACET_SCHEMA
    fields = {
        name: column_lineage_dataset.Fields(
            [column_lineage_dataset.InputField(**one) for one in field["inputFields"]]
        )
        for name, field in facet["fields"].items()
    }
    (total,) = fields["total"].inputFields
    assert (total.namespace, total.name, total.field) == (
        "postgres://db:5432",
        "shop.public.orders",
        "amount",
    )
    assert total.transformations == [{"type": "DIRECT", "subtype": "TRANSFORMATION"}]
    (filtered,) = facet["dataset"]
    assert filtered["field"] == "id"
    assert filtered["transformations"] == [{"type": "INDIRECT", "subtype": "FILTER"}]
