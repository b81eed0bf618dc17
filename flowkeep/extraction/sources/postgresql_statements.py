"""PostgreSQL's catalogue statements: one per kind, however many objects there are.

They read `pg_catalog` (which shows all objects, not only those the role may use) and run with an
empty `search_path`, so that no object of the database can stand in for one of the system's, and
type and relation names inside expressions come out qualified. They read only what versions 14 to
18 have in common.

Parameters: `%(include)s` (schema names or null), `%(exclude)s` (schema names), `%(system)s`
(whether system schemas belong to the scope when `include` is null). The order stands apart,
because counting needs none. It is by object identifier: stable while the database does not change,
and independent of collations.

Functions like `pg_get_viewdef` look at the catalogue of this moment, not of the snapshot. What was
dropped meanwhile gives null in these columns, never in one that names an object. Deparsing a view
that was dropped is an error, so each is looked up first: `pg_relation_size` locks what it opens,
hears of drops by that, and gives null for what is gone.

Estimates and sizes are left out: they change by themselves, and then an unchanged database would
not give the same bytes twice.
"""

from collections.abc import Mapping

from flowkeep.extraction.sources.base import Order

_SCHEMA_IN_SCOPE = """
    n.nspname !~ '^pg_(toast_)?temp_[0-9]+$'
    AND n.nspname <> ALL (%(exclude)s::pg_catalog.text[])
    AND CASE
        WHEN %(include)s::pg_catalog.text[] IS NOT NULL
            THEN n.nspname = ANY (%(include)s::pg_catalog.text[])
        WHEN n.nspname = 'information_schema' OR n.nspname ~ '^pg_'
            THEN %(system)s
        ELSE true
    END
"""

_TABLE_TYPE = """CASE c.relkind
        WHEN 'r' THEN 'Regular' WHEN 'p' THEN 'Partitioned' WHEN 'v' THEN 'View'
        WHEN 'm' THEN 'MaterializedView' WHEN 'f' THEN 'Foreign'
    END"""

DATABASE_SQL = """
SELECT
    b.datname AS database_name,
    b.oid::pg_catalog.int8 AS database_oid,
    pg_catalog.pg_get_userbyid(b.datdba) AS owner,
    pg_catalog.pg_encoding_to_char(b.encoding) AS encoding,
    b.datcollate AS collation,
    b.datctype AS character_type,
    b.datconnlimit AS connection_limit,
    d.description AS comment
FROM pg_catalog.pg_database AS b
LEFT JOIN pg_catalog.pg_shdescription AS d
    ON d.objoid = b.oid AND d.classoid = 'pg_catalog.pg_database'::pg_catalog.regclass
WHERE b.datname = pg_catalog.current_database()
"""

SCHEMA_SQL = f"""
SELECT
    pg_catalog.current_database() AS database_name,
    n.nspname AS schema_name,
    n.oid::pg_catalog.int8 AS schema_oid,
    pg_catalog.pg_get_userbyid(n.nspowner) AS owner,
    (n.nspname = 'information_schema' OR n.nspname ~ '^pg_') AS is_system,
    d.description AS comment
FROM pg_catalog.pg_namespace AS n
LEFT JOIN pg_catalog.pg_description AS d
    ON d.objoid = n.oid AND d.objsubid = 0
    AND d.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
WHERE {_SCHEMA_IN_SCOPE}
"""  # noqa: S608 - only constants of this module are put in

