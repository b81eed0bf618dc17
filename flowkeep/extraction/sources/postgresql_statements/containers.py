"""The database and its schemas."""

from flowkeep.extraction.sources.base import Order
from flowkeep.extraction.sources.postgresql_statements.scope import (
    DATABASE_IN_SCOPE,
    SCHEMA_IN_SCOPE,
)

DATABASE_SQL = f"""
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
WHERE b.datname = pg_catalog.current_database() AND {DATABASE_IN_SCOPE}
"""  # noqa: S608 - only constants are put in
DATABASE_ORDER = Order("b.oid", ("database_oid",), "b.oid > %(after_0)s::pg_catalog.oid")

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
WHERE {SCHEMA_IN_SCOPE}
"""  # noqa: S608 - only constants are put in
SCHEMA_ORDER = Order("n.oid", ("schema_oid",), "n.oid > %(after_0)s::pg_catalog.oid")
