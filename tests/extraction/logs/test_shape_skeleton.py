"""Names under which shapes are remembered."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks._statements import executions, shapes
from flowkeep.extraction.logs.shape import Shape
from flowkeep.extraction.logs.shape_skeleton import skeleton
from flowkeep.extraction.logs.shapes_postgres import PostgresShaper
from tests.extraction.logs.canaries import CANARY, POSTGRES

PIECES = (
    *("SELECT a", " FROM t", " WHERE b = ", "'x'", "''", "'it''s'", "E'\\''", "e'\\\\'", "'\\'"),
    *("$$a'b$$", "$t$ $$ $t$", "$1", "12", "1.5", "-3", "1e5", "t1", '"a\'b"', '"q"', "date'2'"),
    *(" -- it's\n", "/* ' */", "/* /* */ */", " IN (1, 2)", " IN ('a')", ", ", "(", ")", ";", "\n"),
    *(
        "U&'\\0041'",
        "B'1'",
        "name'x'",
        "_e'x'",
        "$",
        "$a$",
        "--",
        "*/",
        "'",
        '"',
        " AND c = ",
        "a$1",
    ),
)
"""What statements are made of, and what breaks them."""


def key_of(shaper: PostgresShaper, text: str) -> str:
    """What the parser alone says of a text."""
    found = shaper._shape(text)
    return found.key if isinstance(found, Shape) else found.reason


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=12), st.data())
@settings(max_examples=400)
def test_one_name_is_one_shape(pieces: list[str], data: st.DataObject) -> None:
    """Texts of one name have one key; literals put in the place of others keep both."""
    other = [
        data.draw(st.sampled_from(("'y'", "'it''s'", "''")))
        if piece in ("'x'", "'it''s'")
        else piece
        for piece in pieces
    ]
    one, two = "".join(pieces), "".join(other)
    if skeleton(one) is not None and skeleton(one) == skeleton(two):
        shaper = PostgresShaper()
        assert key_of(shaper, one) == key_of(shaper, two)


def test_generated_statements_of_one_name_have_one_shape() -> None:
    """Over thousands of statements with literals in every style no name stands for two keys."""
    shaper = PostgresShaper()
    keys: dict[str, set[str]] = {}
    for execution in executions(3_000, seed=7, shapes=shapes()):
        name, shape = skeleton(execution.text), shaper._shape(execution.text)
        assert isinstance(shape, Shape)
        if name is not None and not shape.dropped:  # else its key is that of its words
            keys.setdefault(name, set()).add(shape.key)
    assert len(keys) > 100
    assert {name: found for name, found in keys.items() if len(found) > 1} == {}


@pytest.mark.parametrize("text", POSTGRES)
def test_names_hold_no_literal_of_plain_statements(text: str) -> None:
    """A name is made for most statements, and other literals give the same one."""
    one, two = skeleton(text), skeleton(text.replace(CANARY, CANARY[::-1]))
    if one is not None and two is not None and CANARY not in one:
        assert one == two


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("INSERT INTO o SELECT a, b FROM t", "INSERT INTO o SELECT b, a FROM t"),
        ("CREATE TABLE o AS SELECT a AS x FROM t", "CREATE TABLE o AS SELECT a AS y FROM t"),
        ("SELECT a.c FROM t1 a JOIN t2 b USING (i)", "SELECT a.c FROM t1 b JOIN t2 a USING (i)"),
        ('SELECT 1 FROM "a  b"', 'SELECT 1 FROM "a b"'),
        ("SELECT 1 FROM t1 -- x\r, t2", "SELECT 1 FROM t1 -- x\r, t3"),
        ("SELECT a FROM t😀1 -- x", "SELECT a FROM t😀2 -- x"),
        ("SELECT a FROM ٣", "SELECT a FROM ٤"),
        ("SELECT a FROM é$1", "SELECT a FROM é$2"),
        ("SELECT a AS É FROM t", "SELECT a AS é FROM t"),
        ("SELECT éIN (1, 2)", "SELECT éIN (1)"),
        ("SELECT a FROM t WHERE b IN (1 + c)", "SELECT a FROM t WHERE b IN (1, 2 + c)"),
        ("SELECT s.in(1)", "SELECT s.in(1, 2)"),
        (
            'CREATE VIEW v AS SELECT \'"\' a FROM "t $1"',
            'CREATE VIEW v AS SELECT \'"\' a FROM "t $2"',
        ),
        ("SELECT $١$5 -- x$١$ a FROM t", "SELECT $١$5 -- x$١$ a FROM u"),
        ("SELECT a AS b\u00a0c", "SELECT a AS b"),
        ('SELECT "x $1" FROM t', 'SELECT "x $2" FROM t'),
    ],
)
def test_statements_with_other_lineage_stay_apart(one: str, two: str) -> None:
    """What the parser's fingerprint, or a careless name, would merge has two keys."""
    shaper = PostgresShaper()
    keys = {found.key for text in (one, two) if isinstance(found := shaper.shape(text), Shape)}
    assert len(keys) == 2


def test_a_failure_says_nothing_of_other_literals() -> None:
    """A statement that cannot be read does not make others fail that differ in a literal."""
    shaper = PostgresShaper()
    for broken, right in (
        ("SELECT interval 5 day FROM t", "SELECT interval '5' day FROM t"),
        ("SELECT 'a' 'b' FROM t", "SELECT 'a'\n'b' FROM t"),
    ):
        assert not isinstance(shaper.shape(broken), Shape)
        assert isinstance(shaper.shape(right), Shape)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("SELECT a , b FROM t WHERE c=1", "select a,b\nfrom t where c = 22"),
        ("INSERT INTO t VALUES (1,2)", "INSERT INTO t VALUES (1, 2), (3, 4), (5, 6)"),
        ("SELECT a FROM t WHERE b IN (1)", "SELECT a FROM t WHERE b IN (-1, 2, 3)"),
        ('SELECT "A" FROM t -- x', 'SELECT  "A"  FROM T;'),
        ("SELECT a FROM t", "\n    SELECT a\n    FROM t\n    "),
        ("SELECT a FROM t WHERE b = '1'", "\t/* x */ SELECT a FROM t WHERE b = '2'\n;\n"),
        ('SELECT "A" FROM t', ' SELECT "A" FROM t ; '),
        ("DO $$a$$", "DO $$b$$ ;"),
        ("COMMENT ON TABLE t IS 'x'", "COMMENT ON TABLE t IS 'y' ;"),
        ("SELECT 1", "SELECT\f2\v;"),
        ("SELECT größe FROM t WHERE b IN (1)", "select größe\n from T where b in (2, 3)"),
        ('SELECT a AS "Größe" FROM t WHERE b=1', 'select a as "Größe"\nFROM t WHERE b = 2;'),
    ],
)
def test_layout_and_lists_say_nothing(one: str, two: str) -> None:
    """White space, case, comments, lengths of lists and numbers of rows leave the key alike.

    Each is shaped by a process that has not seen the other.
    """
    found = [PostgresShaper().shape(text) for text in (one, two)]
    keys = {shape.key for shape in found if isinstance(shape, Shape)}
    assert len(keys) == 1
