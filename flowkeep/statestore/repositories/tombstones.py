"""Marks of runs that are gone for good, so that late records do not bring them back."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from flowkeep.errors import Conflict
from flowkeep.statestore.repositories import inputs
from flowkeep.statestore.session import Session

KEPT_DAYS = 90
"""How long they are kept: no record of a run arrives later than Temporal keeps its history."""

# By run id, of any tenant: an id is never used twice.
_GONE = """
SELECT run_id FROM {schema}.run_tombstone WHERE run_id = ANY(CAST(:runs AS uuid[]))
UNION ALL
SELECT id FROM {schema}.run_archive WHERE id = ANY(CAST(:runs AS uuid[]))
"""
# Of a record `r`; a chunk goes with the run whose map it is part of.
OF_RECORD = """
SELECT true FROM {schema}.run_tombstone AS g WHERE g.run_id IN (r.run_id, r.chunk_of)
UNION ALL
SELECT true FROM {schema}.run_archive AS g WHERE g.id IN (r.run_id, r.chunk_of)
LIMIT 1
"""
"""SQL: whether the run of a record is gone."""
_PRUNE = """
DELETE FROM {schema}.run_tombstone WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM {schema}.run_tombstone
    WHERE deleted_at < now() - make_interval(days => :days) LIMIT :limit
))
"""


async def write(session: Session, tenant_id: str, run_ids: Sequence[UUID]) -> None:
    """Mark runs as deleted, in the transaction that deletes them."""
    await session.execute(
        "INSERT INTO {schema}.run_tombstone (run_id, tenant_id, deleted_at)"
        " SELECT id, :tenant, now() FROM unnest(CAST(:runs AS uuid[])) AS id"
        " ON CONFLICT DO NOTHING",
        {"tenant": tenant_id, "runs": inputs.array(run_ids)},
    )


async def among(session: Session, run_ids: Iterable[UUID]) -> set[UUID]:
    """Return which of some runs were deleted, or lie in the archive."""
    found = await session.execute(_GONE, {"runs": inputs.array(run_ids)})
    return set(found.scalars())


async def refuse(session: Session, run_id: UUID) -> None:
    """Let nobody create a run under an id that was used before.

    Raises:
        Conflict: If the run was deleted, or lies in the archive.
    """
    if await among(session, [run_id]):
        raise gone(run_id)


def gone(run_id: UUID) -> Conflict:
    """Return the error for a new run under an id that was used before."""
    return Conflict(
        f"run {run_id} was deleted or archived",
        hint="use a new id for a new run; an archived one comes back by `archive restore`",
    )


async def prune(session: Session, limit: int) -> int:
    """Delete marks that are older than `KEPT_DAYS`; returns how many went."""
    pruned = await session.execute(_PRUNE, {"days": KEPT_DAYS, "limit": limit})
    return pruned.rowcount
