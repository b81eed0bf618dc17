"""Kinds that hold others: databases and schemas."""

from flowkeep.extraction.metadata.kinds.kind import Kind

DATABASES = Kind(
    name="databases",
    type_name="Database",
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
    own_name="database_name",
    volatile=frozenset({"database_oid"}),
)

SCHEMAS = Kind(
    name="schemas",
    type_name="Schema",
    columns={
        "database_name": "text",
        "schema_name": "text",
        "schema_oid": "integer",
        "owner": "text",
        "is_system": "boolean",
        "comment": "text",
    },
    identity=("schema_name",),
    own_name="schema_name",
    parent="databases",
    parent_identity=("database_name",),
    volatile=frozenset({"schema_oid"}),
)
