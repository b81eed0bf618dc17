"""Indexes of tables and materialised views, those of constraints and partitioned ones included."""

from flowkeep.extraction.sources.base import Order
from flowkeep.extraction.sources.postgresql_statements.scope import (
    BLOCK_SIZE,
    RELATIONS,
    SCHEMA_IN_SCOPE,
    TABLE_IN_SCOPE,
    TABLE_TYPE,
)


def _columns(condition: str) -> str:
    """Return a JSON array of the names of columns, or of the expressions that stand for them.

    Args:
        condition: Which of them, by their `place` in the index, from 1.
    """
    return f"""pg_catalog.to_json(ARRAY(
        SELECT CASE WHEN k.attnum = 0
            THEN pg_catalog.pg_get_indexdef(i.indexrelid, k.place::pg_catalog.int4, false)
            ELSE a.attname::pg_catalog.text
        END
        FROM pg_catalog.unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
        LEFT JOIN pg_catalog.pg_attribute AS a
            ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE {condition}
        ORDER BY k.place
    ))::pg_catalog.text"""  # noqa: S608 - only constants are put in


INDEX_SQL = f"""
SELECT
    pg_catalog.current_database() AS database_name,
    n.nspname AS schema_name,
    c.relname AS table_name,
    c.oid::pg_catalog.int8 AS table_oid,
    {TABLE_TYPE} AS table_type,
    x.relname AS index_name,
    x.oid::pg_catalog.int8 AS index_oid,
    am.amname AS method,
    i.indisunique AS is_unique,
    i.indisprimary AS is_primary,
    i.indisexclusion AS is_exclusion,
    i.indisvalid AS is_valid,
    (x.relkind = 'I') AS is_partitioned,
    {_columns("k.place <= i.indnkeyatts")} AS columns,
    CASE WHEN i.indnatts > i.indnkeyatts THEN {_columns("k.place > i.indnkeyatts")} ELSE '[]' END
        AS included_columns,
    pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS predicate,
    CASE WHEN pg_catalog.pg_table_is_visible(i.indrelid) IS NOT NULL
        AND pg_catalog.pg_table_is_visible(i.indexrelid) IS NOT NULL
        THEN pg_catalog.pg_get_indexdef(i.indexrelid)
    END AS definition,
    ts.spcname AS tablespace,
    CASE WHEN x.relkind = 'i' AND x.reltuples >= 0
        THEN x.reltuples::pg_catalog.int8
    END AS row_estimate,
    CASE WHEN x.relkind = 'i' AND x.reltuples >= 0
        THEN x.relpages * {BLOCK_SIZE}
    END AS size_estimate_bytes,
    d.description AS comment
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid
JOIN pg_catalog.pg_index AS i ON i.indrelid = c.oid
JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
LEFT JOIN pg_catalog.pg_am AS am ON am.oid = x.relam
LEFT JOIN pg_catalog.pg_tablespace AS ts ON ts.oid = x.reltablespace
LEFT JOIN pg_catalog.pg_description AS d
    ON d.objoid = x.oid AND d.objsubid = 0
    AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
WHERE c.relkind IN {RELATIONS} AND {SCHEMA_IN_SCOPE} AND {TABLE_IN_SCOPE}
"""  # noqa: S608 - only constants are put in
INDEX_ORDER = Order("x.oid", ("index_oid",), "x.oid > %(after_0)s::pg_catalog.oid")
