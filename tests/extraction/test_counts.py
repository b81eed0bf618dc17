"""Nothing is missing and nothing comes twice."""

from collections import Counter
from typing import Any

import pytest

from flowkeep.extraction.metadata.kinds import KINDS
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.storage import Storage
from tests.extraction.independent import ALL, OWN, counts
from tests.extraction.support import entities, extract, extraction_of, query, run, scope_of


def counted(manifest: dict[str, Any]) -> dict[str, set[int]]:
    """Every number of rows the manifest gives for a kind."""
    found: dict[str, set[int]] = {}
    for scope in manifest["scopes"]:
        numbers = {scope[name] for name in ("planned", "read", "written")}
        numbers |= {scope["assets"]["written"], sum(part["rows"] for part in scope["parts"])}
        found[scope["kind"]] = numbers
    return found


@pytest.mark.parametrize(("system", "schema"), [(False, OWN), (True, ALL)])
def test_every_count_of_the_manifest_is_the_server_s(
    sample_url: str, storage: Storage, system: bool, schema: str
) -> None:
    """For the sample and for PostgreSQL's own schemas, counts by independent SQL agree."""
    reference, manifest = extract(
        extraction_of(sample_url, storage, options={"include_system_schemas": system})
    )
    expected = counts(sample_url, schema)
    assert expected["columns"] > (2000 if system else 200)
    assert counted(manifest) == {kind: {count} for kind, count in expected.items()}
    assert reference.counts == expected
    assert verify_manifest(storage, reference.key) == []


def test_the_standard_s_own_view_of_the_columns_agrees(sample_url: str, storage: Storage) -> None:
    """Types, defaults and nullability are those of information_schema, row by row."""
    _, manifest = extract(extraction_of(sample_url, storage))
    ours = {
        tuple(one["attributes"][name] for name in ("schemaName", "tableName", "name")): (
            one["attributes"]["ordinalPosition"],
            "YES" if one["attributes"]["isNullable"] else "NO",
            one["attributes"]["identityGeneration"],
            one["attributes"]["generationExpression"],
        )
        for one in entities(storage, manifest, "columns")
    }
    theirs = {
        row[:3]: row[3:]
        for row in query(
            sample_url,
            f"""SELECT table_schema, table_name, column_name,
            ordinal_position, is_nullable, identity_generation, generation_expression
            FROM information_schema.columns AS n
            WHERE {OWN.replace("nspname", "table_schema")}""",
        )
    }
    assert theirs
    assert {name: ours[name] for name in theirs} == theirs


def test_no_name_comes_twice(sample_url: str, storage: Storage) -> None:
    """Qualified names and guids are unique over all kinds together."""
    _, manifest = extract(
        extraction_of(sample_url, storage, options={"include_system_schemas": True})
    )
    found = [
        one for scope in manifest["scopes"] for one in entities(storage, manifest, scope["kind"])
    ]
    for field in ("qualifiedName", "guid"):
        assert Counter(one[field] for one in found).most_common(1)[0][1] == 1


def test_an_empty_database_gives_a_manifest_of_zeros(database_url: str, storage: Storage) -> None:
    """Zero rows are a success only because the server counted zero too."""
    run(database_url, "DROP SCHEMA public")
    reference, manifest = extract(extraction_of(database_url, storage))
    assert reference.counts == dict.fromkeys(KINDS, 0) | {"databases": 1}
    assert scope_of(manifest, "tables")["parts"] == []
    assert verify_manifest(storage, reference.key) == []


def test_filters_choose_schemas_by_exact_name(sample_url: str, storage: Storage) -> None:
    """Include and exclude act on all kinds alike; exclude wins; quotes are only characters."""
    options = {
        "include_schemas": ["sales", "odd.names", "hr", "o'dd", 'x" OR true --', "sal%"],
        "exclude_schemas": ["hr"],
    }
    _, manifest = extract(extraction_of(sample_url, storage, options=options))
    names = {one["attributes"]["name"] for one in entities(storage, manifest, "schemas")}
    assert names == {"sales", "odd.names"}
    for kind in ("tables", "columns", "procedures"):
        found = {one["scope"]["schema"] for one in entities(storage, manifest, kind)}
        assert found == names
    assert manifest["filters"]["exclude_schemas"] == ["hr"]
    assert scope_of(manifest, "tables")["schema_set"] == options["include_schemas"]


def test_a_system_schema_that_is_named_is_extracted(sample_url: str, storage: Storage) -> None:
    """An include is stronger than the default that leaves system schemas out."""
    options = {"include_schemas": ["information_schema"]}
    extraction = extraction_of(sample_url, storage, options=options)
    expected = counts(sample_url, "n.nspname = 'information_schema'")
    assert extraction.fetch("tables").rows == expected["tables"]


def test_several_databases_are_several_scopes(
    sample_url: str, database_url: str, storage: Storage
) -> None:
    """Each database has its own scope, files and counts; names hold the database."""
    run(database_url, "CREATE TABLE only_here (a integer, b text)")
    other = database_url.rsplit("/", 1)[1]
    options = {"databases": ["extraction_sample", other]}
    reference, manifest = extract(extraction_of(sample_url, storage, options=options))
    columns = [scope for scope in manifest["scopes"] if scope["kind"] == "columns"]
    assert [scope["database"] for scope in columns] == ["extraction_sample", other]
    assert columns[1]["written"] == 2
    assert reference.counts["databases"] == 2
    assert verify_manifest(storage, reference.key) == []
