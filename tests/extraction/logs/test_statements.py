"""The statements with known truth that other tests and the benchmarks measure by."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pgparse
import pytest

from benchmarks._query_log_builder import Select, table_source
from benchmarks._query_log_values import Truth as StatementTruth
from benchmarks._query_log_values import aggregate, condition, derive
from benchmarks._query_log_views import views
from benchmarks._query_log_writers import (
    HISTORY_COLUMNS,
    csv_lines,
    history_rows,
    json_lines,
    query_ids,
)
from benchmarks._statements import (
    CANARIES,
    DAY,
    SHAPES,
    START,
    Column,
    Edge,
    Execution,
    Shape,
    Table,
    Truth,
    distinct,
    executions,
    shapes,
    small_catalogue,
)

_CTES = {"base", "ranked", "tree", "gone"}


@pytest.fixture(scope="module")
def known() -> list[Shape]:
    return shapes()


def _times(known: list[Shape], count: int) -> Iterator[Execution]:
    return iter(executions(count * len(known), 3, shapes=known))


def _range_vars(node: Any) -> Iterator[tuple[str | None, str]]:
    if isinstance(node, dict):
        if "relname" in node:
            yield node.get("schemaname"), node["relname"]
        for child in node.values():
            yield from _range_vars(child)
    elif isinstance(node, list):
        for child in node:
            yield from _range_vars(child)


def _column(name: str) -> Column:
    return Column(*name.split("."))


def test_every_kind_is_there(known: list[Shape]) -> None:
    """There are 200 shapes of all commands, about as long as those of real logs."""
    assert len(known) == SHAPES
    kinds = Counter(shape.truth.kind for shape in known)
    assert set(kinds) == {
        *("select", "insert", "update", "delete", "merge", "create_table_as", "utility"),
    }
    assert min(kinds.values()) >= 5
    assert sum(bool(shape.truth.behind) for shape in known) >= 30
    lengths = [len(one.text) for one in _times(known, 5)]
    assert 300 < sum(lengths) / len(lengths) < 450


def test_names_are_those_of_postgresqls_parser(known: list[Shape]) -> None:
    """PostgreSQL's parser takes every statement, and finds the tables that the truth names."""
    for one in _times(known, 5):
        found = {
            (schema, name)
            for schema, name in _range_vars(pgparse.parse(one.text))
            if schema or name not in _CTES
        }
        assert found == known[one.shape].truth.named, known[one.shape]


def test_shapes_differ_and_executions_do_not(known: list[Shape]) -> None:
    """PostgreSQL's parser gives each shape one fingerprint, whatever its literals and layout."""
    prints: dict[int, set[str]] = {}
    for one in _times(known, 10):
        if known[one.shape].family != "utility":  # whose fingerprints hold their literals
            prints.setdefault(one.shape, set()).add(pgparse.fingerprint(one.text))
    assert all(len(found) == 1 for found in prints.values())
    assert len(set().union(*prints.values())) == len(prints) == SHAPES - 10


def test_distinct_statements_are_distinct() -> None:
    """No two of the statements over the large catalogue have the same fingerprint."""
    made = distinct(1_200, 5)
    assert (
        len({pgparse.fingerprint(one.text) for one in executions(1_200, 1, shapes=made)}) == 1_200
    )
    with pytest.raises(ValueError, match="100 tables"):
        distinct(10_000, tables=100)


def test_the_seed_decides(known: list[Shape]) -> None:
    """The same seed makes the same log, another one another log."""
    first, second, other = (
        list(executions(400, seed, shapes=known, users=3)) for seed in (1, 1, 2)
    )
    assert first == second != other
    texts = [[shape.text for shape in shapes(60, seed)] for seed in (8, 8, 9)]
    assert texts[0] == texts[1] != texts[2]


