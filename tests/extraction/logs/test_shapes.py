"""Which statements share a shape, and what is left of one."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.logs.shape import Shape, Shaper, Unreadable, shaper
from flowkeep.extraction.logs.shape_memo import Memo

DIALECTS = ["postgres", "mysql", "snowflake", "bigquery"]


def shape_of(text: str, shapes: Shaper | str = "postgres") -> Shape:
    result = (shaper(shapes) if isinstance(shapes, str) else shapes).shape(text)
    assert isinstance(result, Shape), result
    return result


def keys_of(dialect: str, *texts: str) -> set[str]:
    return {shape_of(text, shaper(dialect)).key for text in texts}


LITERALS = st.one_of(
    st.integers(0, 10**12).map(str),
    st.decimals(0, 10**6, allow_nan=False, places=3).map(str),
    st.text(string.ascii_letters + " -/*?$%;(),é🎉", max_size=30).map(lambda word: f"'{word}'"),
    st.dates().map(lambda day: f"'{day}'"),
)


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=60, deadline=None)
@given(a=LITERALS, b=LITERALS, c=st.lists(LITERALS, min_size=1, max_size=5))
def test_literals_change_neither_key_nor_text(dialect: str, a: str, b: str, c: list[str]) -> None:
    """Whatever the literals are, key and text of a statement stay the same."""

    def statement(a: str, b: str, c: list[str]) -> str:
        listed = ", ".join(c)
        return f"SELECT {a}, x.k FROM t x WHERE x.m = {b} AND x.n IN ({listed}) AND x.o IS NULL"

    shapes = shaper(dialect)
    first = shape_of(statement("1", "'b'", ["3"]), shapes)
    other = shape_of(statement(a, b, c), shaper(dialect))
    assert other.key == first.key
    if len(c) == 1:
        assert other.text == first.text
    assert shape_of(statement(a, b, c), shapes).text == first.text


@settings(max_examples=40, deadline=None)
@given(a=LITERALS, b=LITERALS)
def test_literals_that_the_parser_keeps_change_nothing(a: str, b: str) -> None:
    """In views, tables from queries and utilities the literals do not count either."""
    for statement in (
        "CREATE TABLE u AS SELECT {a} AS k, {b} FROM t",
        "CREATE VIEW v AS SELECT k FROM t WHERE m = {a} OR n < {b}",
        "PREPARE p AS SELECT k FROM t WHERE m = {a}",
        "ALTER TABLE t ALTER k SET DEFAULT {a}",
        "EXECUTE p({a}, {b})",
    ):
        first = shape_of(statement.format(a="1", b="'x'"), shaper("postgres"))
        assert shape_of(statement.format(a=a, b=b), shaper("postgres")) == first


@pytest.mark.parametrize("dialect", DIALECTS)
def test_different_tables_under_one_alias_are_different_shapes(dialect: str) -> None:
    """The table set tells statements apart that look alike otherwise."""
    one, two = shape_of("select x.a from t1 x", dialect), shape_of("select x.a from t2 x", dialect)
    assert one.key != two.key
    assert (one.tables, two.tables) == (((None, None, "t1"),), ((None, None, "t2"),))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_length_of_lists_does_not_count(dialect: str) -> None:
    """IN lists of any length, and any number of rows of VALUES, are one shape."""
    listed = [", ".join(str(n) for n in range(length)) for length in (1, 2, 3, 50, 4_000)]
    assert len(keys_of(dialect, *(f"SELECT a FROM t WHERE b IN ({n})" for n in listed))) == 1
    rows = [", ".join(f"({n}, 'x{n}', NULL)" for n in range(length)) for length in (1, 2, 900)]
    assert len(keys_of(dialect, *(f"INSERT INTO t VALUES {row}" for row in rows))) == 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_spelling_does_not_count_and_the_first_text_stays(dialect: str) -> None:
    """Case of keywords, whitespace, comments and a final semicolon leave the key as it is."""
    shapes = shaper(dialect)
    first = shape_of("select a\n  from t where b = 'x'", shapes)
    for text in (
        "SELECT a FROM t WHERE b = 'y'",
        "/* trace=1 */ Select a From t Where b=3;",
        "select a -- it's\nfrom t where b = 'z' /* \"end */",
    ):
        assert shape_of(text, shapes) is first
    assert first.text
    assert first.text.startswith("select a\n  from t where b = ")


def test_comments_that_differ_share_one_entry() -> None:
    """Trace ids in comments leave no trace in the memory either."""
    from flowkeep.extraction.logs.shapes_postgres import PostgresShaper

    shapes = PostgresShaper()
    for number in range(50):
        shapes.shape(f"SELECT a FROM t WHERE b = {number} /* trace={number} */")
    assert len(shapes._memo) == 1


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("SELECT $3, 'x'", "SELECT $3, $4"),
        ("SELECT a::varchar(10) FROM t ORDER BY 1", "SELECT a::varchar(10) FROM t ORDER BY 1"),
        ("SELECT -1 AS \"it's a name\"", 'SELECT $1 AS "it\'s a name"'),
        ("CREATE TABLE u AS SELECT 'x', a::numeric(10,2) FROM t LIMIT 5 -- c",
         "CREATE TABLE u AS SELECT $1, a::numeric(10,2) FROM t LIMIT $2"),
        ("CREATE VIEW é AS SELECT a::varchar(5), 'é' FROM t",
         "CREATE VIEW é AS SELECT a::varchar(5), $1 FROM t"),
        ("COPY (SELECT 'x' FROM t) TO STDOUT", "COPY (SELECT $1 FROM t) TO STDOUT"),
        ("DO $$ BEGIN END $$", "DO $1"),
        ("DROP TABLE a.b", "DROP TABLE a.b"),
        ("COMMENT ON TABLE s.t IS 'x'", "COMMENT ON TABLE s.t"),
        ("NOTIFY ch, 'x'", "NOTIFY ch"),
        ("ALTER TABLE s.t ALTER a SET DEFAULT 5", "ALTER TABLE s.t"),
        ("CREATE ROLE u PASSWORD 'x' CONNECTION LIMIT 5", "CREATE ROLE u"),
        ("EXECUTE p('x')", "EXECUTE p"),
    ],
)  # fmt: skip
def test_what_is_left_of_a_statement_of_postgresql(statement: str, text: str) -> None:
    """Parameters are counted on, type modifiers and positions stay, utilities lose their text."""
    assert shape_of(statement).text == text


@pytest.mark.parametrize(
    ("statement", "kind", "tables"),
    [
        ("WITH x AS (SELECT 1 FROM a.b) INSERT INTO c SELECT * FROM x", "INSERT", ["a.b", "c"]),
        ("SELECT 1 INTO u FROM t", "SELECT INTO", ["t", "u"]),
        ("CREATE TABLE u AS SELECT * FROM t", "CREATE TABLE AS", ["t", "u"]),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", "CREATE MATERIALIZED VIEW", ["v"]),
        ("BEGIN; UPDATE t SET a = 1; UPDATE t SET a = 2; COMMIT", "BEGIN; UPDATE; COMMIT", ["t"]),
        ("START TRANSACTION", "BEGIN", []),
        ("CREATE USER u", "CREATE ROLE", []),
        ("COPY d.s.t FROM STDIN", "COPY", ["d.s.t"]),
        ("REVOKE SELECT ON t FROM u", "REVOKE", ["t"]),
        ("ALTER TABLE t ADD a int", "ALTER TABLE", ["t"]),
        ("ANALYZE t", "ANALYZE", ["t"]),
        ("RESET x", "RESET", []),
    ],
)
def test_kind_and_tables(statement: str, kind: str, tables: list[str]) -> None:
    """The command is the server's tag for it, several are joined, CTEs are no tables."""
    shape = shape_of(statement)
    assert shape.kind == kind
    assert sorted(".".join(filter(None, table)) for table in shape.tables) == tables


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("SELECT \"x\", a-1, -1 FROM `T` # c", "SELECT ?, a-?, ? FROM `T`"),
        ("SELECT a FROM t WHERE b IN (1, -2, NULL)", "SELECT a FROM t WHERE b IN (?)"),
        ("INSERT INTO t VALUES (1, now()), (2, now())", "INSERT INTO t VALUES (?, now())"),
        ("CALL f('x', 1_000)", "CALL f(?, ?)"),
        ("SELECT a FROM t WHERE b IS NOT NULL", "SELECT a FROM t WHERE b IS NOT NULL"),
    ],
)  # fmt: skip
def test_what_is_left_of_a_statement_of_mysql(statement: str, text: str) -> None:
    """Double quotes are strings there, lists are cut to one member."""
    assert shape_of(statement, "mysql").text == text


