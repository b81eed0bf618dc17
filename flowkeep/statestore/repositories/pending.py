"""Requests that Temporal may not have heard of: who takes one up, and giving it back."""

from collections.abc import Sequence
from uuid import UUID

from flowkeep.contracts.records import PendingRun
from flowkeep.statestore.repositories import inputs
from flowkeep.statestore.session import Scope

_COLUMNS = ", ".join(name for name in PendingRun.model_fields if name != "archived")

# Whoever takes a request up changes `updated_at`, so for a while nobody else does: a lease without
# a lock that would keep the worker's first record waiting. Runs that live outside Temporal have
# nothing to be started.
_CLAIM_DUE = f"""
UPDATE {{schema}}.run SET start_attempts = start_attempts + 1, updated_at = now()
WHERE id = ANY(ARRAY(
    SELECT id FROM {{schema}}.run
    WHERE status = 'pending' AND namespace = :namespace AND triggered_from <> 'external'
      AND created_at < now() - make_interval(secs => :older_than)
      AND (start_attempts = 0 OR updated_at < now() - make_interval(secs => :lease))
    ORDER BY created_at LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
))
RETURNING {_COLUMNS}
"""  # noqa: S608 - only names of columns are put in
_CLAIM_NEW = f"""
UPDATE {{schema}}.run SET start_attempts = 1, updated_at = now()
WHERE id = ANY(CAST(:runs AS uuid[])) AND status = 'pending' AND namespace = :namespace
  AND start_attempts = 0
RETURNING {_COLUMNS}
"""  # noqa: S608 - only names of columns are put in
_GIVE_BACK = """
UPDATE {schema}.run SET start_attempts = start_attempts - 1
WHERE id = ANY(CAST(:runs AS uuid[])) AND status = 'pending' AND start_attempts > 0
"""


class PendingRequests:
    """Part of `store.system`: requests of all tenants that are still to be started."""

    _scope: Scope

    async def claim_due_requests(
        self, namespace: str, *, older_than_seconds: float, lease_seconds: float, limit: int
    ) -> Sequence[PendingRun]:
        """Take up requests that nobody is starting, the oldest first; see the Protocol."""
        bound = {
            "namespace": namespace,
            "older_than": older_than_seconds,
            "lease": lease_seconds,
            "limit": inputs.batch_size(limit),
        }
        async with self._scope.write() as session:
            found = await session.execute(_CLAIM_DUE, bound)
            return [PendingRun.model_validate(dict(row)) for row in found.mappings()]

    async def claim_new_requests(
        self, namespace: str, run_ids: Sequence[UUID]
    ) -> Sequence[PendingRun]:
        """Take up requests that were just announced; only one caller gets each."""
        bound = {"namespace": namespace, "runs": inputs.array(sorted(run_ids))}
        async with self._scope.write() as session:
            found = await session.execute(_CLAIM_NEW, bound)
            return [PendingRun.model_validate(dict(row)) for row in found.mappings()]

    async def give_back_requests(self, run_ids: Sequence[UUID]) -> None:
        """Let a try not count: Temporal was away."""
        async with self._scope.write() as session:
            await session.execute(_GIVE_BACK, {"runs": inputs.array(sorted(run_ids))})
