"""What a run says of the difference to the run before, and what it does not dare to say."""

import threading
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from flowkeep.contracts.extraction import FetchResult, ManifestRef
from flowkeep.errors import Incomplete
from flowkeep.extraction.metadata.changes import read_changes
from flowkeep.extraction.metadata.diff import diff_manifests
from flowkeep.extraction.metadata.extraction import MetadataExtraction
from flowkeep.extraction.metadata.kinds import KINDS
from flowkeep.extraction.metadata.manifest import read_manifest
from flowkeep.extraction.metadata.transform import Transformer
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.storage import Storage
from tests.extraction.support import extract, extraction_of, run, scope_of, with_

BASE = (
    "CREATE SCHEMA shop",
    "CREATE TABLE shop.a (x integer PRIMARY KEY, y text)",
    "CREATE TABLE shop.b (x integer REFERENCES shop.a, z text DEFAULT 'q')",
    "CREATE VIEW shop.v AS SELECT y FROM shop.a",
)


def changes_of(storage: Storage, reference: ManifestRef) -> set[tuple[str, str, str]]:
    """Kind, change and name behind the database, of all that differs."""
    rows = read_changes(storage, read_manifest(storage, reference.key))
    return {
        (row["kind"], row["change"], row["qualifiedName"].rpartition("/")[2].partition(".")[2])
        for row in rows
    }


def fetch_all(extraction: MetadataExtraction) -> list[FetchResult]:
    """Fetch every kind."""
    return [extraction.fetch(kind) for kind in KINDS]


def finish(extraction: MetadataExtraction, fetched: Sequence[FetchResult]) -> ManifestRef:
    """Transform and finish what was fetched."""
    return extraction.finish(fetched, [extraction.transform(one) for one in fetched])


def test_the_first_run_has_nothing_to_compare_with(database_url: str, storage: Storage) -> None:
    """No base is a reason, not a difference."""
    run(database_url, *BASE)
    reference, manifest = extract(extraction_of(database_url, storage))
    assert reference.diff is None
    assert manifest["diff"] is None
    assert {scope["diff"]["reason"] for scope in manifest["scopes"]} == {
        "there is no earlier complete run of this scope"
    }
    assert {scope["diff"]["removed"] for scope in manifest["scopes"]} == {None}


def test_an_unchanged_source_has_no_difference(database_url: str, storage: Storage) -> None:
    """Inserts and statistics are no change; every object is counted as unchanged."""
    run(database_url, *BASE)
    extract(extraction_of(database_url, storage, "run-1"))
    run(
        database_url,
        "INSERT INTO shop.a SELECT g, 'x' FROM generate_series(1, 5000) AS g",
        "ANALYZE",
        "VACUUM FULL shop.a",
    )
    reference, _ = extract(extraction_of(database_url, storage, "run-2"))
    assert reference.diff is not None
    assert reference.diff.base_run_id == "run-1"
    counts = reference.diff.model_dump()
    assert counts.pop("unchanged") == reference.rows
    assert {counts[name] for name in counts if name != "base_run_id"} == {0}
    assert changes_of(storage, reference) == set()
    assert verify_manifest(storage, reference.key) == []


def test_every_change_is_named(database_url: str, storage: Storage) -> None:
    """Added, changed and removed objects of all kinds, and nothing else."""
    run(database_url, *BASE)
    extract(extraction_of(database_url, storage, "run-1"))
    run(
        database_url,
        "DROP VIEW shop.v",
        "ALTER TABLE shop.b ALTER z SET DEFAULT 'r'",
        "CREATE SEQUENCE shop.s",
        "COMMENT ON TABLE shop.a IS 'new'",
    )
    reference, manifest = extract(extraction_of(database_url, storage, "run-2"))
    assert changes_of(storage, reference) == {
        ("tables", "removed", "shop.v"),
        ("columns", "removed", "shop.v.y"),
        ("view_dependencies", "removed", "shop.v#reads.shop.a"),
        ("columns", "changed", "shop.b.z"),
        ("sequences", "added", "shop.s"),
        ("tables", "changed", "shop.a"),
    }
    assert reference.diff is not None
    assert (reference.diff.added, reference.diff.changed, reference.diff.removed) == (1, 2, 3)
    rows = {row["change"]: row for row in read_changes(storage, manifest, "columns")}
    assert rows["changed"]["contentHashBefore"] != rows["changed"]["contentHashAfter"]
    assert rows["removed"]["contentHashAfter"] is None
    assert verify_manifest(storage, reference.key) == []


