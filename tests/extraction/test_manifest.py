"""Keys, the manifest, and what its check finds."""

from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest

from flowkeep.errors import ConfigurationError, Incomplete, InvalidInput, NotFound
from flowkeep.extraction.metadata.extraction import MetadataExtraction
from flowkeep.extraction.metadata.keys import RunLocation, database_hash
from flowkeep.extraction.metadata.kinds import KINDS
from flowkeep.extraction.metadata.transform import Transformer
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.storage import Storage
from flowkeep.storage.names import safe_segment
from tests.extraction.support import entities, extract, extraction_of, run


@pytest.mark.parametrize(
    ("name", "segment"),
    [
        ("default", "default"),
        ("Tenant-1_a.b", "Tenant-1_a.b"),
        ("a/b", "a=2Fb"),
        ("..", "=2E=2E"),
        (".", "=2E"),
        ("", "=00"),
        ("a=b", "a=3Db"),
        ("ü", "=C3=BC"),
        ("a b\n", "a=20b=0A"),
        ("%2F~#?", "=252F=7E=23=3F"),
    ],
)
def test_names_become_safe_folders(name: str, segment: str) -> None:
    """No name leaves its folder, and no two names share one."""
    assert safe_segment(name) == segment


def test_long_names_stay_apart() -> None:
    """A name that is cut ends in its hash."""
    one, other = safe_segment("x" * 500), safe_segment("x" * 499 + "y")
    assert one != other
    assert len(one) == len(other) == 120


def test_keys_are_made_of_names_only() -> None:
    """The layout of the files is the documented one."""
    location = RunLocation("my tenant", None, "Flow", "0197", root="/all runs/")
    assert location.manifest == "all runs/my=20tenant/default/Flow/0197/manifest.json"
    assert location.part("assets", "columns", "Db", 7, "jsonl.zst") == (
        "all runs/my=20tenant/default/Flow/0197/assets/columns/"
        f"{database_hash('Db')}/part-00007.jsonl.zst"
    )
    assert database_hash("db") != database_hash("Db")


def test_two_runs_differ_only_in_run_id_times_and_snapshot(
    sample_url: str, storage: Storage
) -> None:
    """Everything else in the manifest, hashes of raw files included, is equal."""

    def neutral(run_id: str) -> Any:
        _, manifest = extract(extraction_of(sample_url, storage, run_id))
        for scope in manifest["scopes"]:
            assert scope.pop("snapshot")
            assert scope.pop("taken_at")
            assert scope.pop("taken_until") is None
            for part in scope["assets"]["parts"]:  # entities name their run, so the file differs
                assert part.pop("sha256")
                assert part.pop("bytes")
            diff = scope.pop("diff")
            assert (diff["added"], diff["changed"], diff["removed"]) in [(None,) * 3, (0, 0, 0)]
        assert manifest.pop("created_at")
        assert manifest.pop("inputs")
        manifest.pop("diff")
        return orjson.loads(orjson.dumps(manifest).replace(run_id.encode(), b"RUN"))

    assert neutral("run-one") == neutral("run-two")


def test_the_manifest_says_what_was_read(sample_url: str, storage: Storage) -> None:
    """Schema, run, source, filters and one scope per kind, complete."""
    reference, manifest = extract(extraction_of(sample_url, storage))
    assert manifest["schema"] == 1
    assert manifest["run_id"] == "run-1"
    assert manifest["source"]["database"] == "extraction_sample"
    assert manifest["filters"] == {
        "include_schemas": [],
        "exclude_schemas": [],
        "rules": [],
        "include_system_schemas": False,
        "exclude_views": False,
        "exclude_empty_tables": False,
    }
    assert [scope["kind"] for scope in manifest["scopes"]] == list(KINDS)
    assert manifest["not_applicable"] == {}
    assert manifest["warnings"] == []
    assert {scope["role"] for scope in manifest["scopes"]} == {manifest["source"]["role"]}
    assert {scope["status"] for scope in manifest["scopes"]} == {"complete"}
    assert manifest["diff"] is None
    assert reference.sha256 == storage.sha256(reference.key)
    listed = {
        part["key"]
        for scope in manifest["scopes"]
        for part in (*scope["parts"], *scope["assets"]["parts"])
    }
    runs = {stored.key for stored in storage.list() if "/baselines/" not in stored.key}
    assert runs == listed | {reference.key}
    assert reference.parts == len(listed)


