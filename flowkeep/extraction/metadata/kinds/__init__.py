"""The kinds of object that are extracted."""

from collections.abc import Iterable, Mapping

from flowkeep.errors import InvalidInput
from flowkeep.extraction.metadata.kinds.containers import DATABASES, SCHEMAS
from flowkeep.extraction.metadata.kinds.kind import ColumnType, Kind, Reference
from flowkeep.extraction.metadata.kinds.relations import COLUMNS, TABLES, VIEW_DEPENDENCIES
from flowkeep.extraction.metadata.kinds.schema_parts import PROCEDURES, SEQUENCES, TYPES
from flowkeep.extraction.metadata.kinds.table_parts import CONSTRAINTS, INDEXES, TRIGGERS

__all__ = ["KINDS", "ColumnType", "Kind", "Reference", "kind_named", "missing_columns"]

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        DATABASES,
        SCHEMAS,
        TABLES,
        COLUMNS,
        PROCEDURES,
        CONSTRAINTS,
        INDEXES,
        SEQUENCES,
        TRIGGERS,
        TYPES,
        VIEW_DEPENDENCIES,
    )
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
