"""Sequences, those behind identity columns included, with the column that owns them.

Where a sequence stands is no metadata, and reading it would lock it: it is left out.
"""

from flowkeep.extraction.sources.base import Order
from flowkeep.extraction.sources.postgresql_statements.scope import SCHEMA_IN_SCOPE

SEQUENCE_SQL = f"""
SELECT
    pg_catalog.current_database() AS database_name,
    n.nspname AS schema_name,
    c.relname AS sequence_name,
    c.oid::pg_catalog.int8 AS sequence_oid,
    pg_catalog.format_type(s.seqtypid, NULL) AS data_type,
    s.seqstart AS start_value,
    s.seqmin AS minimum_value,
    s.seqmax AS maximum_value,
    s.seqincrement AS increment,
    s.seqcache AS cache_size,
    s.seqcycle AS is_cycling,
    COALESCE(o.deptype = 'i', false) AS is_identity,
    tn.nspname AS owned_by_schema,
    t.relname AS owned_by_table,
    a.attname AS owned_by_column,
    pg_catalog.pg_get_userbyid(c.relowner) AS owner,
    d.description AS comment
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid
JOIN pg_catalog.pg_sequence AS s ON s.seqrelid = c.oid
LEFT JOIN pg_catalog.pg_depend AS o
    ON o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND o.objid = c.oid AND o.objsubid = 0
    AND o.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND o.refobjsubid > 0 AND o.deptype IN ('a', 'i')
LEFT JOIN pg_catalog.pg_class AS t ON t.oid = o.refobjid
LEFT JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
LEFT JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid
LEFT JOIN pg_catalog.pg_description AS d
    ON d.objoid = c.oid AND d.objsubid = 0
    AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
WHERE c.relkind = 'S' AND {SCHEMA_IN_SCOPE}
"""  # noqa: S608 - only constants are put in
SEQUENCE_ORDER = Order("c.oid", ("sequence_oid",), "c.oid > %(after_0)s::pg_catalog.oid")
