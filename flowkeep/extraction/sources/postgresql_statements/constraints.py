"""Primary and foreign keys, unique, check and exclusion constraints of tables.

Not-null constraints, which version 18 lists among them, are told by the columns; constraint
triggers by the triggers; constraints of domains by the types. For a foreign key to a partitioned
table PostgreSQL keeps a further row per partition of that table, which nobody declared and no
tool shows: these are left out, and told by their parent being a constraint of the same table.
"""

from flowkeep.extraction.sources.base import Order
from flowkeep.extraction.sources.postgresql_statements.scope import (
    RELATIONS,
    SCHEMA_IN_SCOPE,
    TABLE_IN_SCOPE,
    TABLE_TYPE,
)


def _names(numbers: str, table: str) -> str:
    """Return a JSON array of the names of columns.

    Args:
        numbers: Expression for the columns' numbers, an array.
        table: Expression for the identifier of their table.
    """
    return f"""pg_catalog.to_json(ARRAY(
        SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = {table} AND a.attnum = ANY ({numbers})
        ORDER BY pg_catalog.array_position({numbers}, a.attnum)
    ))::pg_catalog.text"""  # noqa: S608 - only constants are put in


def _action(column: str) -> str:
    """Return what a foreign key does to rows that refer to a changed one, in SQL's words."""
    return f"""CASE WHEN co.contype = 'f' THEN CASE {column}
        WHEN 'a' THEN 'NO ACTION' WHEN 'r' THEN 'RESTRICT' WHEN 'c' THEN 'CASCADE'
        WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT'
    END END"""


# `conenforced` came with version 18: before that the name is found one level up, in `older`.
CONSTRAINT_SQL = f"""
SELECT
    pg_catalog.current_database() AS database_name,
    n.nspname AS schema_name,
    c.relname AS table_name,
    c.oid::pg_catalog.int8 AS table_oid,
    {TABLE_TYPE} AS table_type,
    co.conname AS constraint_name,
    co.oid::pg_catalog.int8 AS constraint_oid,
    CASE co.contype
        WHEN 'p' THEN 'PrimaryKey' WHEN 'f' THEN 'ForeignKey' WHEN 'u' THEN 'Unique'
        WHEN 'c' THEN 'Check' WHEN 'x' THEN 'Exclusion'
    END AS constraint_type,
    {_names("co.conkey", "co.conrelid")} AS columns,
    CASE WHEN pg_catalog.pg_table_is_visible(co.conrelid) IS NOT NULL
        AND (co.confrelid = 0 OR pg_catalog.pg_table_is_visible(co.confrelid) IS NOT NULL)
        THEN pg_catalog.pg_get_constraintdef(co.oid)
    END AS definition,
    rn.nspname AS referenced_schema,
    rc.relname AS referenced_table,
    CASE WHEN co.contype = 'f' THEN {_names("co.confkey", "co.confrelid")} END
        AS referenced_columns,
    CASE WHEN co.contype = 'f' THEN CASE co.confmatchtype
        WHEN 's' THEN 'SIMPLE' WHEN 'f' THEN 'FULL' WHEN 'p' THEN 'PARTIAL'
    END END AS match_type,
    {_action("co.confupdtype")} AS on_update,
    {_action("co.confdeltype")} AS on_delete,
    co.condeferrable AS is_deferrable,
    co.condeferred AS is_initially_deferred,
    co.convalidated AS is_validated,
    (SELECT conenforced FROM (SELECT co.*) AS newest) AS is_enforced,
    NOT co.conislocal AS is_inherited,
    CASE WHEN co.contype <> 'f' THEN x.relname END AS index_name,
    d.description AS comment
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid
JOIN pg_catalog.pg_constraint AS co ON co.conrelid = c.oid
LEFT JOIN pg_catalog.pg_class AS rc ON rc.oid = co.confrelid
LEFT JOIN pg_catalog.pg_namespace AS rn ON rn.oid = rc.relnamespace
LEFT JOIN pg_catalog.pg_class AS x ON x.oid = co.conindid
LEFT JOIN pg_catalog.pg_description AS d
    ON d.objoid = co.oid AND d.objsubid = 0
    AND d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
CROSS JOIN (SELECT true AS conenforced) AS older
WHERE c.relkind IN {RELATIONS} AND co.contype IN ('p', 'f', 'u', 'c', 'x')
    AND (co.conparentid = 0 OR EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS parent
        WHERE parent.oid = co.conparentid AND parent.conrelid <> co.conrelid
    ))
    AND {SCHEMA_IN_SCOPE} AND {TABLE_IN_SCOPE}
"""  # noqa: S608 - only constants are put in
CONSTRAINT_ORDER = Order("co.oid", ("constraint_oid",), "co.oid > %(after_0)s::pg_catalog.oid")
