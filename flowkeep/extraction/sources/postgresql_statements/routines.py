"""Functions, procedures, aggregates and window functions."""

from flowkeep.extraction.sources.base import Order
from flowkeep.extraction.sources.postgresql_statements.scope import (
    PROCEDURE_IN_SCOPE,
    SCHEMA_IN_SCOPE,
)

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
WHERE {SCHEMA_IN_SCOPE} AND {PROCEDURE_IN_SCOPE}
"""  # noqa: S608 - only constants are put in
PROCEDURE_ORDER = Order("p.oid", ("procedure_oid",), "p.oid > %(after_0)s::pg_catalog.oid")
