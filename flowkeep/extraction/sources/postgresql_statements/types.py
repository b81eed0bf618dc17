"""Types that stand for themselves: no arrays of other types, no row types of tables."""

from flowkeep.extraction.sources.base import Order
from flowkeep.extraction.sources.postgresql_statements.scope import SCHEMA_IN_SCOPE

TYPE_SQL = f"""
SELECT
    pg_catalog.current_database() AS database_name,
    n.nspname AS schema_name,
    t.typname AS type_name,
    t.oid::pg_catalog.int8 AS type_oid,
    CASE WHEN NOT t.typisdefined THEN 'Shell' ELSE CASE t.typtype
        WHEN 'b' THEN 'Base' WHEN 'c' THEN 'Composite' WHEN 'd' THEN 'Domain'
        WHEN 'e' THEN 'Enum' WHEN 'r' THEN 'Range' WHEN 'm' THEN 'Multirange'
        WHEN 'p' THEN 'Pseudo'
    END END AS type_kind,
    CASE WHEN t.typtype = 'e' THEN pg_catalog.to_json(ARRAY(
        SELECT e.enumlabel::pg_catalog.text FROM pg_catalog.pg_enum AS e
        WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder
    ))::pg_catalog.text END AS labels,
    CASE WHEN t.typtype = 'c' THEN pg_catalog.to_json(ARRAY(
        SELECT pg_catalog.concat_ws(
            ' ', pg_catalog.quote_ident(a.attname),
            pg_catalog.format_type(a.atttypid, a.atttypmod)
        )
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
    ))::pg_catalog.text END AS fields,
    CASE t.typtype
        WHEN 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod)
        WHEN 'r' THEN pg_catalog.format_type(r.rngsubtype, NULL)
        WHEN 'm' THEN pg_catalog.format_type(m.rngtypid, NULL)
    END AS base_type,
    CASE WHEN t.typtype = 'd' THEN NOT t.typnotnull END AS is_nullable,
    t.typdefault AS default_value,
    CASE WHEN t.typtype = 'd' THEN pg_catalog.to_json(ARRAY(
        SELECT pg_catalog.concat_ws(
            ' ', 'CONSTRAINT', pg_catalog.quote_ident(co.conname),
            CASE WHEN pg_catalog.pg_type_is_visible(t.oid) IS NOT NULL
                THEN pg_catalog.pg_get_constraintdef(co.oid)
            END
        )
        FROM pg_catalog.pg_constraint AS co
        WHERE co.conrelid = 0 AND co.contypid = t.oid AND co.contype = 'c'
        ORDER BY co.conname
    ))::pg_catalog.text END AS checks,
    CASE WHEN t.typtype = 'd' AND t.typcollation <> bt.typcollation THEN cl.collname END
        AS collation,
    pg_catalog.pg_get_userbyid(t.typowner) AS owner,
    d.description AS comment
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_type AS t ON t.typnamespace = n.oid
LEFT JOIN pg_catalog.pg_class AS row ON row.oid = t.typrelid
LEFT JOIN pg_catalog.pg_type AS element ON element.oid = t.typelem AND element.typarray = t.oid
LEFT JOIN pg_catalog.pg_type AS bt ON bt.oid = t.typbasetype
LEFT JOIN pg_catalog.pg_collation AS cl ON cl.oid = t.typcollation
LEFT JOIN pg_catalog.pg_range AS r ON r.rngtypid = t.oid
LEFT JOIN pg_catalog.pg_range AS m ON m.rngmultitypid = t.oid
LEFT JOIN pg_catalog.pg_description AS d
    ON d.objoid = t.oid AND d.objsubid = 0
    AND d.classoid = 'pg_catalog.pg_type'::pg_catalog.regclass
WHERE element.oid IS NULL AND (t.typrelid = 0 OR row.relkind = 'c') AND {SCHEMA_IN_SCOPE}
"""  # noqa: S608 - only constants are put in
TYPE_ORDER = Order("t.oid", ("type_oid",), "t.oid > %(after_0)s::pg_catalog.oid")
