"""Whether the tables of a ledger are those of the definitions, name by name."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateSchema

from flowkeep.statestore.tables import metadata

_CATALOGUE = """
SELECT 'column' AS kind, c.relname || '.' || a.attname AS name,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod),
           CASE WHEN a.attnotnull THEN 'NOT NULL' END,
           CASE WHEN a.attidentity <> '' THEN 'IDENTITY ' || a.attidentity::text END,
           CASE WHEN d.adbin IS NOT NULL THEN 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END
       ) AS definition
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND NOT a.attisdropped
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = to_regnamespace(:schema) AND c.relkind = 'r' AND a.attnum > 0
UNION ALL
SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = to_regnamespace(:schema) AND contype <> 'n'
UNION ALL
SELECT 'index', c.relname, pg_get_indexdef(c.oid)
       || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID: its build was interrupted' END
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE c.relnamespace = to_regnamespace(:schema)
UNION ALL
SELECT 'storage', relname, coalesce(array_to_string(reloptions, ','), 'default') FROM pg_class
WHERE relnamespace = to_regnamespace(:schema) AND relkind = 'r'
"""
_SCRATCH = "flowkeep_definitions"

Catalogue = dict[tuple[str, str], str]
"""Definition by kind and name."""


async def differences(connection: AsyncConnection, schema_name: str) -> list[str]:
    """Return what is missing, changed or there beside the definitions, one line each.

    The definitions are created in a schema of their own, read, and undone: nothing remains.

    Args:
        connection: A connection without an open transaction; its user may create schemas.
        schema_name: Schema of the ledger.
    """
    transaction = await connection.begin()
    try:
        await connection.execute(CreateSchema(_SCRATCH))
        await connection.execute(text(f"SET LOCAL search_path = {_SCRATCH}"))
        await connection.run_sync(metadata.create_all)
        wanted = await _catalogue(connection, _SCRATCH)
        found = await _catalogue(connection, schema_name)
    finally:
        await transaction.rollback()
    return [*_compare(wanted, found)]


async def _catalogue(connection: AsyncConnection, schema: str) -> Catalogue:
    """Return what PostgreSQL knows of a schema, without the schema's name."""
    rows = await connection.execute(text(_CATALOGUE), {"schema": schema})
    return {
        (row.kind, row.name): row.definition.replace(f'"{schema}".', "").replace(f"{schema}.", "")
        for row in rows
        if not row.name.startswith("alembic_version")
    }


def _compare(wanted: Catalogue, found: Catalogue) -> list[str]:
    lines = []
    for kind, name in sorted(wanted.keys() | found.keys()):
        should, is_ = wanted.get((kind, name)), found.get((kind, name))
        if is_ is None:
            lines.append(f"{kind} {name} is missing: {should}")
        elif should is None:
            lines.append(f"{kind} {name} is not among the definitions: {is_}")
        elif should != is_:
            lines.append(f"{kind} {name} is {is_}; it should be {should}")
    return lines
