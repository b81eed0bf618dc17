"""Catalogue statements of SQLite: one per kind, over `sqlite_schema` and the pragmas as tables.

A file holds one schema, `main`, which also stands for the database. SQLite's own tables, called
`sqlite_…`, are left out.

SQLite keeps the rest of a declaration as text only: names and conditions of constraints, the
expressions of generated columns, partial indexes and triggers, `AUTOINCREMENT`. So checks are not
listed, primary and foreign keys get names here, and every object carries its text as `definition`.

A view that refers to what is gone, or a virtual table whose module is not loaded, has no columns
that the pragma could list; asking for them would be an error.
"""

from collections.abc import Mapping

from flowkeep.extraction.sources.base import Order

_NAMES = "'main' AS database_name,\n    t.schema AS schema_name,\n    t.name AS table_name"

_TYPE = """CASE t.type WHEN 'view' THEN 'View' WHEN 'virtual' THEN 'Foreign' ELSE 'Regular' END
        AS table_type"""

_TABLES = "pragma_table_list AS t"

_IN_SCOPE = (
    "t.schema = 'main' AND t.name NOT LIKE 'sqlite~_%' ESCAPE '~'"
    " AND {schema_filter} AND {table_filter}"
)

_COLUMNS_OF = "pragma_table_xinfo(CASE WHEN l.ncol > 0 THEN l.name END, 'main')"
_INDEXES_OF = "pragma_index_list(CASE WHEN l.type <> 'view' THEN l.name END, 'main')"
_FOREIGN_KEYS_OF = "pragma_foreign_key_list(CASE WHEN l.type <> 'view' THEN l.name END, 'main')"
_INDEXED = """(
        SELECT json_group_array(coalesce(x.name, '(expression)'))
        FROM pragma_index_xinfo(i.name, 'main') AS x WHERE x.key
    )"""
"""Columns of an index, in its order: a pragma lists them so, and nothing sorts them anew."""

