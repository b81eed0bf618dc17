"""From a log to queries, usage and lineage, step by step."""

from pathlib import Path
from typing import Any

import pytest

from flowkeep.errors import Incomplete
from flowkeep.extraction.logs.plan_file import MarkEntry
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.storage import Storage
from tests.extraction.logs.support import (
    DAY,
    NOON,
    Runs,
    batch,
    entities_of,
    everything_stored,
    listed,
    rows_of,
    statement,
)

COPY = "INSERT INTO report (total, customer) SELECT o.amount * {0}, o.customer FROM orders o"
SELECT = "SELECT id FROM orders WHERE customer = '{0}'"


def shop() -> list[dict[str, Any]]:
    """Three shapes over two days and two users, one of them failing once."""
    return [
        statement(SELECT.format("anna"), duration=100, rows=1),
        statement(SELECT.format("bert"), duration=300, rows=2),
        statement(SELECT.format("bert"), at=NOON + DAY, user="bob", duration=50),
        statement(SELECT.format("bert"), calls=0, errors=1),
        statement(COPY.format(2), user="bob"),
        statement("SET search_path = 'somewhere'"),
        statement("SELECT FROM WHERE"),
        {"reason": "not_json", "at": NOON, "user": "ann"},
    ]


def test_queries_are_counted(tmp_path: Path, storage: Storage) -> None:
    """Each shape is one query with the sums of its executions; what failed is one too."""
    manifest = Runs(storage, listed(tmp_path / "log", shop(), 3)).run()
    queries = {
        (row["statement_kind"], row["reason"]): row for row in rows_of(storage, manifest, "queries")
    }
    select = queries["SELECT", None]
    assert (select["calls"], select["errors"], select["rows"]) == (3, 1, 3)
    assert (select["timed_calls"], select["duration_us"]) == (3, 450)
    assert (select["fastest_us"], select["slowest_us"]) == (50, 300)
    assert select["text"] == "SELECT id FROM orders WHERE customer = $1"
    assert select["users"] == '["ann","bob"]'
    assert select["tables_read"] == '["postgres://db:5432/shop.public.orders"]'
    assert select["first_run_at"] == "2024-10-04T12:00:00.000000Z"
    assert select["last_run_at"] == "2024-10-05T12:00:00.000000Z"
    assert queries["INSERT", None]["tables_written"] == '["postgres://db:5432/shop.public.report"]'
    assert queries["SET", None]["status"] == "utility"
    assert {reason for _, reason in queries} == {None, "syntax", "not_json"}
    assert queries["", "not_json"]["rejected"] == 1
    assert verify_manifest(storage, manifest_key(manifest)) == []


def manifest_key(manifest: dict[str, Any]) -> str:
    """Where a manifest lies."""
    names = (manifest["tenant"], manifest["app"], manifest["workflow_type"], manifest["run_id"])
    return "/".join(names) + "/manifest.json"


def test_windows_add_up(tmp_path: Path, storage: Storage) -> None:
    """The manifest has for each window what was planned, fetched, reduced, parsed and failed."""
    manifest = Runs(storage, listed(tmp_path / "log", shop(), 4)).run()
    names = (
        "planned",
        "fetched",
        "statements",
        "reduced",
        "parsed",
        "utility",
        "failed",
        "rejected",
    )
    assert [tuple(window[name] for name in names) for window in manifest["windows"]] == [
        (4, 4, 4, 4, 4, 0, 0, 0),
        (4, 4, 3, 3, 1, 1, 1, 1),
    ]
    logs = manifest["logs"]
    assert (logs["statements"], logs["rejected"], logs["failed"]) == (7, 1, 1)
    assert [(one["reason"], one["statements"], one["rejected"]) for one in logs["failures"]] == [
        ("not_json", 0, 1),
        ("syntax", 1, 0),
    ]
    assert "1 statements could not be parsed: syntax" in manifest["warnings"]


