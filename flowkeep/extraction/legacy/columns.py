"""Names of columns that SQL from elsewhere returns, and the raw columns they stand for.

Most are those of the SQL standard's information schema, in any case.
"""

from collections.abc import Iterable, Mapping

from flowkeep.extraction.metadata.kinds import Kind

_DATABASE = ("table_catalog", "catalog_name", "database", "datname", "name")
_SCHEMA = ("table_schema", "schema", "nspname")
_ALIASES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "databases": {
        "database_name": _DATABASE,
        "owner": ("database_owner",),
    },
    "schemas": {
        "database_name": _DATABASE[:-1],
        "schema_name": (*_SCHEMA, "name"),
        "owner": ("schema_owner",),
    },
    "tables": {
        "database_name": _DATABASE[:-1],
        "schema_name": ("table_schema", "schema_name", "table_schem"),
        "table_name": ("name",),
        "table_type": ("table_kind",),
        "owner": ("table_owner",),
    },
    "columns": {
        "database_name": _DATABASE[:-1],
        "schema_name": ("table_schema", "table_schem"),
        "column_name": ("name",),
        "collation": ("collation_name",),
    },
    "procedures": {
        "database_name": ("procedure_catalog", "routine_catalog", "specific_catalog"),
        "schema_name": ("procedure_schema", "routine_schema", "specific_schema"),
        "procedure_name": ("routine_name",),
        "procedure_type": ("routine_type",),
        "signature": ("specific_name",),
        "result_type": ("data_type",),
        "language": ("external_language", "routine_body"),
        "definition": ("procedure_definition", "routine_definition"),
    },
}
_EVERYWHERE = {"comment": ("remarks", "description")}


def raw_names(kind: Kind, returned: Iterable[str]) -> dict[str, str]:
    """Return for each column of a statement the raw column that it stands for.

    A name that is a raw column's, letter case aside, is taken for that one. An alias stands for a
    raw column only where no other column does; all others keep their names.

    Args:
        kind: What the statement reads.
        returned: Names of its columns.
    """
    names = list(returned)
    lower = {name.lower(): name for name in reversed(names)}
    found = {name: name for name in names}
    aliases = {**_EVERYWHERE, **_ALIASES.get(kind.name, {})}
    for raw in kind.columns:
        if raw in found:
            continue
        for alias in (raw, *aliases.get(raw, ())):
            original = lower.get(alias)
            if original is not None and _is_free(found, original, kind):
                found[original] = raw
                break
    return found


def _is_free(found: Mapping[str, str], name: str, kind: Kind) -> bool:
    """Return whether a column does not stand for a raw column already."""
    return found[name] == name and name not in kind.columns
