"""What belongs to one table beside its constraints: indexes and triggers."""

from flowkeep.extraction.sources.mysql_statements.scope import (
    CATALOGUE,
    TABLE_IN_SCOPE,
    TABLE_TYPE,
    array,
    as_bytes,
    order,
    same,
)


def indexes(part: str, visible: str) -> str:
    """Return the statement for indexes.

    Args:
        part: What a row of `statistics`, `s`, indexes: a column, or an expression.
        visible: Whether the optimizer uses the index.
    """
    return f"""
SELECT
    '{CATALOGUE}' AS database_name,
    t.table_schema AS schema_name,
    t.table_name AS table_name,
    {TABLE_TYPE} AS table_type,
    x.index_name AS index_name,
    x.index_type AS method,
    x.is_unique AS is_unique,
    x.index_name = 'PRIMARY' AS is_primary,
    x.is_valid AS is_valid,
    x.is_visible AS is_visible,
    x.columns AS columns,
    x.definition AS definition,
    NULLIF(x.index_comment, '') AS comment
FROM information_schema.tables AS t
JOIN (
    SELECT s.table_schema, s.table_name, s.index_name, MAX(s.index_type) AS index_type,
        MAX(s.non_unique) = 0 AS is_unique, MAX(s.comment) <> 'disabled' AS is_valid,
        MAX({visible}) = 1 AS is_visible, MAX(s.index_comment) AS index_comment,
        {array(part, "s.seq_in_index")} AS columns,
        GROUP_CONCAT(CONCAT({part},
            CASE WHEN s.sub_part IS NOT NULL THEN CONCAT('(', s.sub_part, ')') ELSE '' END,
            CASE WHEN s.collation = 'D' THEN ' DESC' ELSE '' END)
            ORDER BY s.seq_in_index SEPARATOR ', ') AS definition
    FROM information_schema.statistics AS s
    GROUP BY {as_bytes("s", "table_schema", "table_name", "index_name")},
        s.table_schema, s.table_name, s.index_name
) AS x ON {same("x", "t", "table_schema", "table_name")}
WHERE {TABLE_IN_SCOPE}
"""  # noqa: S608 - only constants are put in


MARIADB_INDEXES = indexes("s.column_name", "s.ignored = 'NO'")
MYSQL_INDEXES = indexes("COALESCE(s.column_name, s.expression)", "s.is_visible = 'YES'")

TRIGGERS = f"""
SELECT
    '{CATALOGUE}' AS database_name,
    t.table_schema AS schema_name,
    t.table_name AS table_name,
    {TABLE_TYPE} AS table_type,
    g.trigger_name AS trigger_name,
    g.action_timing AS timing,
    g.action_orientation AS level,
    CONCAT('["', REPLACE(g.event_manipulation, ',', '", "'), '"]') AS events,
    g.action_order AS action_order,
    g.definer AS definer,
    g.action_statement AS definition
FROM information_schema.tables AS t
JOIN (
    SELECT r.*, r.event_object_schema AS table_schema, r.event_object_table AS table_name
    FROM information_schema.triggers AS r
) AS g ON {same("g", "t", "table_schema", "table_name")}
WHERE {TABLE_IN_SCOPE}
"""  # noqa: S608 - only constants are put in

_TABLE = (
    ("CAST(t.table_schema AS BINARY)", "schema_name"),
    ("CAST(t.table_name AS BINARY)", "table_name"),
)
INDEX_ORDER = order(*_TABLE, ("CAST(x.index_name AS BINARY)", "index_name"))
TRIGGER_ORDER = order(*_TABLE, ("CAST(g.trigger_name AS BINARY)", "trigger_name"))
