"""Deleting archived runs: their lines and labels; the objects stay in their bundles."""

# ruff: noqa: S608 - only constants of ours are put into statements

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from sqlalchemy import RowMapping

from flowkeep.statestore.repositories import families, holds, inputs, rollups, tombstones
from flowkeep.statestore.repositories.expiry import START
from flowkeep.statestore.repositories.holds import Holds
from flowkeep.statestore.session import Scope, Session

_COLUMNS = "id, status, app_id, definition_id, false AS held"
_BY_ID = f"""
SELECT {_COLUMNS} FROM {{schema}}.run_archive
WHERE id = ANY(CAST(:runs AS uuid[])) AND tenant_id = :tenant ORDER BY id
"""
_BY_APP = f"""
SELECT {_COLUMNS}, created_at AS at FROM {{schema}}.run_archive
WHERE tenant_id = :tenant AND app_id = :app AND kind = 'run' AND (created_at, id) > (:at, :id)
ORDER BY created_at, id LIMIT :limit
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


async def rows_of(
    session: Session, tenant_id: str, run_ids: Sequence[UUID], *, lock: bool = False
) -> list[RowMapping]:
    """Return what decides about some archived runs."""
    bound = {"tenant": tenant_id, "runs": inputs.array(run_ids)}
    found = await session.execute(_BY_ID + ("FOR UPDATE" if lock else ""), bound)
    return list(found.mappings())


async def windows(
    scope: Scope, tenant_id: str, app_id: str, limit: int
) -> AsyncIterator[Sequence[RowMapping]]:
    """Read the lines of an app's archived runs, oldest first, each statement for itself."""
    bound = {"tenant": tenant_id, "app": app_id, "limit": limit, "at": START[0], "id": START[1]}
    while True:
        async with scope.read() as session:
            rows = (await session.execute(_BY_APP, bound)).mappings().all()
        if not rows:
            return
        yield rows
        bound |= {"at": rows[-1]["at"], "id": rows[-1]["id"]}


async def forget(session: Session, tenant_id: str, run_ids: Sequence[UUID]) -> int:
    """Delete the lines of archived runs and of their chunks; returns how many runs there were.

    Raises:
        Conflict: If a policy holds some of them; nothing was deleted then.
    """
    policies = await holds.read(session, tenant_id, steady=True)
    rows = await rows_of(session, tenant_id, run_ids, lock=True)
    refuse_held(Holds.of(policies), rows)
    if not rows:
        return 0
    bound = {"tenant": tenant_id, "runs": inputs.array([row["id"] for row in rows])}
    members = (await session.execute(_WITH_CHUNKS, bound)).scalars().all()
    bound["runs"] = inputs.array(members)
    await rollups.note_gone(session, members, archived=True)
    await session.execute(_LABELS, bound)
    gone = set((await session.execute(_LINES, bound)).scalars())
    await tombstones.write(session, tenant_id, sorted(gone))
    return len(rows)


def refuse_held(held: Holds, rows: Sequence[RowMapping]) -> None:
    """Raise Conflict if some archived runs are held."""
    families.refuse({row["id"]: "held" for row in rows if held.cover(row)})
