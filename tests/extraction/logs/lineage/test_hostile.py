"""Hostile statements: each is resolved right, or fails cleanly."""

import logging
import time
from collections.abc import Callable

import pytest

from flowkeep.extraction.logs.lineage.model import Catalogue, Lineage, ParseFailure
from flowkeep.extraction.logs.lineage.names import TableName
from flowkeep.extraction.logs.lineage.resolve import resolve

_T = TableName("shop", "public", "t")
_CATALOGUE = Catalogue({_T: ["a", "b"], TableName("shop", "public", "u"): ["a", "b"]})
_LONGEST_SECONDS = 20


def _resolve(sql: str, catalogue: Catalogue = _CATALOGUE) -> Lineage:
    return resolve(sql, "postgres", catalogue, database="shop", search_path=("public",))


def _reads(lineage: Lineage) -> dict[str, str]:
    return {
        f"{read.column.table.table}.{read.column.column}": " ".join(sorted(read.usages))
        for read in lineage.column_reads
    }


def test_ten_thousand_columns() -> None:
    """A copy of a table of 10,000 columns through `*` has an edge per column."""
    columns = [f"c{number}" for number in range(10_000)]
    wide = {TableName("shop", "public", name): columns for name in ("wide", "copy")}
    lineage = _resolve(
        "INSERT INTO copy SELECT * FROM (SELECT * FROM wide WHERE c7 = $1) x", Catalogue(wide)
    )
    pairs = {(edge.source.column, edge.target.column) for edge in lineage.edges}
    assert pairs == {*((column, column) for column in columns), ("c7", "")}
    assert len(lineage.column_writes) == 10_000


def test_ten_thousand_columns_by_name() -> None:
    """A select list of 10,000 items, of which each sums two columns, names 10,001 columns."""
    columns = [f"c{number}" for number in range(10_001)]
    items = ", ".join(f"c{number} + c{number + 1} AS s{number}" for number in range(10_000))
    catalogue = Catalogue({TableName("shop", "public", "wide"): columns})
    assert len(_reads(_resolve(f"SELECT {items} FROM wide", catalogue))) == 10_001


def test_list_of_a_hundred_kilobytes() -> None:
    """An IN list of 100 KB, written as pg_stat_statements writes it, costs no column."""
    items = ",".join(f"${number}" for number in range(1, 16_000))
    assert len(items) > 100_000
    assert _reads(_resolve(f"SELECT a FROM t WHERE b IN ({items})")) == {
        "t.a": "output",
        "t.b": "filter",
    }


def test_many_rows_of_values() -> None:
    """20,000 rows in VALUES write two columns."""
    rows = ",".join(["($1,$2)"] * 20_000)
    lineage = _resolve(f"INSERT INTO t VALUES {rows}")
    assert [write.column.column for write in lineage.column_writes] == ["a", "b"]
    assert not lineage.problems


