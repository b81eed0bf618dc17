"""Catalogue statements of MySQL and MariaDB: one per kind, however many objects there are.

They read `information_schema`, which shows what the role has some privilege on. What MySQL calls a
database is a schema here; above the schemas there is one catalogue, `def`, which stands for the
database.

Names are compared as bytes wherever that matters, because the catalogue's own collation takes `t`
and `T` for one name while servers on most systems do not. Every statement that tells of tables
calls `information_schema.tables` `t`, and the others name their columns alike, so that one filter
fits all of them.

Two objects of one parent may share a name, which ours must not: a check of a column is called like
the column in MariaDB, and so is the unique key of that column; a function may be called like a
procedure. All but the first of them get their sort behind the name, in parentheses, or behind the
signature.
"""

from collections.abc import Mapping

from flowkeep.extraction.sources.base import Order
from flowkeep.extraction.sources.mysql_statements import (
    constraints,
    relations,
    routines,
    table_parts,
)

_COMMON: Mapping[str, str] = {
    "tables": relations.TABLES,
    "procedures": routines.PROCEDURES,
    "triggers": table_parts.TRIGGERS,
}

MYSQL: Mapping[str, str] = {
    **_COMMON,
    "schemas": relations.schemas("NULL"),
    "columns": relations.columns("c.column_default"),
    "constraints": constraints.MYSQL_CONSTRAINTS,
    "indexes": table_parts.MYSQL_INDEXES,
    "view_dependencies": relations.VIEW_DEPENDENCIES,
}
"""Kind to statement of MySQL 8. It has no sequences."""

MARIADB: Mapping[str, str] = {
    **_COMMON,
    "schemas": relations.schemas("NULLIF(t.schema_comment, '')"),
    # An expression since 10.2: texts are quoted, and no default is the word NULL.
    "columns": relations.columns("NULLIF(c.column_default, 'NULL')"),
    "constraints": constraints.MARIADB_CONSTRAINTS,
    "indexes": table_parts.MARIADB_INDEXES,
    "sequences": relations.sequences("", ""),
}
"""Kind to statement of MariaDB. It does not tell what its views read."""

MARIADB_11_5: Mapping[str, str] = {
    **MARIADB,
    "sequences": relations.sequences(relations.SEQUENCE_DETAILS, relations.SEQUENCE_SOURCE),
}
"""The same since 11.5, which can tell all sequences in one statement."""

ORDERS: Mapping[str, Order] = {
    "schemas": relations.SCHEMA_ORDER,
    "tables": relations.TABLE_ORDER,
    "columns": relations.COLUMN_ORDER,
    "procedures": routines.PROCEDURE_ORDER,
    "constraints": constraints.CONSTRAINT_ORDER,
    "indexes": table_parts.INDEX_ORDER,
    "sequences": relations.SEQUENCE_ORDER,
    "triggers": table_parts.TRIGGER_ORDER,
    "view_dependencies": relations.VIEW_DEPENDENCY_ORDER,
}
"""Kind to the order of its statement: by names, as bytes."""
