"""Primary and foreign keys, unique and check constraints of tables.

A check of a column is called like the column in MariaDB, and so is the unique key of that column.
Where several constraints of a table share a name, all but the first get their sort behind it.
"""

from flowkeep.extraction.sources.mysql_statements.scope import (
    CATALOGUE,
    TABLE_IN_SCOPE,
    TABLE_TYPE,
    array,
    as_bytes,
    order,
    same,
)

_KEYS = f"""
    SELECT u.table_schema, u.table_name, u.constraint_name,
        u.referenced_table_name IS NOT NULL AS is_foreign,
        {array("u.column_name", "u.ordinal_position")} AS columns,
        MAX(u.referenced_table_schema) AS referenced_schema,
        MAX(u.referenced_table_name) AS referenced_table,
        CASE WHEN u.referenced_table_name IS NOT NULL
            THEN {array("u.referenced_column_name", "u.ordinal_position")}
        END AS referenced_columns
    FROM information_schema.key_column_usage AS u
    GROUP BY {as_bytes("u", "table_schema", "table_name", "constraint_name")},
        u.table_schema, u.table_name, u.constraint_name, u.referenced_table_name IS NOT NULL
"""  # noqa: S608 - only constants are put in


_RANK = "FIELD(a.constraint_type, 'PrimaryKey', 'Unique', 'ForeignKey', 'Check')"


def constraints(checks: str, enforced: str) -> str:
    """Return the statement for constraints.

    Args:
        checks: Statement for the checks, with the columns of the other half.
        enforced: Whether a row of `table_constraints`, `o`, is enforced.
    """
    return f"""
SELECT
    '{CATALOGUE}' AS database_name,
    t.table_schema AS schema_name,
    t.table_name AS table_name,
    {TABLE_TYPE} AS table_type,
    k.unique_name AS constraint_name,
    k.constraint_type AS constraint_type,
    COALESCE(k.columns, '[]') AS columns,
    k.definition AS definition,
    k.referenced_schema AS referenced_schema,
    k.referenced_table AS referenced_table,
    k.referenced_columns AS referenced_columns,
    CASE WHEN k.constraint_type = 'ForeignKey' THEN 'SIMPLE' END AS match_type,
    k.update_rule AS on_update,
    k.delete_rule AS on_delete,
    k.is_enforced AS is_enforced,
    CASE WHEN k.constraint_type IN ('PrimaryKey', 'Unique') THEN k.constraint_name END AS index_name
FROM information_schema.tables AS t
JOIN (
    SELECT a.*, CASE ROW_NUMBER() OVER (
            PARTITION BY {as_bytes("a", "table_schema", "table_name", "constraint_name")}
            ORDER BY {_RANK}, a.definition)
        WHEN 1 THEN a.constraint_name
        ELSE CONCAT(a.constraint_name, ' (', a.constraint_type, CASE ROW_NUMBER() OVER (
            PARTITION BY {as_bytes("a", "table_schema", "table_name", "constraint_name")},
                a.constraint_type
            ORDER BY a.definition)
            WHEN 1 THEN ')' ELSE ' 2)' END)
        END AS unique_name
    FROM (
        SELECT o.table_schema, o.table_name, o.constraint_name,
            CASE o.constraint_type WHEN 'PRIMARY KEY' THEN 'PrimaryKey' WHEN 'UNIQUE' THEN 'Unique'
                WHEN 'FOREIGN KEY' THEN 'ForeignKey' ELSE o.constraint_type END AS constraint_type,
            u.columns, NULL AS definition,
            u.referenced_schema, u.referenced_table, u.referenced_columns,
            f.update_rule, f.delete_rule, {enforced} AS is_enforced
        FROM information_schema.table_constraints AS o
        LEFT JOIN ({_KEYS}) AS u
            ON {same("u", "o", "table_schema", "table_name", "constraint_name")}
            AND u.is_foreign = (o.constraint_type = 'FOREIGN KEY')
        LEFT JOIN information_schema.referential_constraints AS f
            ON o.constraint_type = 'FOREIGN KEY'
            AND {same("f", "o", "constraint_schema", "table_name", "constraint_name")}
        WHERE o.constraint_type <> 'CHECK'
        UNION ALL
        {checks}
    ) AS a
) AS k ON {same("k", "t", "table_schema", "table_name")}
WHERE t.table_type <> 'SEQUENCE' AND {TABLE_IN_SCOPE}
"""  # noqa: S608 - only constants are put in


CONSTRAINT_ORDER = order(
    ("CAST(t.table_schema AS BINARY)", "schema_name"),
    ("CAST(t.table_name AS BINARY)", "table_name"),
    ("CAST(k.unique_name AS BINARY)", "constraint_name"),
)

MARIADB_CHECKS = """SELECT c.constraint_schema, c.table_name, c.constraint_name, 'Check',
            CASE c.level WHEN 'Column' THEN CONCAT('[', JSON_QUOTE(c.constraint_name), ']') END,
            CONCAT('CHECK (', c.check_clause, ')'), NULL, NULL, NULL, NULL, NULL, 1
        FROM information_schema.check_constraints AS c"""
MYSQL_CHECKS = f"""SELECT o.table_schema, o.table_name, o.constraint_name, 'Check', NULL,
            CONCAT('CHECK ', c.check_clause), NULL, NULL, NULL, NULL, NULL, o.enforced = 'YES'
        FROM information_schema.table_constraints AS o
        JOIN information_schema.check_constraints AS c
            ON {same("c", "o", "constraint_schema", "constraint_name")}
        WHERE o.constraint_type = 'CHECK'"""  # noqa: S608 - only constants are put in

MARIADB_CONSTRAINTS = constraints(MARIADB_CHECKS, "1")
MYSQL_CONSTRAINTS = constraints(MYSQL_CHECKS, "o.enforced = 'YES'")