def test_counts_are_those_of_the_executions(known: list[Shape]) -> None:
    """What is counted while statements are made is what a recount of them gives."""
    log = executions(3_000, 7, users=4, databases=2, days=3, shapes=known)
    made = list(log)
    assert {one.user for one in made} == set(log.users)
    assert {one.database for one in made} == set(log.databases)
    assert {one.at // DAY - START // DAY for one in made} == {0, 1, 2}
    assert [one.at for one in made] == sorted(one.at for one in made)
    assert log.truth.by_shape() == Counter(one.shape for one in made)
    assert set(log.truth.by_shape()) == set(range(SHAPES))
    expected = Counter((one.shape, one.user, one.at // DAY) for one in made)
    assert log.truth.by_user_and_day() == expected
    for key, count in log.truth.counts().items():
        same = [one for one in made if (one.shape, one.user, one.database, one.at // DAY) == key]
        durations = [one.duration for one in same]
        assert count == (
            *(len(same), sum(durations), min(durations), max(durations)),
            *(sum(one.rows for one in same), same[0].at, same[-1].at),
        )


def test_counts_of_parts_add_up(known: list[Shape]) -> None:
    """The truths of two parts of a log make that of the whole."""
    log = executions(1_000, 7, users=2, days=2, shapes=known)
    made = list(log)
    parts = [Truth(known), Truth(known)]
    for number, one in enumerate(made):
        parts[number % 2].add(one)
    parts[0] += parts[1]
    assert parts[0].counts() == log.truth.counts()
    assert parts[0].calls == 1_000


def test_usage_counts_tables_and_columns(known: list[Shape]) -> None:
    """Usage of a table is the executions of all shapes that read it, by whatever way."""
    log = executions(1_000, 2, shapes=known)
    made = list(log)
    table = Table("sales", "customers")
    readers = {shape.number for shape in known if table in shape.truth.reads | shape.truth.behind}
    usage = log.truth.usage()
    total = sum(n for (_, what, *_, how), n in usage.items() if (what, how) == (table, "read"))
    assert total == sum(one.shape in readers for one in made) > 0
    edge, shape = next((edge, shape) for shape in known for edge in shape.truth.edges)
    assert log.truth.edges()["shop", edge] >= log.truth.by_shape()[shape.number]


def test_repetition_decides_how_many_shapes_there_are() -> None:
    """Nine to one means a tenth as many shapes as statements, coming in evenly."""
    made = distinct(100)
    log = executions(1_000, 4, shapes=made, repetition=9)
    numbers = [one.shape for one in log]
    assert len(set(numbers)) == 100
    assert len(set(numbers[:100])) == 10
    with pytest.raises(ValueError, match="need 101 shapes"):
        executions(1_010, 4, shapes=made, repetition=9)


def test_canaries_stand_in_literals_and_comments_only(known: list[Shape]) -> None:
    """Every canary is in the log, and none of them in what a shape is."""
    texts = "\n".join(one.text for one in _times(known, 20))
    assert [word for word in CANARIES if word not in texts] == []
    names = json.dumps(small_catalogue().to_json(["shop"]))
    kept = names + "".join(f"{shape.text} {shape.truth}" for shape in known)
    assert [word for word in CANARIES if word in kept] == []
    for style in (r"E'[^']*\\'", r"\$\$", r"\$q\d\$", "''", "/\\*", "--", "::", r"= ANY \('\{"):
        assert re.search(style, texts), style


def test_composed_truth_is_what_was_composed() -> None:
    """A query's truth, worked out by hand: a view with another below, a join, a sum, a filter."""
    good = table_source(small_catalogue(), views(), Table("sales", "good_customers"), "g")
    orders = table_source(small_catalogue(), views(), Table("sales", "orders"), "o")
    on = condition("{} = {}", orders.value("customer_id"), good.value("customer_id"))
    items = [
        (good.value("revenue"), "revenue"),
        (derive("lower({})", good.value("email"), kind="text"), "email"),
        (aggregate("max({})", orders.value("total")), "most"),
    ]
    where = [condition("{} = ‹text›", orders.value("status"))]
    query = Select(items, good, [("JOIN", orders, on)], where).query()
    target = Table("crm", "made")
    truth = StatementTruth.of("create_table_as", query.uses, {target: list(query.columns.items())})
    assert query.text.split("\n") == [
        "SELECT g.revenue, lower(g.email) AS email, max(o.total) AS most",
        "FROM sales.good_customers g",
        "JOIN sales.orders o ON o.customer_id = g.customer_id",
        "WHERE o.status = ‹text›",
    ]
    assert truth.reads == {("sales", "good_customers"), ("sales", "orders")}
    assert truth.behind == {("sales", "customer_revenue"), ("sales", "customers")}
    assert truth.writes == {target}
    assert {".".join(one) for one in truth.columns_read} == {
        *("sales.good_customers.revenue", "sales.customer_revenue.revenue"),
        *("sales.good_customers.email", "sales.customers.email"),
        *("sales.good_customers.customer_id", "sales.customers.id"),
        *("sales.orders.total", "sales.orders.customer_id", "sales.orders.status"),
    }
    assert {".".join(one) for one in truth.columns_deciding} == {
        *("sales.customer_revenue.revenue", "sales.customer_revenue.customer_id"),
        *("sales.orders.total", "sales.customers.id"),
        *("sales.orders.status", "sales.orders.customer_id"),
    }
    assert {".".join(one) for one in truth.columns_written} == {
        *("crm.made.revenue", "crm.made.email", "crm.made.most"),
    }
    expected = {
        ("sales.good_customers.revenue", "crm.made.revenue", "IDENTITY"),
        ("sales.customer_revenue.revenue", "crm.made.revenue", "IDENTITY"),
        ("sales.orders.total", "crm.made.revenue", "AGGREGATION"),
        ("sales.good_customers.email", "crm.made.email", "TRANSFORMATION"),
        ("sales.customers.email", "crm.made.email", "TRANSFORMATION"),
        ("sales.orders.total", "crm.made.most", "AGGREGATION"),
    }
    assert truth.edges == {Edge(_column(a), _column(b), how) for a, b, how in expected}


def test_writers_keep_what_was_executed(known: list[Shape]) -> None:
    """A CSV reader, a JSON reader and the history rows give back what was made."""
    log = executions(500, 6, users=6, databases=2, days=2, shapes=known)
    made = list(log)
    ids = query_ids(known)
    records = list(csv.reader(io.StringIO("".join(csv_lines(log, ids)), newline="")))
    assert {len(record) for record in records} == {26}
    lines = [json.loads(line) for line in json_lines(log, ids)]
    rows = list(history_rows(log, ids))
    assert len({ids(one) for one in made}) == SHAPES
    for one, record, line, row in zip(made, records, lines, rows, strict=True):
        message = f"duration: {one.duration / 1000:.3f} ms  statement: {one.text}"
        seconds = datetime.fromtimestamp(one.at // 1_000_000, UTC)
        time = f"{seconds:%Y-%m-%d %H:%M:%S}.{one.at // 1000 % 1000:03} UTC"
        written = [record[0], record[1], record[2], record[13], int(record[25])]
        assert written == [time, one.user, one.database, message, ids(one)]
        keys = ("timestamp", "user", "dbname", "message", "query_id")
        assert [line[key] for key in keys] == written
        assert len(row) == len(HISTORY_COLUMNS)
        assert row[1].timestamp() == pytest.approx(one.at / 1_000_000, abs=1e-6)
        assert row[2:] == (one.user, one.database, one.text, one.duration, one.rows, ids(one))
