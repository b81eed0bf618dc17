"""Names, values and the envelope of what is written."""

import uuid
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.metadata.kinds import KINDS
from flowkeep.extraction.metadata.names import GUID_NAMESPACE, split_name
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.storage import Storage
from tests.extraction.support import (
    entities,
    extract,
    extraction_of,
    query,
    run,
    scope_of,
)


@pytest.fixture(scope="module")
def extracted(
    sample_url: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Storage, dict[str, Any]]:
    """The sample database, extracted once."""
    storage = Storage(tmp_path_factory.mktemp("storage").as_uri())
    return storage, extract(extraction_of(sample_url, storage))[1]


def by_name(found: list[dict[str, Any]], *names: str) -> dict[str, Any]:
    """The entity whose decoded name ends in these parts."""
    (one,) = [e for e in found if split_name(e["qualifiedName"])[-len(names) :] == list(names)]
    return one


def test_awkward_names_come_back_exactly(
    sample_url: str, extracted: tuple[Storage, dict[str, Any]]
) -> None:
    """The server's own names equal the attributes, and the decoded qualified names."""
    server = set(
        query(
            sample_url,
            """SELECT n.nspname, c.relname, a.attname FROM pg_attribute a
            JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname IN ('odd.names', 'Marketing Data') AND a.attnum > 0
            AND c.relkind IN ('r', 'v')""",
        )
    )
    found = [
        one
        for one in entities(*extracted, "columns")
        if one["scope"]["schema"] in ("odd.names", "Marketing Data")
    ]
    named = {
        tuple(one["attributes"][key] for key in ("schemaName", "tableName", "name"))
        for one in found
    }
    assert named == server
    assert {tuple(split_name(one["qualifiedName"])[1:]) for one in found} == server
    assert any("\n" in name for row in server for name in row)
    assert any(len(name.encode()) == 63 for row in server for name in row)


def test_null_and_empty_are_different(extracted: tuple[Storage, dict[str, Any]]) -> None:
    """An empty function body stays an empty string, a missing one null."""
    routines = entities(*extracted, "procedures")
    assert by_name(routines, "hr", "nothing()")["attributes"]["definition"] == ""
    aggregate = by_name(routines, "analytics", "product_of(double precision)")
    assert aggregate["attributes"]["definition"] is None
    assert aggregate["attributes"]["procedureType"] == "Aggregate"


def test_texts_with_newlines_quotes_and_commas_are_exact(
    extracted: tuple[Storage, dict[str, Any]],
) -> None:
    """Comments and defaults are what was written, to the character."""
    columns = entities(*extracted, "columns")
    note = by_name(columns, "sales", "customer", "note")["attributes"]
    assert note["description"] == (
        'Free text.\nSecond line, with "quotes", commas, and \\ backslashes.'
    )
    assert note["defaultValue"] == "'none, yet; say \"hello\" — it''s free'::text"
    table = by_name(entities(*extracted, "tables"), "odd.names", "line\nbreak")["attributes"]
    assert table["description"] == (
        'First line\r\nsecond line\n\n"third", and \\N and \\. and ,,, end'
    )


def test_columns_carry_what_the_catalogue_knows(
    extracted: tuple[Storage, dict[str, Any]],
) -> None:
    """Types by format_type, identity, generated columns, domains, collation, inheritance."""
    columns = entities(*extracted, "columns")
    name = by_name(columns, "sales", "customer", "full_name")["attributes"]
    assert name["generation"] == "STORED"
    assert "first_name" in name["generationExpression"]
    assert name["defaultValue"] is None
    entry = by_name(columns, "finance", "journal", "entry_id")["attributes"]
    assert (entry["identityGeneration"], entry["isNullable"]) == ("ALWAYS", False)
    price = by_name(columns, "sales", "order_line", "unit_price")["attributes"]
    assert (price["dataTypeDisplay"], price["dataType"]) == ("numeric(12,4)", "numeric")
    total = by_name(columns, "sales", "orders", "total")["attributes"]
    assert (total["typeSchema"], total["dataType"]) == ("finance", "amount")
    assert total["isNullable"] is False  # the domain says so
    assert by_name(columns, "inventory", "product", "sku")["attributes"]["collation"] == "C"
    assert by_name(columns, "hr", "contractor", "born")["attributes"]["isInherited"] is True
    positions = [
        one["attributes"]["ordinalPosition"]
        for one in columns
        if one["attributes"]["tableName"] == "employee"
    ]
    assert positions == [1, 2, 3, 4, 5, 6, 7, 8]


