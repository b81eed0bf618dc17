"""Lineage of statements in the manner of PostgreSQL's regression suite, against truth by hand."""

from typing import Any

import pytest

from flowkeep.extraction.logs.lineage.pg_tables import tables_of
from flowkeep.extraction.logs.lineage.resolve import resolve
from tests.extraction.logs.lineage.truth import (
    DATABASE,
    SEARCH_PATH,
    Case,
    cases,
    catalogue,
    found,
)

KNOWN_MISSES = {
    "SELECT q.id FROM v JOIN w USING (id) AS q": "the parser knows no alias behind USING",
    'SELECT U&"\\0061" FROM t': "the parser takes an identifier with escapes for an operation",
}
CASES = cases()


def _found(case: Case) -> Case:
    lineage = resolve(case.sql, "postgres", catalogue(), database=DATABASE, search_path=SEARCH_PATH)
    return found(case, lineage)


def _differences(case: Case) -> dict[str, Any]:
    result = _found(case)
    return {
        part: (getattr(case, part), getattr(result, part))
        for part in vars(case)
        if getattr(case, part) != getattr(result, part)
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sql[:60])
def test_lineage_is_the_truth(case: Case) -> None:
    """Tables, columns read and written, edges and problems of each statement are exactly right."""
    differences = _differences(case)
    if case.sql in KNOWN_MISSES:
        assert differences, "it is right now: take it out of KNOWN_MISSES"
    else:
        assert not differences


def test_misses_are_few_and_listed() -> None:
    """At most one statement in a hundred is a miss, and each miss is one of the cases."""
    assert len(CASES) >= 150
    assert len({case.sql for case in CASES}) == len(CASES)
    assert {case.sql for case in CASES} >= set(KNOWN_MISSES)
    assert len(KNOWN_MISSES) <= len(CASES) / 100


@pytest.mark.parametrize("miss", KNOWN_MISSES)
def test_a_miss_tells_no_columns_and_says_so(miss: str) -> None:
    """Of a statement that is not understood the tables are right, and no column is made up."""
    (case,) = (case for case in CASES if case.sql == miss)
    result = _found(case)
    named = case.tables["reads"] | case.tables["writes"]
    assert result.tables["reads"] | result.tables["writes"] == named
    assert result.tables["writes"] == case.tables["writes"]
    assert not result.column_reads | result.column_writes | result.edges
    assert result.problems == {f"unsupported_syntax {case.kind}"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sql[:60])
def test_tables_are_those_of_postgresql(case: Case) -> None:
    """The names the resolver found are those in PostgreSQL's own parse tree, for every case."""
    lineage = resolve(case.sql, "postgres", catalogue(), database=DATABASE, search_path=SEARCH_PATH)
    assert set(lineage.names) == tables_of(case.sql)
    assert not any(problem.startswith("tables_disagree") for problem in lineage.problems)
