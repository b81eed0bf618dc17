"""Marks on attempts that no record can make; the run's counters follow in the same transaction."""

from collections.abc import Sequence
from uuid import UUID

from flowkeep.contracts.recorded import AttemptRecord
from flowkeep.statestore.repositories.changes import lock
from flowkeep.statestore.repositories.verification import RECOUNT
from flowkeep.statestore.session import Session

_MARK = """
UPDATE {schema}.task AS t SET <change>
FROM unnest(CAST(:executions AS text[]), CAST(:activities AS text[]), CAST(:attempts AS int[]))
     AS m(temporal_run_id, activity_id, attempt)
WHERE t.run_id = :run_id AND t.temporal_run_id = m.temporal_run_id
  AND t.activity_id = m.activity_id AND t.attempt = m.attempt
"""
UNDONE = _MARK.replace("<change>", "superseded = true")
"""What a reset undid, or what never happened: it stays to be seen and counts for nothing."""
KEPT = _MARK.replace("<change>", "superseded = false")
"""The reverse."""
LAST = _MARK.replace("<change>", "next_retry_at = NULL")
"""No further attempt follows."""


async def mark(
    session: Session, statement: str, run_id: UUID, attempts: Sequence[AttemptRecord]
) -> int:
    """Mark attempts of a run; returns how many there are.

    Args:
        session: A transaction.
        statement: One of the above.
        run_id: The run.
        attempts: Which of its attempts.

    Raises:
        NotFound: If the run was deleted or archived since.
    """
    keys = {
        "executions": [one.temporal_run_id for one in attempts],
        "activities": [one.activity_id for one in attempts],
        "attempts": [one.attempt for one in attempts],
    }
    await lock(session, run_id)
    changed = await session.execute(statement, {"run_id": run_id, **keys})
    if changed.rowcount:
        await session.execute(RECOUNT, {"run": run_id})
    return int(changed.rowcount)