MANY = tuple(f"CREATE TABLE t{number} (a integer)" for number in range(20))
DROP_12 = tuple(f"DROP TABLE t{number}" for number in range(12))


def test_too_many_removals_are_withheld_until_somebody_agrees(
    database_url: str, storage: Storage
) -> None:
    """They are listed and warned about, the base stays, and the override reports them."""
    run(database_url, *MANY)
    extract(extraction_of(database_url, storage, "run-1"))
    run(database_url, *DROP_12)
    for run_id in ("run-2", "run-3"):
        reference, manifest = extract(extraction_of(database_url, storage, run_id))
        tables = scope_of(manifest, "tables")["diff"]
        assert (tables["base_run_id"], tables["removed"], tables["withheld"]) == ("run-1", None, 12)
        assert ("tables", "withheld", "public.t11") in changes_of(storage, reference)
        assert scope_of(manifest, "schemas")["diff"]["removed"] == 0
        (warning,) = [one for one in reference.warnings if one.startswith("tables of")]
        assert "12 of 20 objects seem to be gone" in warning
        assert "metadata.removal_threshold = 1.0" in warning
        assert verify_manifest(storage, reference.key) == []
    options = {"removal_threshold": 1.0}
    reference, manifest = extract(extraction_of(database_url, storage, "run-4", options=options))
    assert scope_of(manifest, "tables")["diff"]["removed"] == 12
    assert reference.warnings == []
    _, manifest = extract(extraction_of(database_url, storage, "run-5"))
    assert scope_of(manifest, "tables")["diff"]["base_run_id"] == "run-4"


def test_a_small_number_of_removals_is_believed(database_url: str, storage: Storage) -> None:
    """A share alone withholds nothing: half of four tables is two."""
    run(database_url, *MANY[:4])
    extract(extraction_of(database_url, storage, "run-1"))
    run(database_url, *DROP_12[:3])
    _, manifest = extract(extraction_of(database_url, storage, "run-2"))
    assert scope_of(manifest, "tables")["diff"]["removed"] == 3


