"""Which tenants there are."""

# ruff: noqa: S608 - only constants of ours are put into statements

from flowkeep.contracts import Page
from flowkeep.statestore.repositories import inputs
from flowkeep.statestore.session import Session

# Where a tenant shows: tables with an index that begins with the tenant, and its condition.
_PLACES = (
    ("run", "kind = 'run'"),
    ("run_archive", "kind = 'run'"),
    ("run_rollup", "true"),
    ("state_entry", "true"),
    ("secret", "true"),
    ("definition", "deleted_at IS NULL"),
    ("action", "true"),
    ("api_key", "true"),
    ("app", "true"),
    ("retention_policy", "true"),
    ("large_payload", "true"),
)
_NEXT = ", ".join(
    f"(SELECT tenant_id FROM {{schema}}.{table} WHERE {where} AND tenant_id > {{after}}"
    " ORDER BY tenant_id LIMIT 1)"
    for table, where in _PLACES
)


def _after(what: str) -> str:
    return _NEXT.replace("{after}", what)


# A loose scan: one look-up per tenant and index, however many rows a tenant has.
_TENANTS = f"""
WITH RECURSIVE tenant AS (
    SELECT LEAST({_after("CAST(:after AS text)")}) AS name
    UNION ALL
    SELECT LEAST({_after("tenant.name")}) FROM tenant WHERE tenant.name IS NOT NULL
)
SELECT name FROM tenant WHERE name IS NOT NULL LIMIT :rows
"""


async def list_tenants(session: Session, limit: int, after: str | None) -> Page[str]:
    """Return the names of tenants, in the order of the database."""
    rows = inputs.page_limit(limit)
    found = await session.execute(_TENANTS, {"after": after or "", "rows": rows + 1})
    names = list(found.scalars())
    return Page(data=names[:rows], limit=rows, has_more=len(names) > rows)