def test_usage_is_by_table_column_user_and_day(tmp_path: Path, storage: Storage) -> None:
    """Usage counts executions per table and column, user and day, apart for reads and writes."""
    manifest = Runs(storage, listed(tmp_path / "log", shop())).run()
    usage = {
        (row["table_name"], row["column_name"], row["user_name"], row["day"], row["access"]): row
        for row in rows_of(storage, manifest, "query_usage")
    }
    assert usage["orders", "", "ann", "2024-10-04", "read"]["calls"] == 2
    assert usage["orders", "", "ann", "2024-10-04", "read"]["errors"] == 1
    assert usage["orders", "customer", "bob", "2024-10-05", "read"]["calls"] == 1
    assert usage["orders", "customer", "bob", "2024-10-04", "read"]["calls"] == 1
    assert usage["report", "total", "bob", "2024-10-04", "write"]["calls"] == 1
    assert ("report", "", "ann", "2024-10-04", "write") not in usage
    assert all(row["schema_name"] == "public" for row in usage.values())


def test_lineage_names_its_evidence(tmp_path: Path, storage: Storage) -> None:
    """An edge goes from column to column and names the queries that prove it."""
    again = [statement(COPY.format(3)), statement(f"{COPY.format(4)} WHERE o.id > 5")]
    manifest = Runs(storage, listed(tmp_path / "log", shop() + again)).run()
    edges = {
        (row["source_column_name"], row["column_name"], row["transformation"]): row
        for row in rows_of(storage, manifest, "lineage_edges")
    }
    amount = edges["amount", "total", "TRANSFORMATION"]
    assert (amount["direct"], amount["queries"], amount["calls"]) == (True, 2, 3)
    assert edges["customer", "customer", "IDENTITY"]["calls"] == 3
    assert not edges["id", "", "FILTER"]["direct"]
    keys = {row["query_key"] for row in rows_of(storage, manifest, "queries")}
    assert set(eval_list(amount["evidence"])) <= keys
    linked = entities_of(storage, manifest, "lineage_edges")[0]["relationshipAttributes"]
    assert linked["table"]["qualifiedName"] == "postgres://db:5432/shop.public.report"
    assert linked["sourceTable"]["qualifiedName"] == "postgres://db:5432/shop.public.orders"


def eval_list(text: str) -> list[str]:
    """A JSON array."""
    import json

    found: list[str] = json.loads(text)
    return found


def test_a_run_goes_on_where_the_last_one_ended(tmp_path: Path, storage: Storage) -> None:
    """What one run counted the next does not; nothing new is an empty run that succeeds."""
    path = tmp_path / "log"
    runs = Runs(storage, listed(path, shop()))
    first = runs.run()
    listed(path, [*shop(), statement(SELECT.format("carl"))])
    second, third = runs.run(), runs.run()
    assert [one["logs"]["statements"] for one in (first, second, third)] == [7, 1, 0]
    assert third["windows"] == []
    assert (second["logs"]["base_run_id"], third["logs"]["base_run_id"]) == ("run-1", "run-2")
    assert [scope["written"] for scope in third["scopes"]] == [0, 0, 0]


def test_any_number_of_buckets_gives_the_same(tmp_path: Path, storage: Storage) -> None:
    """Dividing the shapes into buckets changes no row of any output."""
    many = [
        statement(f"SELECT c{n} FROM t{n % 7} WHERE x = {n}", user=f"u{n % 3}") for n in range(200)
    ]
    many += [statement(f"INSERT INTO s{n % 5} (a) SELECT c{n} FROM t{n % 7}") for n in range(60)]
    found = []
    for rows in (1_000, 10):
        runs = Runs(
            Storage(f"{storage.url}/{rows}"), listed(tmp_path / "log", many, 50), bucket_rows=rows
        )
        manifest = runs.run()
        found.append(
            {
                kind: sorted(map(repr, rows_of(runs.storage, manifest, kind)))
                for kind in ("queries", "query_usage", "lineage_edges")
            }
        )
    assert found[0] == found[1]
    assert len(found[0]["queries"]) == 260