def test_tables_know_their_type_and_their_place(
    extracted: tuple[Storage, dict[str, Any]],
) -> None:
    """Views, materialised views, foreign tables and partitions are told apart and linked."""
    tables = entities(*extracted, "tables")
    types = {
        name: by_name(tables, schema, name)["typeName"]
        for schema, name in [
            ("sales", "orders"),
            ("analytics", "best_customers"),
            ("analytics", "daily_sales"),
            ("inventory", "remote_stock"),
        ]
    }
    assert list(types.values()) == ["Table", "View", "MaterializedView", "ForeignTable"]
    leaf = by_name(tables, "sales", "orders_rest_1")
    parent = by_name(tables, "sales", "orders_rest")
    assert leaf["relationshipAttributes"]["partitionOf"] == {
        "typeName": "Table",
        "qualifiedName": parent["qualifiedName"],
    }
    assert parent["attributes"]["partitionKey"] == "HASH (order_id)"
    assert leaf["attributes"]["partitionBound"] == "FOR VALUES WITH (modulus 2, remainder 1)"
    view = by_name(tables, "analytics", "best_customers")
    assert "FROM analytics.customer_orders" in view["attributes"]["viewDefinition"]
    assert view["relationshipAttributes"]["partitionOf"] is None


def test_every_link_points_to_an_entity(extracted: tuple[Storage, dict[str, Any]]) -> None:
    """Type and qualified name of every relationship exist among the entities."""
    found = [one for kind in KINDS for one in entities(*extracted, kind)]
    known = {(one["typeName"], one["qualifiedName"]) for one in found}
    links = [
        (link["typeName"], link["qualifiedName"])
        for one in found
        for link in (one["relationshipAttributes"] or {}).values()
        if link is not None
    ]
    assert len(links) > 300
    assert set(links) <= known


def test_no_two_entities_share_a_name(extracted: tuple[Storage, dict[str, Any]]) -> None:
    """Names are unique over all kinds."""
    names = [one["qualifiedName"] for kind in KINDS for one in entities(*extracted, kind)]
    assert len(names) > 500
    assert len(names) == len(set(names))


def target(entity: dict[str, Any], link: str) -> list[str] | None:
    """The decoded name a link points to, behind the database; None where there is no target."""
    found = entity["relationshipAttributes"][link]
    return None if found is None else split_name(found["qualifiedName"])[1:]


def test_links_follow_the_references_of_the_kinds(
    extracted: tuple[Storage, dict[str, Any]],
) -> None:
    """Foreign keys, sequences, triggers and views point to what they are about, others nowhere."""
    constraints = entities(*extracted, "constraints")
    foreign = by_name(constraints, "sales", "customer", "customer_region_id_fkey")
    assert target(foreign, "table") == ["sales", "customer"]
    assert target(foreign, "referencedTable") == ["sales", "region"]
    primary = by_name(constraints, "sales", "customer", "customer_pkey")
    assert target(primary, "referencedTable") is None
    sequences = entities(*extracted, "sequences")
    owned = by_name(sequences, "inventory", "category_category_id_seq")
    assert target(owned, "ownedBy") == ["inventory", "category"]
    assert target(by_name(sequences, "inventory", "barcode"), "ownedBy") is None
    trigger = by_name(entities(*extracted, "triggers"), "sales", "customer", "keep_changes")
    function = trigger["relationshipAttributes"]["function"]
    assert function["typeName"] == "Routine"
    assert split_name(function["qualifiedName"])[-1].endswith("()")
    reads = [
        (target(one, "table"), target(one, "source"))
        for one in entities(*extracted, "view_dependencies")
    ]
    assert (["analytics", "best_customers"], ["analytics", "customer_orders"]) in reads


def test_lists_are_lists(extracted: tuple[Storage, dict[str, Any]]) -> None:
    """Labels and columns are arrays in JSON lines and in Parquet, in the server's order."""
    storage, manifest = extracted
    types = entities(storage, manifest, "types")
    labels = by_name(types, "sales", "order_status")["attributes"]["labels"]
    assert labels == ["new", "paid", "shipped", "returned", "can't deliver"]
    assert by_name(types, "hr", "address")["attributes"]["labels"] is None
    (key,) = [
        part["key"]
        for part in scope_of(manifest, "types")["assets"]["parts"]
        if part["key"].endswith(".parquet")
    ]
    attributes = pq.read_schema(pa.BufferReader(storage.get(key))).field("attributes").type
    assert pa.types.is_large_list(attributes.field("labels").type)


def test_a_list_that_is_none_is_named(sample_url: str, storage: Storage) -> None:
    """A statement of one's own that returns no JSON array is told so."""
    statement = """SELECT current_database() AS database_name, 's' AS schema_name,
        't' AS type_name, 'a, b' AS labels"""
    extraction = extraction_of(sample_url, storage, statements={"types": statement})
    with pytest.raises(ConfigurationError, match="a value of labels cannot be read"):
        extraction.transform(extraction.fetch("types"))


