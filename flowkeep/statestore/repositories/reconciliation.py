"""Which executions are to be compared with Temporal, and which are proven without asking it."""

import json
from collections.abc import Sequence

from flowkeep.statestore import encoding
from flowkeep.statestore.repositories.adoption import Execution
from flowkeep.statestore.repositories.erasure import TenantErasure

_SOON = """
UPDATE {schema}.run_segment AS s SET reconcile_at = now(), reconcile_tries = 0
FROM jsonb_to_recordset(CAST(:executions AS jsonb)) AS e(namespace text, temporal_run_id text)
WHERE s.namespace = e.namespace AND s.temporal_run_id = e.temporal_run_id
"""


class Reconciliation(TenantErasure):
    """The queue of executions to look at; see the Protocol `ReconciliationRepository`."""

    async def reconcile_soon(self, namespace: str, temporal_run_id: str) -> int:
        """Have one execution compared with Temporal as soon as possible."""
        return await self.reconcile_all_soon([(namespace, temporal_run_id)])

    async def reconcile_all_soon(self, executions: Sequence[Execution]) -> int:
        """Have executions compared with Temporal as soon as possible."""
        if not executions:
            return 0
        rows = [
            {"namespace": namespace, "temporal_run_id": temporal_run_id}
            for namespace, temporal_run_id in sorted(set(executions))
        ]
        document = encoding.without_nul(json.dumps(rows).encode()).decode()
        async with self._scope.write() as session:
            marked = await session.execute(_SOON, {"executions": document})
            return marked.rowcount