def test_every_step_may_be_repeated(tmp_path: Path, storage: Storage) -> None:
    """A retry of any step writes the same keys, and the outputs are the same."""
    runs = Runs(storage, listed(tmp_path / "log", shop(), 3))
    job = runs.job()
    batches = job.plan(MarkEntry(), None)
    for _ in range(2):
        for number in range(batches.windows):
            job.fetch(batch(batches, number))
    for _ in range(2):
        job.reduce(batch(batches, 0))
    for _ in range(2):
        job.parse(batch(batches, 0))
    plan = job.planned(batch(batches, 0))
    first, _ = job.finish(plan, batches.digest, parsed=True)
    keys = {stored.key: stored.size for stored in storage.list("tenant")}
    second, kept = job.finish(plan, batches.digest, parsed=True)
    assert {stored.key for stored in storage.list("tenant")} == set(keys)
    assert (first.counts, first.parts, first.statements) == (
        second.counts,
        second.parts,
        second.statements,
    )
    assert job.finished(plan, kept) == job.finished(plan, kept)
    assert not list(storage.list("tenant/app/Flow/run-1/work"))


def test_a_window_that_was_not_fetched_is_missed(tmp_path: Path, storage: Storage) -> None:
    """Reducing names the window whose receipt is missing."""
    runs = Runs(storage, listed(tmp_path / "log", shop(), 3))
    job = runs.job()
    batches = job.plan(MarkEntry(), None)
    job.fetch(batch(batches, 0))
    job.fetch(batch(batches, 2))
    with pytest.raises(Incomplete, match=r"window 1 .* is missing"):
        job.reduce(batch(batches, 0))


def test_what_is_reduced_twice_is_not_believed(tmp_path: Path, storage: Storage) -> None:
    """A window that was fetched again after it was reduced fails the end of the run."""
    path = tmp_path / "log"
    runs = Runs(storage, listed(path, shop(), 3))
    job = runs.job()
    batches = job.plan(MarkEntry(), None)
    for number in range(batches.windows):
        job.fetch(batch(batches, number))
    job.reduce(batch(batches, 0))
    job.parse(batch(batches, 0))
    listed(path, [statement(SELECT.format("x"), calls=5), *shop()[1:]])
    job.fetch(batch(batches, 0))
    with pytest.raises(Incomplete, match="window 0: 7 statements were read, 3 reduced"):
        job.finish(job.planned(batch(batches, 0)), batches.digest, parsed=True)


def test_nothing_readable_fails_the_run(tmp_path: Path, storage: Storage) -> None:
    """A log of which nothing can be read is an error that names the reasons."""
    broken = [statement("SELECT FROM WHERE"), {"reason": "not_json", "at": None}]
    with pytest.raises(
        Incomplete, match=r"none of 1 statements and 1 other rows .*not_json, syntax"
    ):
        Runs(storage, listed(tmp_path / "log", broken)).run()


def test_literals_are_stored_nowhere(tmp_path: Path, storage: Storage) -> None:
    """By default no literal of any statement is in any file; raw_text keeps one per shape."""
    secrets = [
        statement("SELECT 'xyzzy-1' FROM t -- xyzzy-2"),
        statement("SELECT 'xyzzy-3' FROM WHERE"),
        statement("ALTER ROLE ann PASSWORD 'xyzzy-4'"),
        statement("SELECT 1 WHERE 'xyzzy-5", query_id=7),
        statement("COMMENT ON TABLE t IS 'xyzzy-6'", query_id=8),
    ]
    Runs(storage, listed(tmp_path / "log", secrets)).run()
    assert b"xyzzy" not in everything_stored(storage)
    raw = Storage(f"{storage.url}/raw")
    Runs(raw, listed(tmp_path / "log", secrets), raw_text=True).run()
    assert b"xyzzy-1" in everything_stored(raw)