def test_the_guid_is_the_uuid5_of_the_name(extracted: tuple[Storage, dict[str, Any]]) -> None:
    """Whoever knows the qualified name can compute the guid with the standard library."""
    for one in entities(*extracted, "columns"):
        assert one["guid"] == str(uuid.uuid5(GUID_NAMESPACE, one["qualifiedName"]))
        assert one["runId"] == "run-1"


def test_parquet_and_json_lines_hold_the_same_entities(
    extracted: tuple[Storage, dict[str, Any]],
) -> None:
    """Both files of a part have equal rows, in equal order."""
    storage, manifest = extracted
    for kind in KINDS:
        parts = scope_of(manifest, kind)["assets"]["parts"]
        (key,) = [part["key"] for part in parts if part["key"].endswith(".parquet")]
        table = pq.read_table(pa.BufferReader(storage.get(key)))
        assert table.to_pylist() == entities(storage, manifest, kind)


def test_the_content_hash_follows_content_only(database_url: str, storage: Storage) -> None:
    """A new run, a new object id or new rows change no hash; a changed column changes its own."""
    run(database_url, "CREATE TABLE t (a integer, b text)")

    def hashes(run_id: str) -> dict[str, str]:
        manifest = extract(extraction_of(database_url, storage, run_id))[1]
        kinds = ("tables", "columns")
        found = [one for kind in kinds for one in entities(storage, manifest, kind)]
        return {split_name(one["qualifiedName"])[-1]: one["contentHash"] for one in found}

    first = hashes("one")
    run(database_url, "DROP TABLE t; CREATE TABLE t (a integer, b text); INSERT INTO t VALUES (1)")
    assert hashes("two") == first
    run(database_url, "ALTER TABLE t ALTER b SET DEFAULT 'x'")
    third = hashes("three")
    assert {name for name in first if first[name] != third[name]} == {"b"}


def test_first_seen_outlives_runs(database_url: str, storage: Storage) -> None:
    """What was there keeps its first time, what is new begins now, what came back begins anew."""
    run(database_url, "CREATE TABLE stays (a integer)", "CREATE TABLE goes (a integer)")

    def times(run_id: str) -> dict[str, tuple[str, str]]:
        manifest = extract(extraction_of(database_url, storage, run_id))[1]
        return {
            one["attributes"]["name"]: (one["firstSeen"], one["lastSeen"])
            for one in entities(storage, manifest, "tables")
        }

    first = times("one")
    assert {one[0] for one in first.values()} == {one[1] for one in first.values()}
    run(database_url, "DROP TABLE goes", "CREATE TABLE comes (a integer)")
    second = times("two")
    assert second["stays"][0] == first["stays"][0] < second["stays"][1]
    assert second["comes"][0] == second["comes"][1]
    run(database_url, "CREATE TABLE goes (a integer)")
    third = times("three")
    assert third["stays"][0] == first["stays"][0]
    assert third["comes"][0] == second["comes"][0]
    assert third["goes"][0] == third["goes"][1]


def test_large_objects_become_entities(database_url: str, storage: Storage) -> None:
    """A 10 MB comment and a table of 1,600 columns arrive whole."""
    size = 10_000_000
    columns = ", ".join(f"column_{number} integer" for number in range(1600))
    run(
        database_url,
        f"CREATE TABLE wide ({columns})",
        f"DO $$ BEGIN EXECUTE 'COMMENT ON TABLE wide IS '"
        f" || quote_literal(repeat(E'x,\"\\n', {size // 4})); END $$",
    )
    manifest = extract(extraction_of(database_url, storage))[1]
    (table,) = entities(storage, manifest, "tables")
    assert table["attributes"]["description"] == 'x,"\n' * (size // 4)
    found = entities(storage, manifest, "columns")
    assert [one["attributes"]["ordinalPosition"] for one in found] == list(range(1, 1601))


def test_openlineage_events_are_part_of_the_run(sample_url: str, storage: Storage) -> None:
    """Asked for, they lie beside the assets, and the manifest lists them."""
    extraction = extraction_of(sample_url, storage, options={"openlineage": True})
    reference, manifest = extract(extraction)
    (part,) = manifest["exports"]
    assert part["key"].startswith(f"{extraction.location.prefix}/exports/openlineage/")
    assert part["rows"] == scope_of(manifest, "tables")["written"]
    assert verify_manifest(storage, reference.key) == []
    assert extract(extraction_of(sample_url, storage, "plain"))[1]["exports"] == []
