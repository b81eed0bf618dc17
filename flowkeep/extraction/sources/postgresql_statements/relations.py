"""Tables of every sort, and their columns."""

from flowkeep.extraction.sources.base import Order
from flowkeep.extraction.sources.postgresql_statements.scope import (
    BLOCK_SIZE,
    RELATIONS,
    SCHEMA_IN_SCOPE,
    TABLE_IN_SCOPE,
    TABLE_TYPE,
)

VIEW_DEFINITION = """CASE WHEN c.relkind IN ('v', 'm')
        AND pg_catalog.pg_relation_size(c.oid) IS NOT NULL
        THEN pg_catalog.pg_get_viewdef(c.oid)
    END"""
"""What keeps locks: a statement that holds this is read in rounds, see `VIEW_ROUNDS`, and counted
without it, because the server evaluates what may change between two looks even to count rows."""

VIEW_ROUNDS = """
SELECT pg_catalog.max(v.oid)::pg_catalog.int8
FROM (
    SELECT w.ev_class AS oid, pg_catalog.floor(
        (pg_catalog.sum(pg_catalog.count(DISTINCT o.refobjid)) OVER (ORDER BY w.ev_class) - 1)
        / (
            SELECT pg_catalog.current_setting('max_locks_per_transaction')::pg_catalog.int8 * (
                pg_catalog.current_setting('max_connections')::pg_catalog.int8
                + pg_catalog.current_setting('max_prepared_transactions')::pg_catalog.int8
            ) / 2
        )
    ) AS round
    FROM pg_catalog.pg_rewrite AS w
    LEFT JOIN pg_catalog.pg_depend AS o
        ON o.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND o.objid = w.oid
        AND o.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    WHERE w.rulename = '_RETURN'
    GROUP BY w.ev_class
) AS v
GROUP BY v.round
ORDER BY 1
"""
"""The last view of every round of views that together lock no more than half of the relations for
which the server has room (its manual, `max_locks_per_transaction`)."""

TABLE_SQL = f"""
SELECT
    pg_catalog.current_database() AS database_name,
    n.nspname AS schema_name,
    c.relname AS table_name,
    c.oid::pg_catalog.int8 AS table_oid,
    {TABLE_TYPE} AS table_type,
    pg_catalog.pg_get_userbyid(c.relowner) AS owner,
    CASE c.relpersistence
        WHEN 'p' THEN 'permanent' WHEN 'u' THEN 'unlogged' WHEN 't' THEN 'temporary'
    END AS persistence,
    am.amname AS access_method,
    ts.spcname AS tablespace,
    c.relispartition AS is_partition,
    pn.nspname AS partition_of_schema,
    pc.relname AS partition_of_table,
    pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS partition_bound,
    CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END AS partition_key,
    fs.srvname AS foreign_server,
    c.relrowsecurity AS has_row_security,
    CASE WHEN c.relkind = 'm' THEN c.relispopulated END AS is_populated,
    pg_catalog.array_to_string(c.reloptions, ', ') AS options,
    {VIEW_DEFINITION} AS view_definition,
    CASE WHEN c.relkind <> 'v' AND c.reltuples >= 0
        THEN c.reltuples::pg_catalog.int8
    END AS row_estimate,
    CASE WHEN c.relkind IN ('r', 'm') AND c.reltuples >= 0
        THEN c.relpages * {BLOCK_SIZE}
    END AS size_estimate_bytes,
    d.description AS comment
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid
LEFT JOIN pg_catalog.pg_am AS am ON am.oid = c.relam
LEFT JOIN pg_catalog.pg_tablespace AS ts ON ts.oid = c.reltablespace
LEFT JOIN pg_catalog.pg_foreign_table AS ft ON ft.ftrelid = c.oid
LEFT JOIN pg_catalog.pg_foreign_server AS fs ON fs.oid = ft.ftserver
LEFT JOIN pg_catalog.pg_inherits AS i
    ON c.relispartition AND i.inhrelid = c.oid AND i.inhseqno = 1
LEFT JOIN pg_catalog.pg_class AS pc ON pc.oid = i.inhparent
LEFT JOIN pg_catalog.pg_namespace AS pn ON pn.oid = pc.relnamespace
LEFT JOIN pg_catalog.pg_description AS d
    ON d.objoid = c.oid AND d.objsubid = 0
    AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
WHERE c.relkind IN {RELATIONS} AND {SCHEMA_IN_SCOPE} AND {TABLE_IN_SCOPE}
"""  # noqa: S608 - only constants are put in
TABLE_ORDER = Order("c.oid", ("table_oid",), "c.oid > %(after_0)s::pg_catalog.oid")

COLUMN_SQL = f"""
SELECT
    pg_catalog.current_database() AS database_name,
    n.nspname AS schema_name,
    c.relname AS table_name,
    c.oid::pg_catalog.int8 AS table_oid,
    {TABLE_TYPE} AS table_type,
    a.attname AS column_name,
    a.attnum::pg_catalog.int4 AS ordinal_position,
    pg_catalog.format_type(a.atttypid, a.atttypmod) AS data_type,
    tn.nspname AS type_schema,
    t.typname AS type_name,
    NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable,
    CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END
        AS column_default,
    CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END
        AS identity_generation,
    CASE a.attgenerated WHEN 's' THEN 'STORED' WHEN 'v' THEN 'VIRTUAL' END AS generation,
    CASE WHEN a.attgenerated <> '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END
        AS generation_expression,
    CASE WHEN a.attcollation <> t.typcollation THEN co.collname END AS collation,
    NOT a.attislocal AS is_inherited,
    e.description AS comment
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
LEFT JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation AS co ON co.oid = a.attcollation
LEFT JOIN pg_catalog.pg_description AS e
    ON e.objoid = a.attrelid AND e.objsubid = a.attnum
    AND e.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
WHERE c.relkind IN {RELATIONS} AND a.attnum > 0 AND NOT a.attisdropped
    AND {SCHEMA_IN_SCOPE} AND {TABLE_IN_SCOPE}
"""  # noqa: S608 - only constants are put in
COLUMN_ORDER = Order(
    "a.attrelid, a.attnum",
    ("table_oid", "ordinal_position"),
    "(a.attrelid, a.attnum) > (%(after_0)s::pg_catalog.oid, %(after_1)s::pg_catalog.int2)",
)
