"""No literal and no comment gets into a shape, whatever the statement."""

import logging

import pytest

from flowkeep.extraction.logs.shape import Shape, Unreadable, shaper
from tests.extraction.logs.canaries import CANARY, MYSQL, NUMBER, POSTGRES


@pytest.mark.parametrize(
    ("dialect", "statements"),
    [("postgres", POSTGRES), ("mysql", MYSQL), ("mysql", POSTGRES), ("snowflake", POSTGRES)],
)
def test_no_canary_is_in_any_result(
    dialect: str, statements: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A canary in any literal or comment is in no field of a shape, and in no log line."""
    assert len(set(statements)) >= (120 if statements is POSTGRES else 20)
    shapes = shaper(dialect)
    with caplog.at_level(logging.DEBUG):
        for statement in statements:
            assert CANARY in statement or NUMBER in statement
            result = shapes.shape(statement)
            assert NUMBER not in repr(result), statement.replace(NUMBER, "")
    assert NUMBER not in caplog.text


@pytest.mark.parametrize(("dialect", "statements"), [("postgres", POSTGRES), ("mysql", MYSQL)])
def test_a_key_knows_nothing_of_a_literal(dialect: str, statements: list[str]) -> None:
    """Another canary gives equal shapes: hashes too are made of what is not secret."""
    for statement in statements:
        other = statement.replace(NUMBER, "1934842")
        assert shaper(dialect).shape(other) == shaper(dialect).shape(statement), statement


@pytest.mark.parametrize("dialect", ["postgres", "mysql"])
def test_a_truncated_statement_shows_nothing(dialect: str) -> None:
    """Cut at any character, a statement has no literal in its result and raises nothing."""
    sample = (
        f"/* {CANARY} */ INSERT INTO s.t (a) SELECT '{CANARY}' || b, E'it''s {CANARY}', {NUMBER} "
        f"FROM u JOIN v USING (c) WHERE d = '{CANARY}' "
        f"AND e IN ('{CANARY}', '{CANARY}') -- {CANARY}"
    )
    shapes = shaper(dialect)
    reasons = set()
    for end in range(len(sample)):
        result = shapes.shape(sample[:end])
        reasons.add(getattr(result, "reason", None))
        assert "731" not in repr(getattr(result, "text", None)), end
        assert "cana" not in repr(result), end
    assert {"empty", "truncated"} < reasons


def test_most_statements_keep_their_text() -> None:
    """Queries and changes stay readable: only what cannot be redacted is dropped."""
    shapes = shaper("postgres")
    results = [shapes.shape(f"SELECT '{n}' FROM t{n}") for n in range(3)]
    assert [r.text for r in results if isinstance(r, Shape)] == [
        "SELECT $1 FROM t0",
        "SELECT $1 FROM t1",
        "SELECT $1 FROM t2",
    ]
    read = [r for s in POSTGRES if isinstance(r := shapes.shape(s), Shape)]
    assert len(read) > 0.9 * len(POSTGRES)
    queries = [r for r in read if r.kind in ("SELECT", "UPDATE", "CREATE TABLE AS", "INSERT")]
    assert sum(r.dropped is None for r in queries) > 0.9 * len(queries)


@pytest.mark.parametrize("marker", ["<redacted>", "<insufficient privilege>", "[REDACTED]"])
@pytest.mark.parametrize("dialect", ["postgres", "snowflake"])
def test_a_marker_of_the_source_is_told_from_an_error(dialect: str, marker: str) -> None:
    """What a server writes in the place of a statement is counted as such."""
    assert shaper(dialect).shape(f" {marker}\n") == Unreadable("redacted_at_source")