STATEMENTS: Mapping[str, str] = {
    "schemas": """
SELECT 'main' AS database_name, t.schema AS schema_name, false AS is_system
FROM (SELECT 'main' AS schema) AS t
WHERE {schema_filter}
""",
    "tables": f"""
SELECT
    {_NAMES},
    {_TYPE},
    t.type = 'virtual' AS is_virtual,
    t.type = 'shadow' AS is_shadow,
    t.wr AS is_without_rowid,
    t.strict AS is_strict,
    t.ncol > 0 AS is_valid,
    CASE WHEN t.type = 'view' THEN s.sql END AS view_definition,
    s.sql AS definition
FROM {_TABLES}
LEFT JOIN main.sqlite_schema AS s ON s.name = t.name AND s.type IN ('table', 'view')
WHERE {_IN_SCOPE}
""",  # noqa: S608 - only constants are put in
    "columns": f"""
SELECT
    {_NAMES},
    {_TYPE},
    c.name AS column_name,
    c.cid + 1 AS ordinal_position,
    c.type AS data_type,
    c."notnull" = 0 AND NOT c.is_rowid AND NOT (c.pk > 0 AND t.wr) AS is_nullable,
    c.dflt_value AS column_default,
    CASE c.hidden WHEN 2 THEN 'VIRTUAL' WHEN 3 THEN 'STORED' END AS generation,
    c.is_rowid AS is_rowid,
    c.hidden = 1 AS is_hidden
FROM {_TABLES}
JOIN (
    SELECT l.name AS table_name, x.*,
        x.pk = 1 AND upper(x.type) = 'INTEGER' AND NOT l.wr
            AND count(nullif(x.pk, 0)) OVER (PARTITION BY l.name) = 1 AS is_rowid
    FROM pragma_table_list AS l
    JOIN {_COLUMNS_OF} AS x
    WHERE l.schema = 'main'
) AS c ON c.table_name = t.name
WHERE {_IN_SCOPE}
""",  # noqa: S608 - only constants are put in
    "constraints": f"""
SELECT
    {_NAMES},
    {_TYPE},
    k.name AS constraint_name,
    k.type AS constraint_type,
    k.columns AS columns,
    CASE WHEN k.referenced IS NOT NULL THEN 'main' END AS referenced_schema,
    coalesce(r.name, k.referenced) AS referenced_table,
    k.referenced_columns AS referenced_columns,
    k.on_update AS on_update,
    k.on_delete AS on_delete,
    k.index_name AS index_name
FROM {_TABLES}
JOIN (
    SELECT l.name AS table_name, 'primary key' AS name, 'PrimaryKey' AS type,
        (
            SELECT json_group_array(x.name) FROM (
                SELECT name FROM {_COLUMNS_OF} WHERE pk > 0 ORDER BY pk
            ) AS x
        ) AS columns,
        NULL AS referenced, NULL AS referenced_columns, NULL AS on_update, NULL AS on_delete,
        NULL AS index_name
    FROM pragma_table_list AS l
    WHERE l.schema = 'main' AND EXISTS (SELECT 1 FROM {_COLUMNS_OF} WHERE pk > 0)
    UNION ALL
    SELECT l.name, i.name, 'Unique', {_INDEXED}, NULL, NULL, NULL, NULL, i.name
    FROM pragma_table_list AS l
    JOIN {_INDEXES_OF} AS i
    WHERE l.schema = 'main' AND i.origin = 'u'
    UNION ALL
    SELECT l.name, 'foreign key ' || (f.id + 1), 'ForeignKey',
        (SELECT json_group_array(g."from") FROM {_FOREIGN_KEYS_OF} AS g WHERE g.id = f.id),
        f."table",
        CASE WHEN f."to" IS NOT NULL THEN
            (SELECT json_group_array(g."to") FROM {_FOREIGN_KEYS_OF} AS g WHERE g.id = f.id)
        END,
        f.on_update, f.on_delete, NULL
    FROM pragma_table_list AS l
    JOIN {_FOREIGN_KEYS_OF} AS f
    WHERE l.schema = 'main' AND f.seq = 0
) AS k ON k.table_name = t.name
LEFT JOIN pragma_table_list AS r
    ON r.schema = 'main' AND r.name = k.referenced COLLATE NOCASE
WHERE {_IN_SCOPE}
""",  # noqa: S608 - only constants are put in
    "indexes": f"""
SELECT
    {_NAMES},
    {_TYPE},
    i.name AS index_name,
    'btree' AS method,
    i."unique" AS is_unique,
    i.origin = 'pk' AS is_primary,
    i.partial AS is_partial,
    i.columns AS columns,
    s.sql AS definition
FROM {_TABLES}
JOIN (
    SELECT l.name AS table_name, i.name, i."unique", i.origin, i.partial, {_INDEXED} AS columns
    FROM pragma_table_list AS l
    JOIN {_INDEXES_OF} AS i
    WHERE l.schema = 'main'
) AS i ON i.table_name = t.name
LEFT JOIN main.sqlite_schema AS s ON s.type = 'index' AND s.name = i.name
WHERE {_IN_SCOPE}
""",  # noqa: S608 - only constants are put in
    "triggers": f"""
SELECT
    {_NAMES},
    {_TYPE},
    s.name AS trigger_name,
    'ROW' AS level,
    s.sql AS definition
FROM {_TABLES}
JOIN main.sqlite_schema AS s ON s.type = 'trigger' AND s.tbl_name = t.name COLLATE NOCASE
WHERE {_IN_SCOPE}
""",  # noqa: S608 - only constants are put in
}
"""Kind to statement. There are no databases, routines, sequences or types."""


def _order(*columns: tuple[str, str]) -> Order:
    expressions = ", ".join(f"{sql} COLLATE BINARY" for sql, _ in columns)
    values = ", ".join(f":after_{number}" for number in range(len(columns)))
    named = tuple(column for _, column in columns)
    return Order(expressions, named, f"({expressions}) > ({values})")


_TABLE = ("t.name", "table_name")
ORDERS: Mapping[str, Order] = {
    "schemas": _order(("t.schema", "schema_name")),
    "tables": _order(_TABLE),
    "columns": _order(_TABLE, ("c.cid + 1", "ordinal_position")),
    "constraints": _order(_TABLE, ("k.name", "constraint_name")),
    "indexes": _order(_TABLE, ("i.name", "index_name")),
    "triggers": _order(_TABLE, ("s.name", "trigger_name")),
}
"""Kind to the order of its statement: by names, as bytes."""
