"""Deleting archived runs: their lines and labels; the objects stay in their bundles."""

# ruff: noqa: S608 - only constants of ours are put into statements

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import RowMapping

from flowkeep.statestore.repositories import families, inputs, tombstones
from flowkeep.statestore.repositories.holds import Holds
from flowkeep.statestore.session import Session

_COLUMNS = "id, status, app_id, definition_id, false AS held"
_BY_ID = f"""
SELECT {_COLUMNS} FROM {{schema}}.run_archive
WHERE id = ANY(CAST(:runs AS uuid[])) AND tenant_id = :tenant ORDER BY id
"""
_BY_APP = f"""
SELECT {_COLUMNS} FROM {{schema}}.run_archive
WHERE tenant_id = :tenant AND app_id = :app AND kind = 'run' ORDER BY created_at, id LIMIT :limit
"""
_COUNT_BY_APP = """
SELECT count(*) FROM {schema}.run_archive
WHERE tenant_id = :tenant AND app_id = :app AND kind = 'run'
"""
_WITH_CHUNKS = """
SELECT id FROM {schema}.run_archive WHERE id = ANY(CAST(:runs AS uuid[])) AND tenant_id = :tenant
UNION
SELECT id FROM {schema}.run_archive
WHERE parent_run_id = ANY(CAST(:runs AS uuid[])) AND kind = 'chunk' AND tenant_id = :tenant
"""
_LABELS = """
DELETE FROM {schema}.run_label WHERE archived AND ctid = ANY(ARRAY(
    SELECT found.ctid FROM {schema}.run_archive AS r
    CROSS JOIN LATERAL jsonb_each_text(r.labels) AS label
    CROSS JOIN LATERAL (
        SELECT l.ctid FROM {schema}.run_label AS l
        WHERE l.tenant_id = r.tenant_id AND l.key = label.key AND l.value = label.value
          AND l.archived AND l.created_at = r.created_at AND l.run_id = r.id OFFSET 0
    ) AS found
    WHERE r.id = ANY(CAST(:runs AS uuid[])) AND r.labels <> '{}'
))
"""
_LINES = "DELETE FROM {schema}.run_archive WHERE id = ANY(CAST(:runs AS uuid[])) RETURNING id"
_SLICE = 1000


async def rows_of(session: Session, tenant_id: str, run_ids: Sequence[UUID]) -> list[RowMapping]:
    """Return what decides about some archived runs."""
    found = await session.execute(_BY_ID, {"tenant": tenant_id, "runs": inputs.array(run_ids)})
    return list(found.mappings())


async def forget(
    session: Session, tenant_id: str, run_ids: Sequence[UUID], *, dry_run: bool = False
) -> int:
    """Delete the lines of archived runs and of their chunks; returns how many runs there were."""
    named = {row["id"] for row in await rows_of(session, tenant_id, run_ids)}
    if named and not dry_run:
        bound = {"tenant": tenant_id, "runs": inputs.array(sorted(named))}
        members = (await session.execute(_WITH_CHUNKS, bound)).scalars().all()
        bound["runs"] = inputs.array(members)
        await session.execute(_LABELS, bound)
        gone = set((await session.execute(_LINES, bound)).scalars())
        await tombstones.write(session, tenant_id, sorted(gone))
        named &= gone
    return len(named)


async def forget_app(
    session: Session, tenant_id: str, app_id: str, held: Holds, *, dry_run: bool = False
) -> int:
    """Delete the lines of an app's archived runs; returns how many runs there were.

    Raises:
        Conflict: If a policy holds them.
    """
    bound = {"tenant": tenant_id, "app": app_id, "limit": _SLICE}
    if dry_run:
        return int((await session.execute(_COUNT_BY_APP, bound)).scalar_one())
    total = 0
    while rows := (await session.execute(_BY_APP, bound)).mappings().all():
        families.refuse({row["id"]: "held" for row in rows if held.cover(row)})
        total += await forget(session, tenant_id, [row["id"] for row in rows])
    return total
