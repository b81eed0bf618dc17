"""Comments taken out of statements by their characters."""

import pgparse
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowkeep.extraction.logs.shape_comments import removed
from tests.extraction.logs.test_shape_skeleton import PIECES

COMMENTS = ("/* a */", "/**/", "--\n", "-- it's\r", '/* " */', "/* $$ */", "/* -- */", "-- */\n")


def fingerprint(text: str) -> str | None:
    """PostgreSQL's own opinion of a text; None where it refuses it."""
    try:
        return str(pgparse.fingerprint(text))
    except pgparse.PGQueryError:
        return None


@given(st.lists(st.sampled_from(PIECES + COMMENTS), min_size=1, max_size=12))
@settings(max_examples=1000)
def test_a_statement_means_the_same_without_comments(pieces: list[str]) -> None:
    """What is left of any statement that PostgreSQL reads has no comment and the same meaning."""
    text = "".join(pieces)
    known, bare = fingerprint(text), removed(text)
    if known is not None:
        assert fingerprint(bare) == known
        assert removed(bare) == bare


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("/* x */ SELECT a -- it's\n, b", "SELECT a \n, b"),
        ("SELECT a-/* x */-b", "SELECT a- -b"),
        ('SELECT "/* a */", "b -- c" FROM t -- d', 'SELECT "/* a */", "b -- c" FROM t'),
        ("SELECT a/*1*//*2*/\n/*3*/FROM t", "SELECT a \n FROM t"),
        ("SELECT a\u00a0/* x */ FROM t", "SELECT a\u00a0 FROM t"),
        ("SELECT $1/* ' */", "SELECT $1"),
        ("/**/", ""),
        ("SELECT '/* a */', 'it''s' -- b", "SELECT '/* a */', 'it''s'"),
        ("SELECT $$ -- $$, $a$ /* $a$ -- b", "SELECT $$ -- $$, $a$ /* $a$"),
        ("SELECT E'\\' -- a' -- b", "SELECT E'\\' -- a'"),
        ("SELECT E'a' -- b\n, c", "SELECT E'a' \n, c"),
        ("SELECT E'a' \n\t'\\' -- b' -- c", "SELECT E'a' \n\t'\\' -- b'"),
        ("SELECT a$$/* b */, $é$ -- $é$", "SELECT a$$ , $é$ -- $é$"),
        ("SELECT a /* b /* c */ d */, e", "SELECT a , e"),
        ("SELECT a -- /* b\n, c", "SELECT a \n, c"),
        ("SELECT a ||/* b */ c", "SELECT a || c"),
    ],
)
def test_what_is_left(text: str, bare: str) -> None:
    """Each comment becomes a space, names and strings keep theirs."""
    assert removed(text) == bare
