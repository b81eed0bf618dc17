"""Triggers that somebody declared, and their copies on partitions.

Version 14 marks the copies as internal, like the triggers behind foreign keys; later ones do not.
The copies are told by having a parent and no constraint but that of a constraint trigger.
`tgtype` is a set of bits, named in `catalog/pg_trigger.h`: 1 row, 2 before, 4 insert, 8 delete,
16 update, 32 truncate, 64 instead.
"""

from flowkeep.extraction.sources.base import Order
from flowkeep.extraction.sources.postgresql_statements.scope import (
    RELATIONS,
    SCHEMA_IN_SCOPE,
    TABLE_IN_SCOPE,
    TABLE_TYPE,
)

TRIGGER_SQL = f"""
SELECT
    pg_catalog.current_database() AS database_name,
    n.nspname AS schema_name,
    c.relname AS table_name,
    c.oid::pg_catalog.int8 AS table_oid,
    {TABLE_TYPE} AS table_type,
    g.tgname AS trigger_name,
    g.oid::pg_catalog.int8 AS trigger_oid,
    CASE WHEN g.tgtype & 2 <> 0 THEN 'BEFORE' WHEN g.tgtype & 64 <> 0 THEN 'INSTEAD OF'
        ELSE 'AFTER'
    END AS timing,
    CASE WHEN g.tgtype & 1 <> 0 THEN 'ROW' ELSE 'STATEMENT' END AS level,
    pg_catalog.to_json(pg_catalog.array_remove(ARRAY[
        CASE WHEN g.tgtype & 4 <> 0 THEN 'INSERT' END,
        CASE WHEN g.tgtype & 16 <> 0 THEN 'UPDATE' END,
        CASE WHEN g.tgtype & 8 <> 0 THEN 'DELETE' END,
        CASE WHEN g.tgtype & 32 <> 0 THEN 'TRUNCATE' END
    ], NULL))::pg_catalog.text AS events,
    CASE g.tgenabled
        WHEN 'O' THEN 'enabled' WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica'
        WHEN 'A' THEN 'always'
    END AS status,
    (g.tgconstraint <> 0) AS is_constraint,
    (g.tgparentid <> 0) AS is_inherited,
    fn.nspname AS function_schema,
    f.proname AS function_name,
    pg_catalog.oidvectortypes(f.proargtypes) AS function_signature,
    CASE WHEN pg_catalog.pg_table_is_visible(g.tgrelid) IS NOT NULL
        AND pg_catalog.pg_function_is_visible(g.tgfoid) IS NOT NULL
        THEN pg_catalog.pg_get_triggerdef(g.oid)
    END AS definition,
    d.description AS comment
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid
JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = c.oid
LEFT JOIN pg_catalog.pg_constraint AS co ON co.oid = g.tgconstraint
LEFT JOIN pg_catalog.pg_proc AS f ON f.oid = g.tgfoid
LEFT JOIN pg_catalog.pg_namespace AS fn ON fn.oid = f.pronamespace
LEFT JOIN pg_catalog.pg_description AS d
    ON d.objoid = g.oid AND d.objsubid = 0
    AND d.classoid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
WHERE c.relkind IN {RELATIONS}
    AND (NOT g.tgisinternal
        OR (g.tgparentid <> 0 AND COALESCE(co.contype = 't', g.tgconstraint = 0)))
    AND {SCHEMA_IN_SCOPE} AND {TABLE_IN_SCOPE}
"""  # noqa: S608 - only constants are put in
TRIGGER_ORDER = Order("g.oid", ("trigger_oid",), "g.oid > %(after_0)s::pg_catalog.oid")
