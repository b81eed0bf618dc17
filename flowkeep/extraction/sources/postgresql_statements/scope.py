"""Which objects the statements return, and expressions that several of them share.

The conditions speak of the namespace as `n`, the relation as `c`, the routine as `p` and the
database as `b`. Parameters: `%(include)s` (schema names or null), `%(exclude)s` (schema names),
`%(system)s` (whether system schemas belong to the scope when `include` is null).
"""

SCHEMA_IN_SCOPE = """
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
"""For statements whose rows belong to a schema, or are one."""

TABLE_IN_SCOPE = "true"
"""For statements whose rows belong to a table, or are one."""

PROCEDURE_IN_SCOPE = "true"
"""For the statement whose rows are routines."""

DATABASE_IN_SCOPE = "true"
"""For the statement whose rows are databases."""

RELATIONS = "('r', 'p', 'v', 'm', 'f')"
"""Sorts of relation that count as tables."""

TABLE_TYPE = """CASE c.relkind
        WHEN 'r' THEN 'Regular' WHEN 'p' THEN 'Partitioned' WHEN 'v' THEN 'View'
        WHEN 'm' THEN 'MaterializedView' WHEN 'f' THEN 'Foreign'
    END"""
"""Sort of the relation in words."""

BLOCK_SIZE = "(SELECT pg_catalog.current_setting('block_size')::pg_catalog.int8)"
"""Bytes of a page, asked for once per statement."""