def test_case_counts_where_the_dialect_says_so() -> None:
    """Names of MySQL are case-sensitive, those of Snowflake only in quotes."""
    assert len(keys_of("mysql", "select a from t", "select a from T")) == 2
    assert (
        len(keys_of("snowflake", 'select a from t where "b" = 1', "SELECT A FROM t WHERE b = 1"))
        == 2
    )


def test_keys_of_parsers_and_dialects_differ() -> None:
    """A key says which parser and dialect it was made by."""
    assert len({shape_of("select a from t", dialect).key for dialect in DIALECTS}) == 4
    assert shape_of("select 1").parser.startswith("pgparse ")
    assert shape_of("select 1", "mysql").parser.startswith("sqlglot ")


def test_an_unknown_dialect_is_told() -> None:
    """A dialect that does not exist is an error of the configuration."""
    with pytest.raises(ConfigurationError, match="klingon"):
        shaper("klingon")


def test_a_memo_is_bounded_and_keeps_what_is_used() -> None:
    """Its entries stay within its bytes, and one that is asked for all the time is never lost."""
    memo = Memo(200_000)
    often = Unreadable("empty")
    memo.put("often", often)
    for number in range(1_000):
        memo.put(f"{number}" * 50, Unreadable("syntax"))
        assert memo.get("often") is often
        assert len(memo) * 1_000 <= 200_000
    memo.put("x" * 200_000, often)
    assert memo.get("x" * 200_000) is None
