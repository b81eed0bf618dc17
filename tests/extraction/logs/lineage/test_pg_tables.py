"""Tables in PostgreSQL's parse tree, and their agreement with the resolver's."""

import json

import pytest

from flowkeep.extraction.logs.lineage.model import Catalogue, ParseFailure
from flowkeep.extraction.logs.lineage.pg_tables import tables_of
from flowkeep.extraction.logs.lineage.resolve import resolve
from tests.extraction.logs.lineage.generator import Generator, wide_catalogue


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", ""),
        ('SELECT * FROM a, s.b, db.s.c, "D e"', "a s.b db.s.c D e"),
        ("SELECT * FROM A", "a"),
        ("WITH c AS (SELECT * FROM t) SELECT * FROM c, s.c", "t s.c"),
        ("WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a, b", "b"),
        ("WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a, b", ""),
        ("SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) x, a", "a"),
        ("WITH c AS (SELECT 1) SELECT (SELECT x FROM c) FROM (SELECT * FROM c) d", ""),
        ("WITH t AS (SELECT * FROM u) INSERT INTO t SELECT * FROM t", "t u"),
        ("WITH x AS (DELETE FROM u RETURNING a) UPDATE t SET a = 1 FROM x", "t u"),
        ("MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", "t u"),
        ("SELECT * FROM a UNION (SELECT * FROM b EXCEPT SELECT * FROM c)", "a b c"),
        ("SELECT * FROM generate_series(1, 2) g, f(3)", ""),
        ("SELECT * FROM t x FOR UPDATE OF x", "t"),
        ("SELECT * INTO n FROM t", "n t"),
        ("CREATE TABLE n AS SELECT * FROM t", "n t"),
        ("CREATE RECURSIVE VIEW v (n) AS SELECT 1 UNION SELECT n FROM v", "v"),
        ("CREATE TABLE t (a int REFERENCES u, LIKE w) INHERITS (p)", "t u w p"),
        ("CREATE RULE r AS ON INSERT TO t DO ALSO INSERT INTO u VALUES (new.a)", "t u"),
        ("DROP TABLE a, s.b", "a s.b"),
        ("DROP INDEX i", ""),
        ("TRUNCATE a, ONLY b", "a b"),
        ("COPY t FROM STDIN", "t"),
        ("COPY (SELECT * FROM t) TO STDOUT", "t"),
        ("GRANT SELECT ON t TO x", "t"),
        ("GRANT USAGE ON SEQUENCE q TO x", ""),
        ("ALTER SEQUENCE q RESTART", ""),
        ("EXPLAIN SELECT * FROM t", "t"),
        ("DECLARE c CURSOR FOR SELECT * FROM t", "t"),
        ("SELECT * FROM a; DELETE FROM b", "a b"),
    ],
)
def test_tables_are_those_that_are_named(sql: str, expected: str) -> None:
    """Tables are found as written; CTEs where they are visible, aliases and sequences are not."""
    names = {".".join(part for part in name if part) for name in tables_of(sql)}
    assert names == {word.replace("D_e", "D e") for word in expected.replace("D e", "D_e").split()}


@pytest.mark.parametrize(
    ("sql", "code", "position"),
    [
        ("SELECT a FROM t WHERE", "truncated", 22),
        ("SELECT 'secret", "truncated", 8),
        ('SELECT "secret', "truncated", 8),
        ("SELECT /* secret", "truncated", 8),
        ("SELECT $$secret", "truncated", 8),
        ("SELECT secret FROM FROM t", "syntax", 20),
        ("secret", "syntax", 1),
        ("SELECT 1" + " UNION SELECT 1" * 5_000, "too_deep", None),
        ("SELECT " + "(" * 50_000, "too_deep", 10_004),
    ],
)
def test_a_failure_says_where_and_why(sql: str, code: str, position: int | None) -> None:
    """What cannot be parsed raises a code and a position, and nothing of the text."""
    with pytest.raises(ParseFailure) as raised:
        tables_of(sql)
    assert (raised.value.code, raised.value.position) == (code, position)
    assert "secret" not in f"{raised.value!r} {raised.value} {raised.value.__cause__}"


@pytest.mark.parametrize("seed", range(4))
def test_both_parsers_agree_on_generated_statements(seed: int) -> None:
    """Of 500 statements of all kinds the resolver names what PostgreSQL's parser names."""
    catalogue = Catalogue(wide_catalogue(200))
    statements = list(Generator(seed, 200).statements(500))
    assert len(set(statements)) > 450
    for sql in statements:
        lineage = resolve(sql, "postgres", catalogue, database="shop", search_path=("public",))
        assert set(lineage.names) == tables_of(sql)
        assert not lineage.problems, sql
        found = {*lineage.reads, *lineage.writes}
        assert {name[1:] for name in found} == {name[1:] for name in lineage.names}
        json.dumps(lineage.to_json())