def test_another_role_proves_no_removal(database_url: str, storage: Storage) -> None:
    """Removals are unknown then, never zero; the same role later compares with itself."""
    run(database_url, *BASE)
    database = database_url.rsplit("/", 1)[1]
    role = f"reader_{database}"
    run(database_url, f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    try:
        other = with_(database_url, user=role, password="secret")
        extract(extraction_of(database_url, storage, "run-1"))
        run(database_url, "DROP VIEW shop.v", "CREATE TABLE shop.c (a integer)")
        reference, manifest = extract(
            extraction_of(other, storage, "run-2", options={"namespace": "ns"})
        )
        assert reference.diff is None  # another namespace is another scope
        reference, manifest = extract(extraction_of(other, storage, "run-3"))
        tables = scope_of(manifest, "tables")["diff"]
        assert (tables["removed"], tables["added"]) == (None, 1)
        assert f"another role: {manifest['source']['role']}" not in tables["reason"]
        assert "read by another role" in tables["reason"]
        assert reference.diff is not None
        assert reference.diff.unknown == len(KINDS)
        assert ("tables", "removed", "shop.v") not in changes_of(storage, reference)
        assert any("nobody knows what was removed" in one for one in reference.warnings)
        assert verify_manifest(storage, reference.key) == []
        reference, _ = extract(extraction_of(database_url, storage, "run-4"))
        assert reference.diff is not None
        assert reference.diff.base_run_id == "run-1"
        assert ("tables", "removed", "shop.v") in changes_of(storage, reference)
    finally:
        run(database_url, f"DROP ROLE {role}")


def test_sql_of_one_s_own_proves_removals_only_against_itself(
    database_url: str, storage: Storage
) -> None:
    """What another statement does not return is not gone."""
    run(database_url, *BASE)
    text = """SELECT current_database() AS database_name, 'x' AS schema_name,
        relname AS table_name FROM pg_class WHERE relname IN ({})"""

    def tables(run_id: str, names: str) -> dict[str, Any]:
        statements = {"tables": text.format(names)}
        extraction = extraction_of(database_url, storage, run_id, statements=statements)
        reference = finish(extraction, [extraction.fetch("tables")])
        scope = scope_of(read_manifest(storage, reference.key), "tables")
        diff: dict[str, Any] = scope["diff"]
        return diff

    tables("run-1", "'a', 'b'")
    changed = tables("run-2", "'a'")
    assert changed["removed"] is None
    assert "SQL of this kind" in changed["reason"]
    run(database_url, "DROP TABLE shop.b")
    assert tables("run-3", "'a'")["removed"] == 0


def test_a_scope_that_is_not_complete_proves_nothing_and_moves_nothing(
    database_url: str, storage: Storage
) -> None:
    """It is listed with its reason and warned about; the next run compares with the one before."""
    run(database_url, *BASE)
    extract(extraction_of(database_url, storage, "run-1"))
    run(database_url, "DROP VIEW shop.v", "CREATE TABLE shop.c (a integer)")
    extraction = extraction_of(database_url, storage, "run-2")
    fetched = fetch_all(extraction)
    broken: dict[str, Any] = {
        "tables": {"status": "partial", "reason": "half of it"},
        "types": {"status": "denied", "reason": "no entry"},
    }
    fetched = [
        FetchResult.of(one.kind, [one.scopes[0].model_copy(update=broken.get(one.kind, {}))])
        for one in fetched
    ]
    report = extraction.orphans(fetched)
    assert report.findings == []
    reference = finish(extraction, fetched)
    manifest = read_manifest(storage, reference.key)
    tables, types = (scope_of(manifest, kind)["diff"] for kind in ("tables", "types"))
    assert (tables["added"], tables["removed"]) == (1, None)
    assert tables["reason"] == "this run's scope is partial: half of it"
    assert (types["base_run_id"], types["removed"]) == (None, None)
    database = database_url.rsplit("/", 1)[1]
    assert f"tables of {database}: partial: half of it" in reference.warnings
    assert f"types of {database}: denied: no entry" in reference.warnings
    assert verify_manifest(storage, reference.key) == []
    _, manifest = extract(extraction_of(database_url, storage, "run-3"))
    tables, columns = (scope_of(manifest, kind)["diff"] for kind in ("tables", "columns"))
    assert (tables["base_run_id"], tables["removed"], tables["added"]) == ("run-1", 1, 1)
    assert (columns["base_run_id"], columns["removed"]) == ("run-2", 0)


def test_children_of_an_incomplete_kind_are_reported_not_failed(
    database_url: str, storage: Storage
) -> None:
    """Columns without their table are no reason to fail when tables are known to be missing."""
    run(database_url, "CREATE TABLE t (a integer)")
    extraction = extraction_of(database_url, storage)
    tables = extraction.fetch("tables")
    run(database_url, "CREATE TABLE late (a integer)")
    columns = extraction.fetch("columns")
    partial = {"status": "partial", "reason": "stopped"}
    tables = FetchResult.of("tables", [tables.scopes[0].model_copy(update=partial)])
    report = extraction.orphans([tables, columns])
    assert report.refetch == report.findings == []
    (one,) = report.unresolved
    assert (one.kind, one.reference, one.examples) == ("columns", "parent", ["public.late"])


def test_finishing_again_changes_nothing(database_url: str, storage: Storage) -> None:
    """A retry after the manifest was written returns the same reference and keeps the base."""
    run(database_url, *BASE)
    extract(extraction_of(database_url, storage, "run-1"))
    run(database_url, "CREATE TABLE shop.c (a integer)")
    extraction = extraction_of(database_url, storage, "run-2")
    fetched = fetch_all(extraction)
    made = [extraction.transform(one) for one in fetched]
    first = extraction.finish(fetched, made)
    for entry in list(storage.list("tenant/app/Flow/baselines")):
        if "run-2" in entry.key:
            storage.delete(entry.key)  # as if the attempt had been killed right then
    assert extraction.finish(fetched, made) == first
    assert first.diff is not None
    assert first.diff.base_run_id == "run-1"
    reference, _ = extract(extraction_of(database_url, storage, "run-3"))
    assert reference.diff is not None
    assert reference.diff.base_run_id == "run-2"


def test_an_older_snapshot_that_ends_later_is_no_base(database_url: str, storage: Storage) -> None:
    """Of two runs at once each is compared with what lies before it."""
    run(database_url, *BASE)
    extract(extraction_of(database_url, storage, "run-1"))
    slow = extraction_of(database_url, storage, "run-2")
    fetched = fetch_all(slow)
    run(database_url, "CREATE TABLE shop.c (a integer)")
    reference, _ = extract(extraction_of(database_url, storage, "run-3"))
    assert ("tables", "added", "shop.c") in changes_of(storage, reference)
    late = finish(slow, fetched)
    assert late.diff is not None
    assert (late.diff.base_run_id, late.diff.removed, late.diff.added) == ("run-1", 0, 0)
    reference, _ = extract(extraction_of(database_url, storage, "run-4"))
    assert reference.diff is not None
    assert reference.diff.base_run_id == "run-3"
    assert reference.diff.added == reference.diff.removed == 0


def test_runs_that_end_together_leave_both_their_mark(database_url: str, storage: Storage) -> None:
    """Four runs that finish in the same moment: the next one finds the newest of them."""
    run(database_url, *BASE)
    extract(extraction_of(database_url, storage, "run-0"))
    jobs = [extraction_of(database_url, storage, f"run-{number}") for number in range(1, 5)]
    fetched = [fetch_all(job) for job in jobs]
    made = [[job.transform(one) for one in found] for job, found in zip(jobs, fetched, strict=True)]
    gate, ended = threading.Barrier(len(jobs)), []

    def end(number: int) -> None:
        gate.wait()
        ended.append(jobs[number].finish(fetched[number], made[number]))

    threads = [threading.Thread(target=end, args=(number,)) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ended) == len(jobs)
    for reference in ended:
        assert reference.diff is not None
        assert reference.diff.unchanged == reference.rows
    reference, _ = extract(extraction_of(database_url, storage, "run-5"))
    assert reference.diff is not None
    assert reference.diff.base_run_id == "run-4"


def test_a_base_that_was_deleted_gives_way_to_the_one_before(
    database_url: str, storage: Storage
) -> None:
    """A run without its manifest, or without its files, is nothing to compare with."""
    run(database_url, *BASE)
    extract(extraction_of(database_url, storage, "run-1"))
    middle, _ = extract(extraction_of(database_url, storage, "run-2"))
    last, manifest = extract(extraction_of(database_url, storage, "run-3"))
    storage.delete(middle.key)
    storage.delete(scope_of(manifest, "tables")["assets"]["parts"][1]["key"])
    run(database_url, "CREATE TABLE shop.c (a integer)")
    _, manifest = extract(extraction_of(database_url, storage, "run-4"))
    tables, columns = (scope_of(manifest, kind)["diff"] for kind in ("tables", "columns"))
    assert (tables["base_run_id"], tables["added"]) == ("run-1", 1)
    assert columns["base_run_id"] == "run-1"
    assert last.diff is not None
    assert last.diff.base_run_id == "run-2"


def test_a_run_that_is_repeated_is_no_base_meanwhile(database_url: str, storage: Storage) -> None:
    """From the first fetch of a reset run until its end others look further back."""
    run(database_url, *BASE)
    extract(extraction_of(database_url, storage, "run-1"))
    repeated = extraction_of(database_url, storage, "run-2")
    extract(repeated)
    fetched = fetch_all(repeated)
    reference, _ = extract(extraction_of(database_url, storage, "run-3"))
    assert reference.diff is not None
    assert reference.diff.base_run_id == "run-1"
    assert finish(repeated, fetched).diff is not None


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"schema": 1, "scopes": []}', b'{"schema": 1}'])
def test_a_baseline_that_cannot_be_read_is_warned_about(
    database_url: str, storage: Storage, content: bytes
) -> None:
    """The run behind it is left out; nothing is reported as removed because of it."""
    run(database_url, *BASE)
    extract(extraction_of(database_url, storage, "run-1"))
    (entry,) = storage.list("tenant/app/Flow/baselines")
    storage.put(entry.key, content)
    run(database_url, "DROP VIEW shop.v")
    reference, _ = extract(extraction_of(database_url, storage, "run-2"))
    assert reference.diff is None
    (warning,) = reference.warnings
    assert warning.startswith(f"{entry.key} cannot be read")


