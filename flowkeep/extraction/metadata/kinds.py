"""The kinds of object that are extracted: their raw columns, what names one, what holds it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from flowkeep.errors import InvalidInput

ColumnType = Literal["text", "integer", "boolean"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object.

    Attributes:
        name: As in keys and manifests, for example `columns`.
        columns: Raw columns and their types. A statement may leave out those that name nothing
            and may add its own; the additions become attributes.
        identity: Raw columns that together name one object of a database.
        parent: Kind that holds this one, or None.
        parent_identity: Raw columns that name the parent, in the order of the parent's identity.
        volatile: Raw columns left out of the content hash, because they change although the
            object as people see it has not.
    """

    name: str
    columns: Mapping[str, ColumnType]
    identity: tuple[str, ...]
    parent: str | None = None
    parent_identity: tuple[str, ...] = ()
    volatile: frozenset[str] = field(default_factory=frozenset)


DATABASES = Kind(
    name="databases",
    columns={
        "database_name": "text",
        "database_oid": "integer",
        "owner": "text",
        "encoding": "text",
        "collation": "text",
        "character_type": "text",
        "connection_limit": "integer",
        "comment": "text",
    },
    identity=("database_name",),
    volatile=frozenset({"database_oid"}),
)

SCHEMAS = Kind(
    name="schemas",
    columns={
        "database_name": "text",
        "schema_name": "text",
        "schema_oid": "integer",
        "owner": "text",
        "is_system": "boolean",
        "comment": "text",
    },
    identity=("schema_name",),
    volatile=frozenset({"schema_oid"}),
)

TABLES = Kind(
    name="tables",
    columns={
        "database_name": "text",
        "schema_name": "text",
        "table_name": "text",
        "table_oid": "integer",
        "table_type": "text",
        "owner": "text",
        "persistence": "text",
        "is_partition": "boolean",
        "partition_of_schema": "text",
        "partition_of_table": "text",
        "partition_bound": "text",
        "partition_key": "text",
        "has_row_security": "boolean",
        "options": "text",
        "view_definition": "text",
        "comment": "text",
    },
    identity=("schema_name", "table_name"),
    parent="schemas",
    parent_identity=("schema_name",),
    volatile=frozenset({"table_oid"}),
)

COLUMNS = Kind(
    name="columns",
    columns={
        "database_name": "text",
        "schema_name": "text",
        "table_name": "text",
        "table_oid": "integer",
        "table_type": "text",
        "column_name": "text",
        "ordinal_position": "integer",
        "data_type": "text",
        "type_schema": "text",
        "type_name": "text",
        "is_nullable": "boolean",
        "column_default": "text",
        "identity_generation": "text",
        "generation": "text",
        "generation_expression": "text",
        "collation": "text",
        "is_inherited": "boolean",
        "comment": "text",
    },
    identity=("schema_name", "table_name", "column_name"),
    parent="tables",
    parent_identity=("schema_name", "table_name"),
    volatile=frozenset({"table_oid"}),
)

PROCEDURES = Kind(
    name="procedures",
    columns={
        "database_name": "text",
        "schema_name": "text",
        "procedure_name": "text",
        "procedure_oid": "integer",
        "procedure_type": "text",
        "signature": "text",
        "arguments": "text",
        "result_type": "text",
        "language": "text",
        "owner": "text",
        "volatility": "text",
        "parallel_safety": "text",
        "is_strict": "boolean",
        "is_security_definer": "boolean",
        "returns_set": "boolean",
        "definition": "text",
        "comment": "text",
    },
    identity=("schema_name", "procedure_name", "signature"),
    parent="schemas",
    parent_identity=("schema_name",),
    volatile=frozenset({"procedure_oid"}),
)

KINDS: Mapping[str, Kind] = {
    kind.name: kind for kind in (DATABASES, SCHEMAS, TABLES, COLUMNS, PROCEDURES)
}
"""All kinds by name; a parent comes before what it holds."""


def kind_named(name: str, kinds: Mapping[str, Kind] = KINDS) -> Kind:
    """Return a kind by its name.

    Raises:
        InvalidInput: If there is none; lists those there are.
    """
    if name not in kinds:
        raise InvalidInput(f"there is no kind {name!r}", hint=f"use one of {', '.join(kinds)}")
    return kinds[name]


def missing_columns(kind: Kind, present: Iterable[str]) -> list[str]:
    """Return the columns that name an object, its database or its parent and are not there."""
    have = set(present)
    wanted = dict.fromkeys(("database_name", *kind.identity, *kind.parent_identity))
    return [name for name in wanted if name not in have]