@pytest.mark.parametrize("count", [300, 3_000])
def test_thousands_of_unions(count: int) -> None:
    """All arms of a long chain of set operations flow into the result."""
    arms = " UNION ALL ".join(["SELECT a FROM t", "SELECT b FROM u"] * (count // 2))
    assert _reads(_resolve(arms)) == {"t.a": "output", "u.b": "output"}


@pytest.mark.parametrize("operator", ["+", "||", "AND", "OR"])
def test_long_chains_of_operators(operator: str) -> None:
    """10,000 operators in a row are no deep nesting."""
    chain = f" {operator} ".join(["a", "b"] * 5_000)
    assert _reads(_resolve(f"SELECT 1 FROM t WHERE ({chain}) IS NULL")) == {
        "t.a": "filter",
        "t.b": "filter",
    }


def test_a_thousand_ctes() -> None:
    """A chain of 1,000 CTEs leads back to the column it began with."""
    ctes = ", ".join(f"c{n} AS (SELECT a FROM c{n - 1})" for n in range(1, 1_000))
    lineage = _resolve(f"WITH c0 AS (SELECT a FROM t), {ctes} SELECT a FROM c999")
    assert _reads(lineage) == {"t.a": "output"}


def test_ctes_that_double() -> None:
    """CTEs that use the one before twice do not double the work with each."""
    ctes = ", ".join(
        f"c{n} AS (SELECT x.a + y.a AS a FROM c{n - 1} x, c{n - 1} y)" for n in range(1, 60)
    )
    lineage = _resolve(f"WITH c0 AS (SELECT a FROM t WHERE b = $1), {ctes} SELECT a FROM c59")
    assert _reads(lineage) == {"t.a": "output", "t.b": "filter"}


def test_views_that_double() -> None:
    """So with views."""
    tables = {_T: ["a", "b"]}
    views = {TableName("shop", "public", "v0"): "SELECT a FROM t"}
    for n in range(1, 40):
        name = TableName("shop", "public", f"v{n}")
        tables[name] = ["a"]
        views[name] = f"SELECT x.a FROM v{n - 1} x JOIN v{n - 1} y ON x.a = y.a"
    lineage = _resolve("SELECT a FROM v39", Catalogue(tables, views))
    assert len(lineage.through_views) == 40
    assert _reads(lineage)["t.a"] == "join output"


def test_a_thousand_joins() -> None:
    """1,000 tables joined are 1,000 tables read once."""
    joins = " ".join(f"JOIN t AS t{n} ON t{n}.a = t{n - 1}.b" for n in range(1, 1_000))
    assert _reads(_resolve(f"SELECT t0.a FROM t AS t0 {joins}")) == {
        "t.a": "join output",
        "t.b": "join",
    }


def _outcome(sql: str) -> Lineage | ParseFailure:
    try:
        return _resolve(sql)
    except ParseFailure as failure:
        return failure


def _nested(opening: str, core: str, closing: str) -> Callable[[int], str]:
    return lambda depth: f"SELECT {opening * depth}{core}{closing * depth} FROM t"


@pytest.mark.parametrize("depth", [5, 50, 500, 5_000, 50_000])
@pytest.mark.parametrize(
    "make",
    [
        _nested("(", "a", ")"),
        _nested("f(", "a", ")"),
        _nested("ARRAY[", "a", "]"),
        _nested("", "a", "[$1]"),
        _nested("CASE WHEN b THEN ", "a", " END"),
        _nested("- ", "a", ""),
        _nested("NOT ", "a", ""),
        _nested("(SELECT ", "a", " FROM t)"),
        lambda depth: "SELECT a FROM " + "(SELECT a FROM " * depth + "t" + ") x" * depth,
        lambda depth: (
            "SELECT a FROM t WHERE " + "EXISTS (SELECT 1 FROM t WHERE " * depth + "b" + ")" * depth
        ),
        lambda depth: "WITH c AS (" * depth + "SELECT a FROM t" + ") SELECT a FROM c" * depth,
        lambda depth: "SELECT t.a FROM t " + "JOIN u " * depth + "ON true " * depth,
        lambda depth: "SELECT a FROM t" + " UNION (SELECT a FROM t" * depth + ")" * depth,
    ],
)
def test_deep_nesting_is_right_or_too_deep(make: Callable[[int], str], depth: int) -> None:
    """Whatever is nested: the right columns of a statement, or a clean failure, in time."""
    began = time.monotonic()
    found = _outcome(make(depth))
    assert time.monotonic() - began < _LONGEST_SECONDS
    if isinstance(found, ParseFailure):
        assert depth > 5
        assert found.code == "too_deep"
    else:
        assert _T in found.reads
        assert "t.a" in _reads(found)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT secret_name FROM t WHERE b = 'secret_value' AND",
        "SELECT 'secret_value' FROM FROM t",
        "CREATE TABLE n AS SELECT 'secret_value' AS x FROM t",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 'secret_value' $$",
        "DO $body$ BEGIN PERFORM 'secret_value'; END $body$",
        "COPY t FROM '/secret_value'",
        "ALTER ROLE x PASSWORD 'secret_value'",
        "SELECT q.a FROM t JOIN u USING (a) AS q WHERE q.a = 'secret_value'",
    ],
)
def test_no_literal_gets_out(sql: str, caplog: pytest.LogCaptureFixture) -> None:
    """No literal is in a result, an error or a log line, whatever the statement is."""
    with caplog.at_level(logging.DEBUG):
        found = _outcome(sql)
    said = f"{found!r} {found} {getattr(found, '__cause__', '')}"
    assert "secret_value" not in said + caplog.text
