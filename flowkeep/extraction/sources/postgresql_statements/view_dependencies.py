"""What views and materialised views read: one row per view and relation.

PostgreSQL records on which relations and columns the query of a view depends. It records nothing
for its own catalogue, which cannot be dropped: a view of `pg_class` has no row here.
"""

from flowkeep.extraction.sources.base import Order
from flowkeep.extraction.sources.postgresql_statements.scope import (
    SCHEMA_IN_SCOPE,
    TABLE_IN_SCOPE,
    TABLE_TYPE,
)

VIEW_DEPENDENCY_SQL = f"""
SELECT
    pg_catalog.current_database() AS database_name,
    n.nspname AS schema_name,
    c.relname AS table_name,
    c.oid::pg_catalog.int8 AS table_oid,
    {TABLE_TYPE} AS table_type,
    rn.nspname AS referenced_schema,
    rc.relname AS referenced_table,
    rc.oid::pg_catalog.int8 AS referenced_oid,
    CASE rc.relkind
        WHEN 'r' THEN 'Regular' WHEN 'p' THEN 'Partitioned' WHEN 'v' THEN 'View'
        WHEN 'm' THEN 'MaterializedView' WHEN 'f' THEN 'Foreign' WHEN 'S' THEN 'Sequence'
    END AS referenced_type,
    e.columns
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid
JOIN (
    SELECT
        w.ev_class,
        o.refobjid,
        COALESCE(
            pg_catalog.json_agg(a.attname ORDER BY a.attnum) FILTER (WHERE a.attnum > 0), '[]'
        )::pg_catalog.text AS columns
    FROM pg_catalog.pg_rewrite AS w
    JOIN pg_catalog.pg_depend AS o
        ON o.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND o.objid = w.oid
    LEFT JOIN pg_catalog.pg_attribute AS a
        ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid
    WHERE w.rulename = '_RETURN' AND o.refobjid <> w.ev_class
        AND o.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    GROUP BY w.ev_class, o.refobjid
) AS e ON e.ev_class = c.oid
JOIN pg_catalog.pg_class AS rc ON rc.oid = e.refobjid
JOIN pg_catalog.pg_namespace AS rn ON rn.oid = rc.relnamespace
WHERE c.relkind IN ('v', 'm') AND rc.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    AND {SCHEMA_IN_SCOPE} AND {TABLE_IN_SCOPE}
"""  # noqa: S608 - only constants are put in
VIEW_DEPENDENCY_ORDER = Order(
    "c.oid, rc.oid",
    ("table_oid", "referenced_oid"),
    "(c.oid, rc.oid) > (%(after_0)s::pg_catalog.oid, %(after_1)s::pg_catalog.oid)",
)
