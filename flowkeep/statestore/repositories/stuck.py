"""Why open runs do not move."""

from uuid import UUID

from flowkeep.contracts import Stuck
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories.erasure import TenantErasure
from flowkeep.statestore.tables.base import OPEN

# What was seen first stays the beginning, however often it is seen again.
_SET_STUCK = (
    """
UPDATE {schema}.run SET stuck = CAST(:stuck AS jsonb) || CASE
    WHEN stuck ->> 'code' = :code THEN jsonb_build_object('since', stuck -> 'since')
    ELSE jsonb_build_object() END
WHERE id = :run_id AND """
    + OPEN
)
_CLEAR_STUCK = "UPDATE {schema}.run SET stuck = NULL WHERE id = :run_id AND stuck IS NOT NULL"


class StuckRuns(TenantErasure):
    """Noting and clearing why runs do not move; see the Protocol `ReconciliationRepository`."""

    async def set_stuck(self, run_id: UUID, stuck: Stuck) -> bool:
        """Note why an open run does not move; returns whether there is such a run."""
        document = encoding.lenient(stuck.model_dump(mode="json")).decode()
        async with self._scope.write() as session:
            noted = await session.execute(
                _SET_STUCK, {"run_id": run_id, "stuck": document, "code": stuck.code}
            )
            return noted.rowcount > 0

    async def clear_stuck(self, run_id: UUID) -> bool:
        """Note that a run moves; returns whether it was said not to."""
        async with self._scope.write() as session:
            noted = await session.execute(_CLEAR_STUCK, {"run_id": run_id})
            return noted.rowcount > 0
