"""The plain objects of lineage: JSON, pickles, names in the catalogue, other dialects."""

import json
import pickle
import subprocess
import sys

import pytest

from flowkeep.extraction.logs.lineage.model import (
    Catalogue,
    ColumnName,
    Edge,
    Lineage,
    ParseFailure,
    TableName,
)
from flowkeep.extraction.logs.lineage.resolve import resolve
from tests.extraction.logs.lineage.truth import DATABASE, SEARCH_PATH, cases, catalogue

_A = TableName("db", "a", "t")
_B = TableName("db", "b", "t")


def test_lineage_survives_json_and_pickle() -> None:
    """What is sent between processes comes back equal, for every case of the truth."""
    for case in cases():
        lineage = resolve(
            case.sql, "postgres", catalogue(), database=DATABASE, search_path=SEARCH_PATH
        )
        assert Lineage.from_json(json.loads(json.dumps(lineage.to_json()))) == lineage
        assert pickle.loads(pickle.dumps(lineage)) == lineage


def test_a_failure_survives_a_pickle() -> None:
    """A failure in another process keeps code and position."""
    failure = pickle.loads(pickle.dumps(ParseFailure("syntax", 7)))
    assert (failure.code, failure.position) == ("syntax", 7)
    assert "syntax at character 7" in str(failure)


def test_the_model_is_light() -> None:
    """Importing the model imports no parser."""
    script = (
        "import sys, flowkeep.extraction.logs.lineage.model\n"
        "assert not {'sqlglot', 'pgparse', 'pyarrow', 'polars'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("name", "database", "path", "expected"),
    [
        (TableName(None, None, "t"), "db", ("a", "b"), _A),
        (TableName(None, None, "t"), "db", ("b", "a"), _B),
        (TableName(None, None, "t"), "db", ("c",), None),
        (TableName(None, "b", "t"), "db", ("a",), _B),
        (TableName("db", "b", "t"), "other", (), _B),
        (TableName(None, "b", "t"), "other", (), None),
        (TableName(None, "a", "T"), "db", (), None),
        (TableName(None, "a", "any"), "whatever", (), TableName(None, "a", "any")),
    ],
)
def test_names_are_found_by_the_search_path(
    name: TableName, database: str, path: tuple[str, ...], expected: TableName | None
) -> None:
    """The first schema of the path that has a table wins; databases are kept apart."""
    known = Catalogue({_A: ["x"], _B: ["y"], TableName(None, "a", "any"): ["z"]})
    assert known.find(name, database, path) == expected


def test_a_catalogue_of_json() -> None:
    """Plain lists make the same catalogue; an empty list means columns that are not known."""
    known = Catalogue.from_json(
        {
            "tables": [["db", "a", "t", ["x", "y"]], ["db", "a", "v", []]],
            "views": [["db", "a", "v", "SELECT y AS k FROM a.t"]],
        }
    )
    assert list(known.columns(_A) or ()) == ["x", "y"]
    assert known.columns(TableName("db", "a", "v")) is None
    lineage = resolve("SELECT * FROM a.v", "postgres", known, database="db", search_path=())
    assert [str(read.column) for read in lineage.column_reads] == ["db.a.t.y", "db.a.v.k"]
    assert not Catalogue.from_json({}).find(_A, "db", ())


@pytest.mark.parametrize(
    ("dialect", "sql", "source"),
    [
        ("snowflake", "CREATE TABLE N AS SELECT X FROM a.t", None),
        ("snowflake", "CREATE TABLE n AS SELECT x FROM s.tab", TableName("DB", "S", "TAB")),
        ("mysql", "CREATE TABLE n AS SELECT x FROM s.Tab", TableName(None, "s", "Tab")),
        ("bigquery", "CREATE TABLE s.n AS SELECT `x` FROM s.Tab", TableName(None, "s", "Tab")),
        ("duckdb", "CREATE VIEW n AS SELECT x FROM S.TAB", TableName(None, "s", "Tab")),
    ],
)
def test_other_dialects_fold_names_their_own_way(
    dialect: str, sql: str, source: TableName | None
) -> None:
    """Case counts as in the dialect; names come out as the catalogue spells them."""
    known = Catalogue(
        {
            TableName("DB", "S", "TAB"): ["X"],
            **({TableName(None, "s", "Tab"): ["x"]} if dialect != "snowflake" else {}),
        },
        dialect=dialect,
    )
    lineage = resolve(
        sql, dialect, known, database="DB" if dialect == "snowflake" else None, search_path=()
    )
    if source is None:
        assert lineage.problems == ("unknown_table A.T",)
        return
    column = "X" if dialect == "snowflake" else "x"
    assert lineage.reads == (source,)
    (edge,) = (edge for edge in lineage.edges if edge.direct)
    assert isinstance(edge, Edge)
    assert edge.source == ColumnName(source, column)


def test_the_search_path_decides_which_table_is_meant() -> None:
    """The same statement reads another table under another path, and its view another base."""
    known = Catalogue({_A: ["x"], _B: ["x"]}, {TableName("db", "a", "v"): "SELECT x FROM a.t"})
    for path, expected in ((("a", "b"), _A), (("b", "a"), _B)):
        lineage = resolve("SELECT x FROM t", "postgres", known, database="db", search_path=path)
        assert lineage.reads == (expected,)
    lineage = resolve("SELECT x FROM v", "postgres", known, database="db", search_path=("b", "a"))
    assert lineage.through_views == (_A,)