def test_the_servers_ids_tell_what_cannot_be_read(tmp_path: Path, storage: Storage) -> None:
    """Texts decide what one query is, per database; the server's id does where they cannot."""
    statements = [
        statement("SELECT a FROM t WHERE b IN (1)", query_id=5),
        statement("SELECT a FROM t WHERE b IN (1, 2)", query_id=6),
        statement("SELECT a FROM u WHERE b IN (1)", query_id=5),
        statement("SELECT a FROM t WHERE b IN (1, 2)", query_id=6, database="other"),
        statement("SELECT FROM WHERE", query_id=7),
        statement("SELECT FROM WHERE", query_id=8),
    ]
    rows = rows_of(storage, Runs(storage, listed(tmp_path / "log", statements)).run(), "queries")
    assert sorted((row["database_name"], row["calls"], row["query_id"]) for row in rows) == [
        ("other", 1, "6"),
        ("shop", 1, "5"),
        ("shop", 1, "7"),
        ("shop", 1, "8"),
        ("shop", 2, "5"),
    ]


def test_rows_that_go_somewhere_leave_an_edge(tmp_path: Path, storage: Storage) -> None:
    """What is copied without known columns is an edge from table to table, and not exact."""
    manifest = Runs(
        storage, listed(tmp_path / "log", [statement("INSERT INTO copy SELECT * FROM orders")])
    ).run()
    (edge,) = rows_of(storage, manifest, "lineage_edges")
    assert (edge["source_table_name"], edge["table_name"]) == ("orders", "copy")
    assert (edge["source_column_name"], edge["column_name"], edge["exact"]) == ("", "", False)


def test_mysql_databases_are_schemas(tmp_path: Path, storage: Storage) -> None:
    """Names of MySQL begin with the database, which is its schema, as in its catalogue."""
    texts = ['INSERT INTO `report` (`total`) SELECT `amount` FROM orders WHERE c = "x"']
    log = listed(tmp_path / "log", [statement(text) for text in texts])
    manifest = Runs(storage, log, dialect="mysql", namespace="mysql://db:3306").run()
    (query,) = rows_of(storage, manifest, "queries")
    assert query["tables_read"] == '["mysql://db:3306/shop.orders"]'
    assert '"x"' not in query["text"]
    edges = rows_of(storage, manifest, "lineage_edges")
    direct = [edge for edge in edges if edge["direct"]]
    assert [(one["database_name"], one["schema_name"], one["column_name"]) for one in direct] == [
        ("def", "shop", "total")
    ]


def test_an_older_attempt_that_writes_late_is_noticed(tmp_path: Path, storage: Storage) -> None:
    """A window's file that was written again after it was counted fails the end of the run."""
    runs = Runs(storage, listed(tmp_path / "log", shop()))
    job = runs.job()
    batches = job.plan(MarkEntry(), None)
    job.fetch(batch(batches, 0))
    job.reduce(batch(batches, 0))
    job.parse(batch(batches, 0))
    key = "tenant/app/Flow/run-1/raw/usage/part-00000.parquet"
    storage.put(key, storage.get(key) + b"\0")
    with pytest.raises(Incomplete, match=r"was written again after it was counted"):
        job.finish(job.planned(batch(batches, 0)), batches.digest, parsed=True)


def test_hostile_comments_take_no_time(tmp_path: Path, storage: Storage) -> None:
    """Comments nested a thousandfold are refused before a parser sees them."""
    texts = ["SELECT 1 " + "/*" * 200_000, "SELECT a FROM t"]
    log = listed(tmp_path / "log", [statement(text) for text in texts])
    rows = rows_of(storage, Runs(storage, log).run(), "queries")
    assert {row["reason"] for row in rows} == {"too_deep", None}