def damage(path: Path, how: str) -> None:
    """Change a file."""
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


@pytest.mark.parametrize("how", ["gone", "cut", "flipped"])
@pytest.mark.parametrize(
    "suffix", ["raw/*/*/*.parquet", "assets/*/*/*.zst", "assets/*/*/*.parquet"]
)
def test_every_damaged_file_is_found(
    sample_url: str, storage: Storage, suffix: str, how: str
) -> None:
    """A missing, cut or changed file is named by the check."""
    reference, _ = extract(extraction_of(sample_url, storage))
    folder = storage.local_path(reference.key.rpartition("/")[0])
    assert folder is not None
    path = sorted(folder.glob(suffix))[0]
    damage(path, how)
    (problem,) = [one for one in verify_manifest(storage, reference.key) if path.name in one]
    assert path.parent.parent.name in problem


def test_counts_that_do_not_add_up_are_found(sample_url: str, storage: Storage) -> None:
    """A manifest that was altered does not pass."""
    reference, manifest = extract(extraction_of(sample_url, storage))
    manifest["scopes"][2]["planned"] += 1
    storage.put(reference.key, orjson.dumps(manifest))
    (problem,) = verify_manifest(storage, reference.key)
    assert problem.startswith("tables of extraction_sample: planned")


def test_without_a_manifest_nothing_is_complete(storage: Storage) -> None:
    """A run that has not finished has no manifest to check."""
    with pytest.raises(NotFound):
        verify_manifest(storage, "tenant/app/Flow/run-1/manifest.json")


def test_a_part_that_somebody_wrote_again_keeps_the_manifest_away(
    sample_url: str, storage: Storage
) -> None:
    """What lies in storage must be what was counted, or no manifest is written."""
    extraction = extraction_of(sample_url, storage)
    fetched = [extraction.fetch("schemas")]
    part = fetched[0].scopes[0].parts[0]
    storage.put(part.key, storage.get(part.key))
    with pytest.raises(Incomplete, match="written again"):
        extraction.finish(fetched, [])
    storage.delete(part.key)
    with pytest.raises(Incomplete, match="has gone"):
        extraction.finish(fetched, [])
    assert not storage.exists(extraction.location.manifest)


def test_a_new_fetch_takes_the_manifest_back(sample_url: str, storage: Storage) -> None:
    """While files of a run are written again, its manifest is away."""
    extraction = extraction_of(sample_url, storage)
    reference, _ = extract(extraction)
    extraction.fetch("schemas")
    assert not storage.exists(reference.key)


def test_kinds_that_were_not_transformed_have_no_assets(sample_url: str, storage: Storage) -> None:
    """Raw files alone are a complete result too."""
    extraction = extraction_of(sample_url, storage)
    reference = extraction.finish([extraction.fetch("tables")], [])
    content = orjson.loads(storage.get(reference.key))
    assert content["scopes"][0]["assets"] is None
    assert verify_manifest(storage, reference.key) == []


class Loses(Transformer):
    """Leaves out an entity."""

    def entities(self, kind: Any, rows: Any) -> Any:
        return super().entities(kind, rows).head(rows.height - 1)


class Renames(Transformer):
    """Calls tables something else and adds a fact."""

    type_names: ClassVar = {**Transformer.type_names, "columns": "Feld"}

    def entities(self, kind: Any, rows: Any) -> Any:
        import polars as pl

        return super().entities(kind, rows.with_columns(pl.lit("x").alias("added_fact")))