TABLE_SQL = f"""
SELECT
    pg_catalog.current_database() AS database_name,
    n.nspname AS schema_name,
    c.relname AS table_name,
    c.oid::pg_catalog.int8 AS table_oid,
    {_TABLE_TYPE} AS table_type,
    pg_catalog.pg_get_userbyid(c.relowner) AS owner,
    CASE c.relpersistence
        WHEN 'p' THEN 'permanent' WHEN 'u' THEN 'unlogged' WHEN 't' THEN 'temporary'
    END AS persistence,
    c.relispartition AS is_partition,
    pn.nspname AS partition_of_schema,
    pc.relname AS partition_of_table,
    pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS partition_bound,
    CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END AS partition_key,
    c.relrowsecurity AS has_row_security,
    pg_catalog.array_to_string(c.reloptions, ', ') AS options,
    CASE WHEN c.relkind IN ('v', 'm')
        AND pg_catalog.pg_relation_size(c.oid) IS NOT NULL
        THEN pg_catalog.pg_get_viewdef(c.oid)
    END AS view_definition,
    d.description AS comment
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid
LEFT JOIN pg_catalog.pg_inherits AS i
    ON c.relispartition AND i.inhrelid = c.oid AND i.inhseqno = 1
LEFT JOIN pg_catalog.pg_class AS pc ON pc.oid = i.inhparent
LEFT JOIN pg_catalog.pg_namespace AS pn ON pn.oid = pc.relnamespace
LEFT JOIN pg_catalog.pg_description AS d
    ON d.objoid = c.oid AND d.objsubid = 0
    AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {_SCHEMA_IN_SCOPE}
"""  # noqa: S608 - only constants of this module are put in

COLUMN_SQL = f"""
SELECT
    pg_catalog.current_database() AS database_name,
    n.nspname AS schema_name,
    c.relname AS table_name,
    c.oid::pg_catalog.int8 AS table_oid,
    {_TABLE_TYPE} AS table_type,
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
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped
    AND {_SCHEMA_IN_SCOPE}
"""  # noqa: S608 - only constants of this module are put in

PROCEDURE_SQL = f"""
SELECT
    pg_catalog.current_database() AS database_name,
    n.nspname AS schema_name,
    p.proname AS procedure_name,
    p.oid::pg_catalog.int8 AS procedure_oid,
    CASE p.prokind
        WHEN 'f' THEN 'Function' WHEN 'p' THEN 'Procedure' WHEN 'a' THEN 'Aggregate'
        WHEN 'w' THEN 'WindowFunction'
    END AS procedure_type,
    pg_catalog.oidvectortypes(p.proargtypes) AS signature,
    pg_catalog.pg_get_function_arguments(p.oid) AS arguments,
    pg_catalog.pg_get_function_result(p.oid) AS result_type,
    l.lanname AS language,
    pg_catalog.pg_get_userbyid(p.proowner) AS owner,
    CASE p.provolatile
        WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' WHEN 'v' THEN 'volatile'
    END AS volatility,
    CASE p.proparallel
        WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' WHEN 'u' THEN 'unsafe'
    END AS parallel_safety,
    p.proisstrict AS is_strict,
    p.prosecdef AS is_security_definer,
    p.proretset AS returns_set,
    CASE WHEN p.prokind <> 'a'
        THEN COALESCE(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc)
    END AS definition,
    d.description AS comment
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_proc AS p ON p.pronamespace = n.oid
LEFT JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
LEFT JOIN pg_catalog.pg_description AS d
    ON d.objoid = p.oid AND d.objsubid = 0
    AND d.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass
WHERE {_SCHEMA_IN_SCOPE}
"""  # noqa: S608 - only constants of this module are put in

STATEMENTS: Mapping[str, str] = {
    "databases": DATABASE_SQL,
    "schemas": SCHEMA_SQL,
    "tables": TABLE_SQL,
    "columns": COLUMN_SQL,
    "procedures": PROCEDURE_SQL,
}
"""Kind to statement."""

ORDERS: Mapping[str, Order] = {
    "databases": Order("b.oid", ("database_oid",), "b.oid > %(after_0)s::pg_catalog.oid"),
    "schemas": Order("n.oid", ("schema_oid",), "n.oid > %(after_0)s::pg_catalog.oid"),
    "tables": Order("c.oid", ("table_oid",), "c.oid > %(after_0)s::pg_catalog.oid"),
    "columns": Order(
        "a.attrelid, a.attnum",
        ("table_oid", "ordinal_position"),
        "(a.attrelid, a.attnum) > (%(after_0)s::pg_catalog.oid, %(after_1)s::pg_catalog.int2)",
    ),
    "procedures": Order("p.oid", ("procedure_oid",), "p.oid > %(after_0)s::pg_catalog.oid"),
}
"""Kind to the order of its statement."""
