"""Driver rows to Arrow tables: for drivers that hand out Python values, row by row.

A table ends after a fixed number of rows or bytes, whichever comes first, so memory stays flat
however large single values are, and the same rows always make the same tables.
"""

import datetime as dt
import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.metadata.kinds import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

TABLE_ROWS = 10_000
"""Rows after which a table ends."""
TABLE_BYTES = 4 * 1024 * 1024
"""Bytes of text after which it does."""

_TRUE = frozenset({"t", "true", "yes", "y", "1"})
_FALSE = frozenset({"f", "false", "no", "n", "0"})
_SHOWN = 80


def arrow_tables(
    rows: Iterable[Sequence[Any]], columns: Mapping[str, ColumnType]
) -> Generator["pa.Table"]:
    """Yield rows as Arrow tables.

    Args:
        rows: One sequence of values per row, in the order of the columns.
        columns: Columns and their types.

    Raises:
        ConfigurationError: If a value does not fit its column's type; names the column.
    """
    batch: list[Sequence[Any]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(batch) >= TABLE_ROWS or size >= TABLE_BYTES:
            yield _table(batch, columns)
            batch, size = [], 0
    if batch:
        yield _table(batch, columns)


def _table(rows: list[Sequence[Any]], columns: Mapping[str, ColumnType]) -> "pa.Table":
    import pyarrow as pa

    types = {
        "text": pa.large_string(),
        "integer": pa.int64(),
        "boolean": pa.bool_(),
        "list": pa.large_string(),  # as JSON; the transform makes an array of it
    }
    arrays = [
        _array(name, kind, types[kind], values)
        for (name, kind), values in zip(columns.items(), zip(*rows, strict=True), strict=True)
    ]
    return pa.table(arrays, names=list(columns))


def _array(name: str, kind: ColumnType, wanted: "pa.DataType", values: Sequence[Any]) -> "pa.Array":
    import pyarrow as pa

    convert = _CONVERT[kind]
    plain = _PLAIN[kind]
    try:
        if not all(value is None or type(value) is plain for value in values):
            values = [None if value is None else convert(value) for value in values]
        return pa.array(values, type=wanted)
    except (ValueError, TypeError, OverflowError, pa.ArrowException) as error:
        raise ConfigurationError(
            f"a value does not fit its column: column {name}: {str(error)[:_SHOWN]}",
            hint="let the statement return the column's type, and text as UTF-8",
            code="SOURCE_VALUE",
        ) from None


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case bytes() | bytearray() | memoryview():
            return bytes(value).decode()
        case bool():
            return "true" if value else "false"
        case int() | float() | Decimal() | UUID():
            return str(value)
        case dt.date() | dt.time():
            return value.isoformat()
        case dt.timedelta():
            return str(value)
        case list() | tuple() | dict():
            return json.dumps(value, ensure_ascii=False, default=str)
    raise _unfit(value, "text")


def _integer(value: Any) -> int:
    if isinstance(value, str | bytes):
        return int(value)
    if isinstance(value, int | float | Decimal) and value == int(value):
        return int(value)
    raise _unfit(value, "an integer")


def _boolean(value: Any) -> bool:
    if isinstance(value, bytes) and len(value) == 1 and value in (b"\0", b"\1"):  # BIT(1)
        return value == b"\1"
    word = str(value.decode() if isinstance(value, bytes) else value).lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise _unfit(value, "a boolean")


def _list(value: Any) -> str:
    if isinstance(value, list | tuple):
        return json.dumps([None if one is None else _text(one) for one in value])
    return _text(value)


def _unfit(value: Any, wanted: str) -> ValueError:
    return ValueError(f"{repr(value)[:_SHOWN]} is not {wanted}")


_CONVERT: Mapping[ColumnType, Callable[[Any], Any]] = {
    "text": _text,
    "integer": _integer,
    "boolean": _boolean,
    "list": _list,
}
_PLAIN: Mapping[ColumnType, type] = {"text": str, "integer": int, "boolean": bool, "list": str}
"""Types of values that Arrow takes as they are."""
