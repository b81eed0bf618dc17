"""Driver rows to Arrow tables."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.metadata.kinds import ColumnType
from flowkeep.extraction.sources.rows import TABLE_BYTES, TABLE_ROWS, arrow_tables


def converted(kind: ColumnType, *values: Any) -> list[Any]:
    """What the values become in a column of a type."""
    tables = arrow_tables([(value,) for value in values], {"value": kind})
    return [one for table in tables for one in table.column("value").to_pylist()]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("text", "ä\n", "ä\n"),
        ("text", "ä".encode(), "ä"),
        ("text", Decimal("1.50"), "1.50"),
        ("text", dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC), "2026-01-02T03:04:05+00:00"),
        ("text", True, "true"),
        ("text", {"a": ["ä"]}, '{"a": ["ä"]}'),
        ("integer", Decimal(7), 7),
        ("integer", "12", 12),
        ("integer", True, 1),
        ("boolean", 1, True),
        ("boolean", "NO", False),
        ("boolean", b"\x00", False),
        ("list", ["a", 1, None], '["a", "1", null]'),
        ("list", '["a"]', '["a"]'),
    ],
)
def test_values_become_their_column_s_type(kind: ColumnType, value: Any, expected: Any) -> None:
    """What drivers hand out is taken for what it means, and null stays null."""
    assert converted(kind, None, value, None) == [None, expected, None]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", b"\xff"),
        ("text", "\ud800"),
        ("text", object()),
        ("integer", 2**63),
        ("integer", 1.5),
        ("integer", "many"),
        ("integer", float("nan")),
        ("boolean", 2),
        ("boolean", "maybe"),
    ],
)
def test_a_value_that_does_not_fit_names_its_column(kind: ColumnType, value: Any) -> None:
    """It is an error with the column's name, never a null."""
    with pytest.raises(ConfigurationError, match="column value:") as caught:
        converted(kind, value)
    assert caught.value.code == "SOURCE_VALUE"


def test_tables_end_after_rows_or_bytes() -> None:
    """The same rows make the same tables, and one large value does not wait for others."""
    many = [(str(number),) for number in range(TABLE_ROWS + 1)]
    assert [table.num_rows for table in arrow_tables(many, {"v": "text"})] == [TABLE_ROWS, 1]
    large = [("x" * TABLE_BYTES,), ("y",), ("z" * TABLE_BYTES,)]
    assert [table.num_rows for table in arrow_tables(large, {"v": "text"})] == [1, 2]
    assert list(arrow_tables([], {"v": "text"})) == []
