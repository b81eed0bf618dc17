"""Statements that are made to break parsers: no exception, no crash, no literal."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from flowkeep.extraction.logs.shape import Shape, Unreadable, shaper

_SECRET = "s3cr3t"
_VALUE = f"'{_SECRET}'"
_STACK_BYTES = 2 * 1024 * 1024
"""The smallest stack that threads usually have."""

HOSTILE = {
    "list": f"SELECT a FROM t WHERE b IN ({', '.join([_VALUE] * 9_000)})",
    "rows": f"INSERT INTO t VALUES {', '.join([f'({_VALUE}, 5)'] * 20_000)}",
    "columns": f"SELECT {', '.join(f'c{n}' for n in range(10_000))}, {_VALUE} FROM t",
    "brackets": f"SELECT {'(' * 5_000}{_VALUE}{')' * 5_000}",
    "open brackets": f"SELECT {_VALUE}, {'(' * 100_000}",
    "closed brackets": f"SELECT {_VALUE} {')' * 100_000}",
    "subqueries": f"SELECT * FROM {'(SELECT * FROM ' * 2_000}t{') x' * 2_000} LIMIT {_VALUE}",
    "unions": " UNION ALL ".join([f"SELECT {_VALUE} FROM t"] * 5_000),
    "ors": f"SELECT a FROM t WHERE {' OR '.join([f'b = {_VALUE}'] * 20_000)}",
    "sum": f"SELECT {'a+' * 50_000}{_VALUE}",
    "long sum": f"SELECT {'a+' * 400_000}{_VALUE}",
    "sums in brackets": f"SELECT {'(' * 500}a{('+a' * 200 + ')') * 500} || {_VALUE}",
    "casts": f"SELECT {_VALUE}{'::text' * 40_000}",
    "nulls": f"SELECT {_VALUE}{' ISNULL' * 40_000}",
    "joins": f"SELECT {_VALUE} FROM t{' NATURAL JOIN t' * 30_000}",
    "between": f"SELECT {_VALUE}{' BETWEEN a AND b ISNULL' * 20_000}",
    "cases": f"SELECT {'CASE WHEN a THEN ' * 5_000}{_VALUE}{' END' * 5_000}",
    "calls": f"SELECT {'f(' * 5_000}{_VALUE}{')' * 5_000}",
    "nots": f"SELECT {'NOT ' * 50_000}{_VALUE}",
    "signs": f"SELECT {'- ' * 50_000}5, {_VALUE}",
    "arrays": f"SELECT {'ARRAY[' * 5_000}{_VALUE}{']' * 5_000}",
    "statements": f"SELECT {_VALUE};" * 20_000,
    "semicolons": ";" * 100_000,
    "comments": f"/* {_SECRET} " * 20_000 + "*/" * 20_000,
    "dashes": f"SELECT a -- {_VALUE}\n" * 5_000,
    "quotes": "'" * 99_999,
    "dollars": f"SELECT $a${_SECRET}" * 5_000,
    "dollar names": f"SELECT a$$+{'a+' * 30_000}a$$, {_VALUE}",
    "nul": f"SELECT 1\0, {_VALUE}",
    "surrogates": f"SELECT '\ud800\udc80{_SECRET}', \"\udcff\" FROM t",
    "surrogates in a long text": f"SELECT '\udc80{_SECRET * 3_000}' FROM t",
    "replacements": f"SELECT '\ufffd{_SECRET}' FROM \ufffd",
    "escape": f"SELECT E'\\xZZ\\u12{_SECRET}'",
    "bad identifier": f'SELECT U&"\\00" , \'{_SECRET}\'',
    "controls": f"SELECT\x01\x02 {_VALUE}\x7f\u2028",
    "names": f"DROP TABLE {'.'.join('abcdefgh')}",
    "parameter": f"SELECT ${'9' * 5_000}, {_VALUE}",
    "long name": f"SELECT \"{'n' * 100_000}\", {_VALUE}",
}  # fmt: skip


def in_small_stack(work: Callable[[], object]) -> None:
    """Run something in a thread with little stack, and raise what it raises."""
    before = threading.stack_size(_STACK_BYTES)
    try:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(work).result()
    finally:
        threading.stack_size(before)


@pytest.mark.parametrize("dialect", ["postgres", "mysql"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_statement_is_shaped_or_refused(dialect: str, name: str) -> None:
    """Each gives a shape or a reason within seconds, and shows nothing of its literals."""

    def work() -> None:
        began = time.monotonic()
        result = shaper(dialect).shape(HOSTILE[name])
        assert isinstance(result, Shape | Unreadable)
        assert _SECRET not in repr(result)
        assert time.monotonic() - began < 60
        repr(result).encode()

    in_small_stack(work)


@pytest.mark.parametrize("name", ["list", "rows", "columns", "ors", "statements"])
def test_what_is_only_long_is_shaped(name: str) -> None:
    """Length alone is no reason to refuse a statement of PostgreSQL."""
    result = shaper("postgres").shape(HOSTILE[name])
    assert isinstance(result, Shape)
    assert result.dropped is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Unreadable("empty")),
        (" ;; -- nothing", Unreadable("empty")),
        ("SELECT 'a", Unreadable("truncated", 7)),
        ("SELECT a FROM", Unreadable("truncated", 13)),
        ("SELECT FROM FROM t", Unreadable("syntax", 12)),
        ("SELECT 1\0", Unreadable("syntax", 8)),
        (HOSTILE["sum"], Unreadable("too_deep")),
        ("SELECT 1" + " " * 2_000, Unreadable("too_long")),
        ("SELECT 'é" + "é" * 600 + "'", Unreadable("too_long")),
    ],
)
def test_why_a_statement_has_no_shape(text: str, expected: Unreadable) -> None:
    """Each reason comes with the place where the parser stopped, if there is one."""
    limit = 1_000 if expected.reason == "too_long" else 1_000_000
    assert shaper("postgres", limit).shape(text) == expected


def test_a_long_text_with_a_nul_is_not_cut_at_it() -> None:
    """What stands behind a NUL is not silently left out."""
    assert shaper("postgres").shape("SELECT 1\0" + "x" * 9_000) == Unreadable("syntax", 8)
