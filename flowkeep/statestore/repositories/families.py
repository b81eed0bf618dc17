"""Deleting runs together with their chunks: locked, checked, marked, removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import RowMapping

from flowkeep.contracts import FailureReason, RunStatus
from flowkeep.contracts.retention import Removed
from flowkeep.errors import Conflict
from flowkeep.statestore.repositories import holds, inputs, removal, tombstones
from flowkeep.statestore.repositories.expiry import ENDED
from flowkeep.statestore.repositories.holds import Holds
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables.base import OPEN

MOST_TASKS = 50_000
"""Attempts that one transaction removes, unless a single run has more."""
_NAMED = 5
_COLUMNS = """id, kind, parent_run_id, status, app_id, definition_id,
    CASE WHEN EXISTS (SELECT FROM {schema}.step_scope AS s WHERE s.run_id = run.id)
        THEN (SELECT count(*) FROM {schema}.task AS t WHERE t.run_id = run.id)
        ELSE tasks_total END AS tasks_total,
    COALESCE(hold_until > now(), false) AS held"""
# Nobody is waited for while locks are held, so nobody can be waited for in a circle: only the
# first lock of a transaction may wait.
_WAIT = "SELECT id FROM {schema}.run WHERE id = :first AND tenant_id = :tenant FOR UPDATE"
_LOCK = f"""
SELECT {_COLUMNS} FROM {{schema}}.run
WHERE id = ANY(CAST(:runs AS uuid[])) AND tenant_id = :tenant ORDER BY id FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - only constants of ours are put in
_CHUNKS = """
SELECT id, parent_run_id FROM {schema}.run
WHERE parent_run_id = ANY(CAST(:runs AS uuid[])) AND kind = 'chunk' AND tenant_id = :tenant
"""
_END = f"""
UPDATE {{schema}}.run SET status = '{RunStatus.CANCELLED}', finished_at = now(), updated_at = now(),
    failure_reason = '{FailureReason.TERMINATED}', revision = revision + 1
WHERE id = ANY(CAST(:runs AS uuid[])) AND {OPEN}
"""  # noqa: S608 - only constants of ours are put in


@dataclass(frozen=True)
class Deleted:
    """What became of a batch.

    Attributes:
        runs: Runs of the batch that are gone.
        left: Runs of the batch that somebody else is writing to.
        later: Runs of the batch for another transaction: this one has enough to do.
        removed: The rows that went.
    """

    runs: list[UUID]
    left: list[UUID]
    later: list[UUID]
    removed: Removed


async def delete(
    session: Session,
    tenant_id: str,
    run_ids: Sequence[UUID],
    *,
    strict: bool,
    force: bool = False,
) -> Deleted:
    """Delete a batch of runs with their chunks, in the transaction of the session.

    Args:
        session: A transaction that holds no lock on a run.
        tenant_id: Whose; runs of other tenants are passed over.
        run_ids: The batch; may be shortened to what one short transaction removes.
        strict: Refuse the batch when a run of it must stay, and wait for the first run. Else
            runs that must stay, or that somebody writes to, are passed over.
        force: End open runs; only their record, Temporal is not told.

    Raises:
        Conflict: If `strict` is set and runs are open (unless `force`) or held; names them.
    """
    policies = await holds.read(session, tenant_id, steady=True)
    if strict:
        await session.execute(_WAIT, {"first": run_ids[0], "tenant": tenant_id})
    families, left = await _lock_families(session, tenant_id, run_ids)
    held = Holds.of(policies)
    stay = {
        parent: "held" if any(held.cover(row) for row in rows) else "open"
        for parent, rows in families.items()
        if any(held.cover(row) or not (force or row["status"] in ENDED) for row in rows)
    }
    if strict:
        refuse(stay)
    chosen, later = _short([(p, rows) for p, rows in families.items() if p not in stay])
    members = sorted({row["id"] for _, rows in chosen for row in rows})
    if not members:
        return Deleted([], left, later, Removed())
    if len(chosen) == 1 and sum(row["tasks_total"] for row in chosen[0][1]) > MOST_TASKS:
        await session.execute("SELECT set_config('statement_timeout', '10min', true)")
    if force:
        await session.execute(_END, {"runs": inputs.array(members)})
    removed = await removal.remove(session, tenant_id, members)
    await tombstones.write(session, tenant_id, members)
    return Deleted([parent for parent, _ in chosen], left, later, removed)


def refuse(stay: Mapping[UUID, str]) -> None:
    """Raise unless nothing has to stay.

    Args:
        stay: Runs that cannot be deleted, and why: `open` or `held`.

    Raises:
        Conflict: Names the first few and says how many there are.
    """
    hints = {
        "open": "wait until they end, cancel them, or pass force=True",
        "held": "release the legal hold first: `retention release`, or the policy that holds them",
    }
    for reason, hint in hints.items():
        runs = sorted(run_id for run_id, why in stay.items() if why == reason)
        if runs:
            names = ", ".join(str(run_id) for run_id in runs[:_NAMED])
            more = f" and {len(runs) - _NAMED} more" if len(runs) > _NAMED else ""
            raise Conflict(
                f"runs that are {_WORDS[reason]} cannot be deleted ({len(runs)}): {names}{more}",
                hint=hint,
            )


_WORDS = {"open": "open", "held": "under a legal hold"}


async def chunks_of(session: Session, tenant_id: str, run_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return the chunks of some runs, and whose each is."""
    found = await session.execute(_CHUNKS, {"tenant": tenant_id, "runs": inputs.array(run_ids)})
    return {row.id: row.parent_run_id for row in found}


async def rows_of(session: Session, tenant_id: str, run_ids: Sequence[UUID]) -> list[RowMapping]:
    """Return what decides about some runs, without locking them."""
    statement = _LOCK.replace("FOR UPDATE SKIP LOCKED", "")
    found = await session.execute(statement, {"tenant": tenant_id, "runs": inputs.array(run_ids)})
    return list(found.mappings())


async def _lock_families(
    session: Session, tenant_id: str, run_ids: Sequence[UUID]
) -> tuple[dict[UUID, list[RowMapping]], list[UUID]]:
    """Lock runs and their chunks; returns each run's rows, and runs that are locked elsewhere."""
    bound = {"tenant": tenant_id, "runs": inputs.array(run_ids)}
    found = await session.execute(_LOCK, bound)
    families = {row["id"]: [row] for row in found.mappings()}
    # A statement later: rows that were deleted meanwhile are not looked for again.
    there = {row["id"] for row in await rows_of(session, tenant_id, run_ids)}
    left = sorted(there - families.keys())
    chunks = await chunks_of(session, tenant_id, list(families))
    if chunks:
        locked = await session.execute(
            _LOCK, {"tenant": tenant_id, "runs": inputs.array(list(chunks))}
        )
        rows = {row["id"]: row for row in locked.mappings()}
        for chunk, parent in chunks.items():
            if chunk in rows:
                families[parent].append(rows[chunk])
        missing = {parent for chunk, parent in chunks.items() if chunk not in rows}
        left += [parent for parent in sorted(missing) if families.pop(parent)]
    return families, left


def _short(
    families: list[tuple[UUID, list[RowMapping]]],
) -> tuple[list[tuple[UUID, list[RowMapping]]], list[UUID]]:
    """Split off what goes beyond one short transaction."""
    tasks = 0
    for n, (_, rows) in enumerate(families):
        tasks += sum(row["tasks_total"] for row in rows)
        if n and tasks > MOST_TASKS:
            return families[:n], [parent for parent, _ in families[n:]]
    return families, []
