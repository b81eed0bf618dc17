"""Which objects the statements return, and expressions that several of them share.

The conditions speak of the namespace as `n`, the relation as `c`, the routine as `p` and the
database as `b`. In the place of `{schema_filter}` and the like the compiled rules stand, see
`flowkeep.extraction.filters`.
"""

SCHEMA_IN_SCOPE = "n.nspname !~ '^pg_(toast_)?temp_[0-9]+$' AND {schema_filter}"
"""For statements whose rows belong to a schema, or are one."""

TABLE_IN_SCOPE = "{table_filter}"
"""For statements whose rows belong to a table, or are one."""

PROCEDURE_IN_SCOPE = "{procedure_filter}"
"""For the statement whose rows are routines."""

DATABASE_IN_SCOPE = "{database_filter}"
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