def test_only_the_newest_runs_stay_in_the_baseline(database_url: str, storage: Storage) -> None:
    """The folder does not grow with the number of runs."""
    run(database_url, "CREATE TABLE t (a integer)")
    for number in range(9):
        extraction = extraction_of(database_url, storage, f"run-{number}")
        finish(extraction, [extraction.fetch("tables")])
    kept = sorted(entry.key[-10:] for entry in storage.list("tenant/app/Flow/baselines"))
    assert kept == [f"run-{number}.json" for number in range(4, 9)]


def test_a_database_that_is_gone_is_warned_about(database_url: str, storage: Storage) -> None:
    """Nothing of it is reported as removed, because nobody looked into it."""
    run(database_url, "CREATE TABLE t (a integer)")
    name = database_url.rsplit("/", 1)[1]
    other = f"{name}_b"
    run(database_url, f"CREATE DATABASE {other}")
    options = {"filters": [f"include database regex {name}.*"]}
    try:
        _, manifest = extract(extraction_of(database_url, storage, "run-1", options=options))
        assert {scope["database"] for scope in manifest["scopes"]} == {name, other}
    finally:
        run(database_url, f"DROP DATABASE {other} WITH (FORCE)")
    reference, _ = extract(extraction_of(database_url, storage, "run-2", options=options))
    assert reference.diff is not None
    assert reference.diff.removed == 0
    (warning,) = reference.warnings
    assert warning.startswith(f"database {other} was in the last run")


