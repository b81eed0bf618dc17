"""What a query extraction makes: kinds of rows, each of which becomes an entity."""

from collections.abc import Mapping

from flowkeep.extraction.metadata.kinds import KINDS, Kind, Reference

_OF_TABLE = ("schema_name", "table_name")
_OF_SOURCE = ("source_database_name", "source_schema_name", "source_table_name")

QUERIES = Kind(
    name="queries",
    type_name="Query",
    columns={
        "database_name": "text",
        "query_key": "text",
        "shape": "text",
        "statement_kind": "text",
        "text": "text",
        "text_dropped": "text",
        "fingerprint": "text",
        "parser": "text",
        "query_id": "text",
        "status": "text",
        "reason": "text",
        "position": "integer",
        "length": "integer",
        "problems": "list",
        "tables_read": "list",
        "tables_written": "list",
        "users": "list",
        "calls": "integer",
        "errors": "integer",
        "rejected": "integer",
        "timed_calls": "integer",
        "duration_us": "integer",
        "fastest_us": "integer",
        "slowest_us": "integer",
        "rows": "integer",
        "first_run_at": "text",
        "last_run_at": "text",
        "place": "text",
        "sample_text": "text",
    },
    identity=("query_key",),
    own_name="query_key",
    tag="query",
    parent="databases",
    parent_identity=("database_name",),
    volatile=frozenset(
        (
            *("users", "calls", "errors", "rejected", "timed_calls", "duration_us", "fastest_us"),
            *("slowest_us", "rows", "first_run_at", "last_run_at", "place", "sample_text"),
            *("length", "position"),
        )
    ),
)
"""One statement, literals apart, in one database; what could not be read or parsed is one too."""

QUERY_USAGE = Kind(
    name="query_usage",
    type_name="Usage",
    columns={
        "database_name": "text",
        "schema_name": "text",
        "table_name": "text",
        "column_name": "text",
        "user_name": "text",
        "day": "text",
        "access": "text",
        "queries": "integer",
        "calls": "integer",
        "errors": "integer",
        "timed_calls": "integer",
        "duration_us": "integer",
        "first_run_at": "text",
        "last_run_at": "text",
        "exact": "boolean",
    },
    identity=(*_OF_TABLE, "column_name", "user_name", "day", "access"),
    tag="usage",
    parent="tables",
    parent_identity=_OF_TABLE,
    volatile=frozenset(
        ("queries", "calls", "errors", "timed_calls", "duration_us", "first_run_at", "last_run_at")
    ),
)
"""How often a user read or wrote a table, or one of its columns, on one day."""

LINEAGE_EDGES = Kind(
    name="lineage_edges",
    type_name="LineageEdge",
    columns={
        "database_name": "text",
        "schema_name": "text",
        "table_name": "text",
        "column_name": "text",
        "source_database_name": "text",
        "source_schema_name": "text",
        "source_table_name": "text",
        "source_column_name": "text",
        "transformation": "text",
        "direct": "boolean",
        "exact": "boolean",
        "queries": "integer",
        "calls": "integer",
        "evidence": "list",
        "first_run_at": "text",
        "last_run_at": "text",
    },
    identity=(*_OF_TABLE, "column_name", *_OF_SOURCE, "source_column_name", "transformation"),
    tag="lineage",
    parent="tables",
    parent_identity=_OF_TABLE,
    volatile=frozenset(("queries", "calls", "evidence", "first_run_at", "last_run_at")),
    references=(Reference("sourceTable", _OF_SOURCE, ("tables",), ("database_name", *_OF_TABLE)),),
)
"""Which column the data of a column comes from, or is decided by, and which queries prove it.

An empty column name means the whole table.
"""

LOG_KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (QUERIES, QUERY_USAGE, LINEAGE_EDGES)}
"""The kinds above by name."""

ALL_KINDS: Mapping[str, Kind] = {**KINDS, **LOG_KINDS}
"""These and the kinds of a catalogue, which they belong to and point to."""