def test_a_transformer_that_loses_a_row_fails_the_run(sample_url: str, storage: Storage) -> None:
    """Count in is count out, whoever transforms."""
    extraction = extraction_of(sample_url, storage, transformer_class=Loses)
    with pytest.raises(Incomplete, match="rows were fetched"):
        extraction.transform(extraction.fetch("tables"))


def test_a_transformer_can_be_customised(sample_url: str, storage: Storage) -> None:
    """Type names and attributes of an own transformer arrive in the files."""
    _, manifest = extract(extraction_of(sample_url, storage, transformer_class=Renames))
    found = entities(storage, manifest, "columns")
    assert {one["typeName"] for one in found} == {"Feld"}
    assert {one["attributes"]["addedFact"] for one in found} == {"x"}


def test_columns_of_an_own_statement_become_attributes(sample_url: str, storage: Storage) -> None:
    """Additional columns are carried along, missing ones are simply not there."""
    statement = """SELECT current_database() AS database_name, nspname AS schema_name,
        nspacl::text AS access_list, oid::integer % 2 = 0 AS is_even FROM pg_namespace"""
    extraction = extraction_of(sample_url, storage, statements={"schemas": statement})
    fetched = extraction.fetch("schemas")
    reference = extraction.finish([fetched], [extraction.transform(fetched)])
    found = entities(storage, orjson.loads(storage.get(reference.key)), "schemas")
    assert set(found[0]["attributes"]) == {"databaseName", "name", "accessList", "isEven"}
    assert {type(one["attributes"]["isEven"]) for one in found} == {bool}


def test_two_columns_for_one_attribute_are_refused(sample_url: str, storage: Storage) -> None:
    """An alias that collides with an attribute is named."""
    statement = """SELECT current_database() AS database_name, nspname AS schema_name,
        1 AS name FROM pg_namespace"""
    extraction = extraction_of(sample_url, storage, statements={"schemas": statement})
    with pytest.raises(ConfigurationError, match="schema_name and name both become"):
        extraction.transform(extraction.fetch("schemas"))


def test_a_namespace_of_one_s_own_replaces_the_host(sample_url: str, storage: Storage) -> None:
    """Qualified names can survive a move to another host."""
    options = {"namespace": "warehouse"}
    _, manifest = extract(extraction_of(sample_url, storage, options=options))
    names = {one["qualifiedName"] for one in entities(storage, manifest, "schemas")}
    assert "warehouse/extraction_sample.odd%2Enames" in names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "must be a mapping"),
        ({"include-filters": "{}"}, r"metadata.include-filters: .*metadata takes databases, "),
        ({"include_schemas": "sales"}, "metadata.include_schemas"),
        ({"include_schemas": [""]}, "a name is empty"),
        ({"databases": ["a\x00"]}, "NUL"),
        ({"statement_timeout_seconds": 0}, "metadata.statement_timeout_seconds"),
    ],
)
def test_options_that_do_not_fit_are_named(options: Any, message: str) -> None:
    """A filter is never ignored because it could not be read."""
    with pytest.raises(InvalidInput, match=message):
        ExtractionOptions.read(options)


def test_an_unknown_kind_is_named(sample_url: str, storage: Storage) -> None:
    """The kinds that exist are listed."""
    extraction = extraction_of(sample_url, storage)
    with pytest.raises(InvalidInput, match=r"'flags'.*databases, schemas, tables"):
        extraction.fetch("flags")


def test_progress_only_grows(sample_url: str, database_url: str, storage: Storage) -> None:
    """Rows and bytes are sums over all databases and end at the result's."""
    run(database_url, "CREATE TABLE t (a integer)")
    seen: list[tuple[int, int]] = []
    options = {"databases": ["extraction_sample", database_url.rsplit("/", 1)[1]]}
    extraction: MetadataExtraction = extraction_of(
        sample_url,
        storage,
        options=options,
        progress=lambda now: seen.append((now["rows"], now["bytes"])),
    )
    fetched = extraction.fetch("columns")
    assert seen == sorted(seen)
    assert seen[-1][0] == fetched.rows
    seen.clear()
    extraction.transform(fetched)
    assert seen[-1][0] == fetched.rows
