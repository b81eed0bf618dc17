"""Tables of every sort with their columns, and what views are made of."""

from flowkeep.extraction.metadata.kinds.kind import OF_TABLE, Kind, Reference

TABLES = Kind(
    name="tables",
    type_name="Table",
    columns={
        **OF_TABLE,
        "owner": "text",
        "persistence": "text",
        "access_method": "text",
        "tablespace": "text",
        "is_partition": "boolean",
        "partition_of_schema": "text",
        "partition_of_table": "text",
        "partition_bound": "text",
        "partition_key": "text",
        "foreign_server": "text",
        "has_row_security": "boolean",
        "is_populated": "boolean",
        "options": "text",
        "view_definition": "text",
        "row_estimate": "integer",
        "size_estimate_bytes": "integer",
        "comment": "text",
    },
    identity=("schema_name", "table_name"),
    own_name="table_name",
    parent="schemas",
    parent_identity=("schema_name",),
    volatile=frozenset({"table_oid", "row_estimate", "size_estimate_bytes"}),
    references=(
        Reference(
            "partitionOf",
            ("partition_of_schema", "partition_of_table"),
            ("tables",),
            ("schema_name", "table_name"),
        ),
    ),
)

COLUMNS = Kind(
    name="columns",
    type_name="Column",
    columns={
        **OF_TABLE,
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
    own_name="column_name",
    parent="tables",
    parent_identity=("schema_name", "table_name"),
    volatile=frozenset({"table_oid"}),
)

VIEW_DEPENDENCIES = Kind(
    name="view_dependencies",
    type_name="LineageEdge",
    columns={
        **OF_TABLE,
        "referenced_schema": "text",
        "referenced_table": "text",
        "referenced_oid": "integer",
        "referenced_type": "text",
        "columns": "list",
    },
    identity=("schema_name", "table_name", "referenced_schema", "referenced_table"),
    tag="reads",
    parent="tables",
    parent_identity=("schema_name", "table_name"),
    volatile=frozenset({"table_oid", "referenced_oid"}),
    references=(
        Reference(
            "source",
            ("referenced_schema", "referenced_table"),
            ("tables", "sequences"),
            ("schema_name", "table_name"),
        ),
    ),
)
