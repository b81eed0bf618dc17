"""OpenLineage events: what they say, and that OpenLineage's own classes read them."""

import json
from pathlib import Path
from typing import Any

import attr
import pytest
from openlineage.client import event_v2, facet_v2
from openlineage.client.generated.lineage import LineageDatasetFacet
from openlineage.client.serde import Serde

from flowkeep.contracts.extraction import FetchResult
from flowkeep.extraction.metadata import openlineage
from flowkeep.extraction.metadata.names import Naming
from flowkeep.extraction.metadata.openlineage import Changes, export_openlineage
from flowkeep.storage import Storage
from tests.extraction.support import extraction_of, lines, query, run

KINDS = ("tables", "columns", "view_dependencies")
FACETS: dict[str, Any] = {
    "schema": facet_v2.schema_dataset.SchemaDatasetFacet,
    "documentation": facet_v2.documentation_dataset.DocumentationDatasetFacet,
    "ownership": facet_v2.ownership_dataset.OwnershipDatasetFacet,
    "datasetType": facet_v2.dataset_type_dataset.DatasetTypeDatasetFacet,
    "hierarchy": facet_v2.hierarchy_dataset.HierarchyDatasetFacet,
    "symlinks": facet_v2.symlinks_dataset.SymlinksDatasetFacet,
    "lineage": LineageDatasetFacet,
    "lifecycleStateChange": (
        facet_v2.lifecycle_state_change_dataset.LifecycleStateChangeDatasetFacet
    ),
}


def export(
    url: str,
    storage: Storage,
    *,
    kinds: tuple[str, ...] = KINDS,
    namespace: str | None = None,
    changes: Changes | None = None,
) -> dict[str, dict[str, Any]]:
    """The events of a database by dataset name."""
    extraction = extraction_of(url, storage)
    fetched = [extraction.fetch(kind) for kind in kinds]
    naming = Naming(namespace or extraction.source.namespace)
    parts = export_openlineage(storage, extraction.location, fetched, naming, changes=changes)
    events = [json.loads(line) for part in parts for line in lines(storage, part.key)]
    assert len(events) == sum(part.rows for part in parts)
    return {event["dataset"]["name"]: event for event in events}


