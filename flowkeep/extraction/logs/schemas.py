"""The columns of the files that pass from one activity to the next."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

USAGE = {
    "key": "string",
    "user": "string",
    "database": "string",
    "day": "int32",
    "calls": "int64",
    "errors": "int64",
    "rejected": "int64",
    "timed": "int64",
    "duration": "int64",
    "fastest": "int64",
    "slowest": "int64",
    "rows": "int64",
    "first": "int64",
    "last": "int64",
}
"""How often a shape ran, for whom, where and on which day.

`day` counts days since 1970 UTC and is null where the log has no time; `timed` counts the
executions that `duration` (microseconds) adds up; `fastest` and `slowest` are single executions;
`first` and `last` are microseconds since 1970 UTC.
"""

SHAPES = {
    "key": "string",
    "shape": "string",
    "database": "string",
    "query_id": "int64",
    "kind": "string",
    "fingerprint": "string",
    "parser": "string",
    "text": "string",
    "dropped": "string",
    "tables": "string",
    "failure": "string",
    "position": "int64",
    "length": "int64",
    "sample": "string",
    "place": "string",
    "first": "int64",
}
"""What a shape is: one row per shape and database.

`key` names it; `shape` is the same in all databases; `tables` is a JSON list of database, schema
and table; `failure` says why the statement could not be shaped, `dropped` why its text is missing;
`place` is where in the source it was first seen, at the time `first`.
"""

ACCESS = {
    "key": "string",
    "table_database": "string",
    "table_schema": "string",
    "table_name": "string",
    "column": "string",
    "access": "string",
    "exact": "bool",
}
"""What a shape reads and writes: one row per table (null column) and per column.

`access` is `read`, `write`, or `unknown` where the statement could not be parsed to the end.
"""

EDGES = {
    "key": "string",
    "from_database": "string",
    "from_schema": "string",
    "from_table": "string",
    "from_column": "string",
    "to_database": "string",
    "to_schema": "string",
    "to_table": "string",
    "to_column": "string",
    "direct": "bool",
    "transformation": "string",
    "exact": "bool",
}
"""From which column to which a shape carries data, or by which it decides about it."""

PARSED = {
    "key": "string",
    "status": "string",
    "reason": "string",
    "kind": "string",
    "problems": "string",
    "cached": "bool",
}
"""How parsing a shape ended.

`status` is `parsed`, `failed`, or `utility` for statements that neither read nor write tables;
`problems` is a JSON list of codes and names.
"""


def arrow_schema(columns: dict[str, str]) -> "pa.Schema":
    """Return the Arrow schema of one of the tables above."""
    import pyarrow as pa

    types = {
        "string": pa.large_string(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "bool": pa.bool_(),
    }
    return pa.schema([(name, types[kind]) for name, kind in columns.items()])
