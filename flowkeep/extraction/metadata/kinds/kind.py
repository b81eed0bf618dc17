"""What a kind of object is: its raw columns, what names one, what holds it, what it points to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ColumnType = Literal["text", "integer", "boolean", "list"]
"""Type of a raw column; a `list` is a JSON array of texts, and an array in the entities."""

OF_TABLE: Mapping[str, ColumnType] = {
    "database_name": "text",
    "schema_name": "text",
    "table_name": "text",
    "table_oid": "integer",
    "table_type": "text",
}
"""Raw columns of what a table is or has."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Raw columns that name an object which is not the parent.

    Attributes:
        name: Name of the relationship, for example `referencedTable`.
        columns: Raw columns that name the object; all null where there is none.
        kinds: Kinds it may be of.
        target: Raw columns of these kinds that hold the same names, in the same order.
    """

    name: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    target: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object.

    Attributes:
        name: As in keys and manifests, for example `columns`.
        type_name: `typeName` of its entities, for example `Column`.
        columns: Raw columns and their types. A statement may leave out those that name nothing
            and may add its own; the additions become attributes.
        identity: Raw columns that together name one object of a database.
        own_name: Raw column that becomes the attribute `name`; None where several name it.
        tag: Stands in qualified names where kinds that share a parent may share a name.
        parent: Kind that holds this one, or None.
        parent_identity: Raw columns that name the parent, in the order of the parent's identity.
        volatile: Raw columns left out of the content hash, because they change although the
            object as people see it has not.
        references: Other objects that the raw columns name.
    """

    name: str
    type_name: str
    columns: Mapping[str, ColumnType]
    identity: tuple[str, ...]
    own_name: str | None = None
    tag: str | None = None
    parent: str | None = None
    parent_identity: tuple[str, ...] = ()
    volatile: frozenset[str] = field(default_factory=frozenset)
    references: tuple[Reference, ...] = ()
