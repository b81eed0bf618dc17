"""Parser processes and what they remember."""

import os
import signal
import threading
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.logs.parsing.pool import Parser, ParserSettings
from flowkeep.storage import Storage
from tests.extraction.logs.support import Runs, listed, rows_of, statement
from tests.extraction.logs.truth import store_catalogue
from tests.extraction.support import extract, extraction_of, run

HEAVY = (
    f"INSERT INTO x SELECT {','.join(f'a{n}+b{n}' for n in range(60_000))} FROM t JOIN u USING (i)"
)
"""Takes a parser many seconds and much memory."""


def parser(stop: threading.Event | None = None, **limits: int) -> Parser:
    """A parser process with its limits."""
    given = {"cpu_seconds": 5, "memory_megabytes": 1_024, **limits}
    return Parser(ParserSettings("postgres", ("public",), **given), stop)


def answers(one: Parser, *texts: str) -> list[str]:
    """The reason of each failure, and the names of the tables of everything else."""
    found = []
    for answer in one.parse([(text, "shop") for text in texts]):
        tables = answer.lineage["tables"] if answer.lineage else []
        found.append(answer.reason or ",".join({name for *_, name in tables}))
    return found


def test_answers_come_in_order() -> None:
    """Each statement gets its own answer, many of them at a time or large ones between."""
    texts = [f"SELECT a FROM t{n}" for n in range(500)]
    texts[250] += f" WHERE a IN ({','.join(f'${n}' for n in range(1, 9_000))})"
    with parser() as one:
        assert answers(one, *texts) == [f"t{n}" for n in range(500)]


@pytest.mark.parametrize(
    ("limits", "reasons"),
    [
        ({"cpu_seconds": 1}, {"cpu_limit"}),
        ({"memory_megabytes": 200}, {"memory_limit", "crashed"}),
    ],
)
def test_a_statement_beyond_its_limits_fails_alone(
    limits: dict[str, int], reasons: set[str]
) -> None:
    """What takes too long, or too much memory, fails with that reason; its neighbours do not."""
    with parser(**limits) as one:
        before, heavy, after = answers(one, "SELECT a FROM t", HEAVY, "SELECT a FROM u")
    assert (before, after) == ("t", "u")
    assert heavy in reasons


def test_a_killed_process_costs_one_statement() -> None:
    """A process that dies takes one statement with it, and another one does the rest."""
    texts = [f"SELECT a FROM t{n}" for n in range(100)]
    with parser() as one:
        found = []
        for number, answer in enumerate(one.parse([(text, "") for text in texts])):
            found.append(answer.reason)
            if number == 10:
                assert one.pid is not None
                os.kill(one.pid, signal.SIGKILL)
    assert len(found) == 100
    # What was answered before the kill may lie in the pipe still.
    assert found.count("crashed") == 1
    assert found.count(None) == 99


def test_processes_are_used_again() -> None:
    """A process that has done its work waits for more of it, also with other settings."""
    with parser() as one:
        answers(one, "SELECT a FROM t")
        pid = one.pid
    with parser(cpu_seconds=3) as two:
        assert answers(two, "SELECT a FROM u") == ["u"]
        assert two.pid == pid


def test_a_stop_ends_the_waiting() -> None:
    """A cancelled attempt does not wait for a statement that takes long."""
    stop = threading.Event()
    stop.set()
    with parser(stop, cpu_seconds=60) as one, pytest.raises(CancelledError):
        answers(one, HEAVY)


def parsed(storage: Storage, manifest: dict[str, Any]) -> list[tuple[str, ...]]:
    """Which column is read and written, by table."""
    rows = rows_of(storage, manifest, "query_usage")
    return sorted((row["table_name"], row["column_name"], row["access"]) for row in rows)