@pytest.fixture(scope="module")
def events(sample_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The events of the sample database."""
    storage = Storage(tmp_path_factory.mktemp("storage").as_uri())
    return export(sample_url, storage, namespace="warehouse")


def facets(events: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    """The facets of a dataset of the sample."""
    found: dict[str, Any] = events[f"extraction_sample.{name}"]["dataset"]["facets"]
    return found


def read_facet(name: str, facet: dict[str, Any]) -> Any:
    """The facet as an object of OpenLineage's class, which checks what it is given."""
    values = {key: value for key, value in facet.items() if not key.startswith("_")}
    return FACETS[name](**values, producer=facet["_producer"])


def told(value: Any) -> Any:
    """What is said, without empty members, which the classes add."""
    if isinstance(value, dict):
        return {key: told(one) for key, one in value.items() if one not in ({}, [])}
    return [told(one) for one in value] if isinstance(value, list) else value


def test_the_client_s_classes_say_the_same(events: dict[str, dict[str, Any]]) -> None:
    """Each event, read into OpenLineage's classes and written by them, is what we wrote."""
    seen = set()
    for event in events.values():
        dataset = event["dataset"]
        read = event_v2.DatasetEvent(
            eventTime=event["eventTime"],
            producer=event["producer"],
            dataset=event_v2.StaticDataset(
                namespace=dataset["namespace"],
                name=dataset["name"],
                facets={name: read_facet(name, one) for name, one in dataset["facets"].items()},
            ),
        )
        assert told(Serde.to_dict(read)) == told(event)
        seen |= set(dataset["facets"])
    assert seen == set(FACETS) - {"lifecycleStateChange"}


def test_every_member_is_one_of_the_specification(events: dict[str, dict[str, Any]]) -> None:
    """Inside lists too, nothing is written that OpenLineage has no word for, and no null."""
    levels = {
        ("schema", "fields"): facet_v2.schema_dataset.SchemaDatasetFacetFields,
        ("ownership", "owners"): facet_v2.ownership_dataset.Owner,
        ("hierarchy", "hierarchy"): facet_v2.hierarchy_dataset.HierarchyDatasetFacetLevel,
        ("symlinks", "identifiers"): facet_v2.symlinks_dataset.Identifier,
    }
    for event in events.values():
        for (facet, member), kind in levels.items():
            for item in event["dataset"]["facets"].get(facet, {}).get(member, ()):
                assert set(item) <= {one.name for one in attr.fields(kind)}
                assert None not in item.values()
                kind(**item)


def test_every_table_and_view_is_a_dataset(
    sample_url: str, events: dict[str, dict[str, Any]]
) -> None:
    """Datasets are the server's tables and views, by their own names, each with its columns."""
    rows = query(
        sample_url,
        """SELECT current_database() || '.' || n.nspname || '.' || c.relname,
            array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attname IS NOT NULL)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
            AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        GROUP BY 1""",
    )
    found = {
        name: [field["name"] for field in event["dataset"]["facets"]["schema"]["fields"]] or None
        for name, event in events.items()
    }
    assert found == dict(rows)


def test_a_table_says_what_it_is(events: dict[str, dict[str, Any]]) -> None:
    """Types, comments, owner, place and the server's own address."""
    table = facets(events, "sales.customer")
    note = next(one for one in table["schema"]["fields"] if one["name"] == "note")
    assert note["type"] == "text"
    assert note["description"].startswith("Free text.\nSecond line")
    assert [one["ordinal_position"] for one in table["schema"]["fields"]] == list(
        range(1, len(table["schema"]["fields"]) + 1)
    )
    assert table["ownership"]["owners"][0]["name"].startswith("role:")
    assert [level["name"] for level in table["hierarchy"]["hierarchy"]] == [
        "extraction_sample",
        "sales",
        "customer",
    ]
    (address,) = table["symlinks"]["identifiers"]
    assert address["namespace"].startswith("postgres://")
    types = [
        (facets(events, name)["datasetType"]["datasetType"], facets(events, name)["datasetType"])
        for name in ("sales.orders", "analytics.best_customers", "analytics.daily_sales")
    ]
    assert [(kind, facet.get("subType")) for kind, facet in types] == [
        ("TABLE", "PARTITIONED"),
        ("VIEW", None),
        ("VIEW", "MATERIALIZED"),
    ]


def test_a_view_names_what_it_reads(sample_url: str, events: dict[str, dict[str, Any]]) -> None:
    """Inputs of views are those the server knows; tables have none."""
    rows = query(
        sample_url,
        """SELECT DISTINCT n.nspname || '.' || c.relname, rn.nspname || '.' || rc.relname
        FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> c.oid
        JOIN pg_class rc ON rc.oid = d.refobjid JOIN pg_namespace rn ON rn.oid = rc.relnamespace
        WHERE c.relkind IN ('v', 'm') AND rc.relkind <> 'S'
            AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'""",
    )
    found = {
        (name.removeprefix("extraction_sample."), one["name"].removeprefix("extraction_sample."))
        for name, event in events.items()
        for one in event["dataset"]["facets"].get("lineage", {}).get("inputs", ())
    }
    assert found == set(rows)
    assert len(found) > 3


def test_what_was_not_fetched_is_not_said(sample_url: str, storage: Storage) -> None:
    """Without columns there is no schema, instead of an empty one."""
    (event, *_) = export(sample_url, storage, kinds=("tables",)).values()
    assert "schema" not in event["dataset"]["facets"]
    assert "symlinks" not in event["dataset"]["facets"]


def test_a_table_without_columns_has_an_empty_schema(database_url: str, storage: Storage) -> None:
    """Where the columns are known, none is none."""
    run(database_url, "CREATE TABLE nothing ()")
    (event,) = export(database_url, storage).values()
    assert event["dataset"]["facets"]["schema"]["fields"] == []


def test_buckets_change_nothing(
    sample_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many small parts hold the same events as one; parts of an earlier export go."""
    storage = Storage(tmp_path.as_uri())
    monkeypatch.setattr(openlineage, "BUCKET_COLUMNS", 20)
    many = export(sample_url, storage)
    assert len(list(storage.list("tenant/app/Flow/run-1/exports"))) > 5
    monkeypatch.undo()
    one = export(sample_url, storage)
    assert len(list(storage.list("tenant/app/Flow/run-1/exports"))) == 1
    for event in (*many.values(), *one.values()):
        del event["eventTime"]
    assert many == one


def test_the_lifecycle_follows_the_diff(database_url: str, storage: Storage) -> None:
    """New, altered and dropped tables say so; a changed column alters its table."""
    import polars as pl

    run(
        database_url,
        "CREATE TABLE added (a integer)",
        "CREATE TABLE altered (a integer)",
        "CREATE TABLE same (a integer)",
    )
    source = extraction_of(database_url, storage).source
    base = f"{source.namespace}/{source.default_database}.public"

    def changes(kind: str, rows: list[tuple[str, str]]) -> list[str]:
        frame = pl.DataFrame(rows, schema=["change", "qualifiedName"], orient="row")
        path = Path(str(storage.local_path(f"{kind}.parquet")))
        path.parent.mkdir(exist_ok=True)
        frame.write_parquet(path)
        return [f"{kind}.parquet"]

    tables = [("added", f"{base}.added"), ("removed", f"{base}.go%2Ene"), ("withheld", f"{base}.x")]
    columns = [("added", f"{base}.added.a"), ("removed", f"{base}.altered.b")]
    found = export(
        database_url,
        storage,
        changes={
            ("tables", source.default_database): changes("tables", tables),
            ("columns", source.default_database): changes("columns", columns),
        },
    )
    states = {
        name.split(".", 2)[2]: event["dataset"]["facets"]
        .get("lifecycleStateChange", {})
        .get("lifecycleStateChange")
        for name, event in found.items()
    }
    assert states == {"added": "CREATE", "altered": "ALTER", "same": None, "go.ne": "DROP"}
    for event in found.values():
        for name, facet in event["dataset"]["facets"].items():
            if name == "lifecycleStateChange":
                read_facet(name, facet)


def test_no_tables_give_no_events(database_url: str, storage: Storage) -> None:
    """An empty database has no file instead of an empty one."""
    extraction = extraction_of(database_url, storage)
    fetched: list[FetchResult] = [extraction.fetch(kind) for kind in KINDS]
    naming = Naming(extraction.source.namespace)
    assert export_openlineage(storage, extraction.location, fetched, naming) == []
