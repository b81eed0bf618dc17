"""Schemas, tables and views with their columns, sequences, and what views read."""

from flowkeep.extraction.sources.mysql_statements.scope import (
    CATALOGUE,
    TABLE_IN_SCOPE,
    TABLE_TYPE,
    order,
    same,
)


def schemas(comment: str) -> str:
    """Return the statement for schemas.

    Args:
        comment: Expression for a schema's comment.
    """
    return f"""
SELECT
    '{CATALOGUE}' AS database_name,
    t.table_schema AS schema_name,
    t.table_schema IN ('information_schema', 'mysql', 'performance_schema', 'sys') AS is_system,
    t.default_character_set_name AS encoding,
    t.default_collation_name AS collation,
    {comment} AS comment
FROM (SELECT s.*, s.schema_name AS table_schema FROM information_schema.schemata AS s) AS t
WHERE {{schema_filter}}
"""  # noqa: S608 - only constants are put in


TABLES = f"""
SELECT
    '{CATALOGUE}' AS database_name,
    t.table_schema AS schema_name,
    t.table_name AS table_name,
    {TABLE_TYPE} AS table_type,
    t.table_type = 'SYSTEM VERSIONED' AS is_system_versioned,
    t.engine AS access_method,
    t.table_collation AS collation,
    NULLIF(t.create_options, '') AS options,
    NULLIF(v.view_definition, '') AS view_definition,
    v.check_option AS check_option,
    v.is_updatable = 'YES' AS is_updatable,
    v.definer AS definer,
    v.security_type AS security_type,
    CASE WHEN t.table_type = 'VIEW' THEN t.table_comment IN ('VIEW', '') END AS is_valid,
    t.table_rows AS row_estimate,
    t.data_length + t.index_length AS size_estimate_bytes,
    CASE WHEN t.table_type NOT IN ('VIEW', 'SYSTEM VIEW') THEN NULLIF(t.table_comment, '') END
        AS comment
FROM information_schema.tables AS t
LEFT JOIN information_schema.views AS v ON {same("v", "t", "table_schema", "table_name")}
WHERE t.table_type <> 'SEQUENCE' AND {TABLE_IN_SCOPE}
"""  # noqa: S608 - only constants are put in


def columns(default: str) -> str:
    """Return the statement for columns.

    Args:
        default: Expression for the default of a column, `c`.
    """
    return f"""
SELECT
    '{CATALOGUE}' AS database_name,
    t.table_schema AS schema_name,
    t.table_name AS table_name,
    {TABLE_TYPE} AS table_type,
    c.column_name AS column_name,
    c.ordinal_position AS ordinal_position,
    c.column_type AS data_type,
    c.data_type AS type_name,
    c.is_nullable = 'YES' AS is_nullable,
    {default} AS column_default,
    CASE WHEN LOCATE('auto_increment', c.extra) > 0 THEN 'BY DEFAULT' END AS identity_generation,
    CASE WHEN LOCATE('STORED GENERATED', c.extra) > 0 THEN 'STORED'
        WHEN LOCATE('VIRTUAL GENERATED', c.extra) > 0 THEN 'VIRTUAL' END AS generation,
    NULLIF(c.generation_expression, '') AS generation_expression,
    c.character_set_name AS encoding,
    c.collation_name AS collation,
    NULLIF(c.extra, '') AS extra,
    NULLIF(c.column_comment, '') AS comment
FROM information_schema.tables AS t
JOIN information_schema.columns AS c ON {same("c", "t", "table_schema", "table_name")}
WHERE t.table_type <> 'SEQUENCE' AND {TABLE_IN_SCOPE}
"""  # noqa: S608 - only constants are put in


VIEW_DEPENDENCIES = f"""
SELECT
    '{CATALOGUE}' AS database_name,
    t.table_schema AS schema_name,
    t.table_name AS table_name,
    {TABLE_TYPE} AS table_type,
    u.table_schema AS referenced_schema,
    u.table_name AS referenced_table,
    CASE WHEN r.table_type IN ('VIEW', 'SYSTEM VIEW') THEN 'View'
        WHEN r.table_type IS NOT NULL THEN 'Regular' END AS referenced_type
FROM information_schema.view_table_usage AS u
JOIN information_schema.tables AS t
    ON t.table_schema = u.view_schema AND t.table_name = u.view_name
LEFT JOIN information_schema.tables AS r
    ON r.table_schema = u.table_schema AND r.table_name = u.table_name
WHERE {TABLE_IN_SCOPE}
"""  # noqa: S608 - only constants are put in


def sequences(details: str, source: str) -> str:
    """Return the statement for sequences, which only MariaDB has.

    Args:
        details: Columns of `q`, which tells more of a sequence, or nothing.
        source: What joins `q`, or nothing.
    """
    return f"""
SELECT
    '{CATALOGUE}' AS database_name,
    t.table_schema AS schema_name,
    t.table_name AS sequence_name,
    {details}
    NULLIF(t.table_comment, '') AS comment
FROM information_schema.tables AS t
{source}
WHERE t.table_type = 'SEQUENCE' AND {TABLE_IN_SCOPE}
"""  # noqa: S608 - only constants are put in


SEQUENCE_DETAILS = """q.data_type AS data_type,
    q.start_value AS start_value,
    q.minimum_value AS minimum_value,
    q.maximum_value AS maximum_value,
    q.increment AS increment,
    q.cycle_option AS is_cycling,"""
SEQUENCE_SOURCE = f"""LEFT JOIN (
    SELECT s.*, s.sequence_schema AS table_schema, s.sequence_name AS table_name
    FROM information_schema.sequences AS s
) AS q ON {same("q", "t", "table_schema", "table_name")}"""  # noqa: S608 - only constants are put in

_SCHEMA = ("CAST(t.table_schema AS BINARY)", "schema_name")
_TABLE = ("CAST(t.table_name AS BINARY)", "table_name")
SCHEMA_ORDER = order(_SCHEMA)
TABLE_ORDER = order(_SCHEMA, _TABLE)
COLUMN_ORDER = order(_SCHEMA, _TABLE, ("c.ordinal_position", "ordinal_position"))
SEQUENCE_ORDER = order(_SCHEMA, (_TABLE[0], "sequence_name"))
VIEW_DEPENDENCY_ORDER = order(
    _SCHEMA,
    _TABLE,
    ("CAST(u.table_schema AS BINARY)", "referenced_schema"),
    ("CAST(u.table_name AS BINARY)", "referenced_table"),
)