def test_any_two_runs_can_be_compared(database_url: str, storage: Storage) -> None:
    """Both ways round, with names, from the files alone."""
    run(database_url, *BASE)
    first, _ = extract(extraction_of(database_url, storage, "run-1"))
    run(database_url, "DROP VIEW shop.v", "CREATE TABLE shop.c (a integer)")
    second, _ = extract(extraction_of(database_url, storage, "run-2"))
    there = diff_manifests(storage, first.key, second.key)
    back = diff_manifests(storage, second.key, first.key)
    assert there.total == second.diff
    assert there.total is not None
    assert back.total is not None
    assert (there.total.added, there.total.removed) == (2, 3)
    assert (back.total.added, back.total.removed) == (3, 2)
    inverse = {"added": "removed", "removed": "added", "changed": "changed"}
    named = {(inverse[row["change"]], row["guid"]) for row in there.changes()}
    assert named == {(row["change"], row["guid"]) for row in back.changes()}
    listed = read_changes(storage, read_manifest(storage, second.key), "tables")
    assert sorted(there.changes("tables"), key=str) == sorted(listed, key=str)


def test_runs_of_other_scopes_are_not_compared(database_url: str, storage: Storage) -> None:
    """Another namespace, other filters or another schema of entities: a reason, no difference."""
    run(database_url, *BASE)
    first, manifest = extract(extraction_of(database_url, storage, "run-1"))
    renamed, _ = extract(
        extraction_of(database_url, storage, "run-2", options={"namespace": "other"})
    )
    filtered, _ = extract(
        extraction_of(database_url, storage, "run-3", options={"include_schemas": ["shop"]})
    )
    assert renamed.diff is filtered.diff is None
    for other, reason in ((renamed, "namespaces"), (filtered, "filters")):
        report = diff_manifests(storage, first.key, other.key)
        assert report.total is None
        assert all(reason in str(scope.diff.reason) for scope in report.scopes)
    manifest["entity_schema"] = 1
    storage.put(first.key, orjson.dumps(manifest))
    again, _ = extract(extraction_of(database_url, storage, "run-4"))
    report = diff_manifests(storage, first.key, again.key)
    assert {scope.diff.reason for scope in report.scopes} == {
        "the entities have different schemas: version 1 and 2"
    }


def test_kinds_without_entities_are_not_compared(database_url: str, storage: Storage) -> None:
    """What was only fetched is neither compared nor a base."""
    run(database_url, *BASE)
    for run_id in ("run-1", "run-2"):
        extraction = extraction_of(database_url, storage, run_id)
        reference = extraction.finish([extraction.fetch("tables")], [])
    assert reference.diff is None
    assert list(storage.list("tenant/app/Flow/baselines")) == []


class Mixes(Transformer):
    """Gives schemas and tables one name."""

    def entities(self, kind: Any, rows: Any) -> Any:
        import polars as pl

        found = super().entities(kind, rows)
        return found.with_columns(qualifiedName=pl.lit("same")) if rows.height == 1 else found


def test_two_kinds_with_one_name_fail_the_run(database_url: str, storage: Storage) -> None:
    """Names are unique over all kinds; the error says which kinds and which name."""
    run(database_url, "CREATE TABLE t (a integer, b integer)")
    extraction = extraction_of(database_url, storage, transformer_class=Mixes)
    with pytest.raises(Incomplete, match=r"same \(databases of .* and schemas of"):
        finish(extraction, fetch_all(extraction))
    assert not storage.exists(extraction.location.manifest)


@pytest.mark.parametrize("field", ["added", "changed", "unchanged", "removed"])
def test_counts_of_the_diff_that_are_wrong_are_found(
    database_url: str, storage: Storage, field: str
) -> None:
    """A manifest whose counts were altered does not pass."""
    run(database_url, *BASE)
    extract(extraction_of(database_url, storage, "run-1"))
    run(database_url, "DROP VIEW shop.v", "CREATE TABLE shop.c (a integer)")
    reference, manifest = extract(extraction_of(database_url, storage, "run-2"))
    scope_of(manifest, "tables")["diff"][field] += 1
    manifest["diff"][field] += 1
    storage.put(reference.key, orjson.dumps(manifest))
    problems = verify_manifest(storage, reference.key)
    assert problems
    assert all(f"are {field}" in one for one in problems)