def test_what_was_parsed_is_not_parsed_again(tmp_path: Path, storage: Storage) -> None:
    """A later run takes the answers of an earlier one, and makes the same of them."""
    texts = [f"SELECT a{n}, b FROM t{n} JOIN u USING (i) WHERE c = 1" for n in range(40)]
    path = tmp_path / "log"
    runs = Runs(storage, listed(path, [statement(text) for text in texts]))
    first = runs.run()
    listed(path, [statement(text) for text in texts * 2])
    second = runs.run()
    assert (runs.cached, parsed(storage, first)) == ([0, 40], parsed(storage, second))


def test_many_buckets_share_the_cache(tmp_path: Path, storage: Storage) -> None:
    """Runs with few and with many buckets find each other's answers."""
    path = tmp_path / "log"
    texts = [f"SELECT a FROM t{n}" for n in range(64)]
    runs = Runs(storage, listed(path, [statement(text) for text in texts]), bucket_rows=2)
    runs.run()
    listed(path, [statement(text) for text in texts * 2])
    runs.options = runs.options.model_copy(update={"bucket_rows": 1_000})
    runs.run()
    listed(path, [statement(text) for text in texts * 3])
    runs.options = runs.options.model_copy(update={"bucket_rows": 2})
    runs.run()
    assert runs.cached == [0, 64, 64]


def test_the_catalogue_makes_lineage_exact(
    tmp_path: Path, storage: Storage, database_url: str
) -> None:
    """Columns come from the extracted catalogue, views are followed, and changes are noticed."""
    run(
        database_url,
        "CREATE TABLE orders (id integer, total integer)",
        "CREATE TABLE lines (order_id integer, amount integer)",
        "CREATE VIEW sums AS SELECT o.id, sum(amount) AS amount FROM orders o"
        " JOIN lines ON order_id = o.id GROUP BY o.id",
        "CREATE VIEW above AS SELECT id, amount * 2 AS twice FROM sums",
    )
    name = database_url.rpartition("/")[2]
    text = "INSERT INTO orders SELECT id, twice FROM above"
    path = tmp_path / "log"
    runs = Runs(storage, listed(path, [statement(text, database=name)]))
    manifest = runs.run(extract(extraction_of(database_url, storage, "first"))[0].key)
    edges = {
        (row["source_table_name"], row["source_column_name"], row["column_name"])
        for row in rows_of(storage, manifest, "lineage_edges")
        if row["direct"]
    }
    assert {("lines", "amount", "total"), ("orders", "id", "id")} <= edges
    assert all(row["exact"] for row in rows_of(storage, manifest, "lineage_edges"))
    run(
        database_url,
        "CREATE OR REPLACE VIEW sums AS SELECT id, total::bigint AS amount FROM orders",
    )
    listed(path, [statement(text, database=name)] * 2)
    manifest = runs.run(extract(extraction_of(database_url, storage, "second"))[0].key)
    assert runs.cached == [0, 0]
    tables = {row["source_table_name"] for row in rows_of(storage, manifest, "lineage_edges")}
    assert "lines" not in tables


def test_a_catalogue_that_is_none_is_named(tmp_path: Path, storage: Storage) -> None:
    """A manifest that does not exist is an error that names the option."""
    runs = Runs(storage, listed(tmp_path / "log", [statement("SELECT a FROM t")]))
    with pytest.raises(ConfigurationError, match=r"logs\.catalogue: "):
        runs.run("tenant/nothing.json")


def test_many_small_statements_do_not_choke_the_pipe() -> None:
    """Thousands of short statements pass, although each counts more for a pipe than its bytes."""
    texts = [f"SELECT * FROM t{n} WHERE id=$1" for n in range(3_000)]
    with parser() as one:
        assert answers(one, *texts) == [f"t{n}" for n in range(3_000)]


def test_a_foreign_catalogue_is_refused(tmp_path: Path, storage: Storage) -> None:
    """The catalogue of another tenant is no catalogue, and the run ends before it has read."""
    key = store_catalogue(storage, ("shop",), tenant="other")
    runs = Runs(storage, listed(tmp_path / "log", [statement("SELECT a FROM t")]))
    with pytest.raises(ConfigurationError, match=r"not a manifest of this tenant"):
        runs.run(key)
    assert not list(storage.list("tenant/app/Flow/run-1/raw"))
