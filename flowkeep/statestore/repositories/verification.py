"""What the ledger says of itself when it is compared with Temporal; of all tenants or of one."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from flowkeep.contracts import EventKind, TaskType
from flowkeep.contracts.truth import DifferenceKind
from flowkeep.contracts.verification import (
    ListedExecution,
    ListedExecutions,
    OpenAttempt,
    OpenRequest,
    RunCounters,
)
from flowkeep.statestore.repositories import inputs, tombstones
from flowkeep.statestore.repositories.changes import append, lock
from flowkeep.statestore.repositories.outcome import RUN_CLOSED
from flowkeep.statestore.session import Scope
from flowkeep.statestore.tables.base import OPEN

_ENDED = OPEN.replace(" IN ", " NOT IN ")

# A page is a range of the primary key, whatever is asked for, so that no page reads more.
_PAGE = """
SELECT * FROM {schema}.run_segment
WHERE namespace = :namespace AND temporal_run_id > :after
ORDER BY temporal_run_id LIMIT :limit
"""
_OF_ONE = """
SELECT s.* FROM {schema}.run AS r JOIN {schema}.run_segment AS s ON s.run_id = r.id
WHERE r.workflow_id = :workflow_id AND s.namespace = :namespace AND s.temporal_run_id > :after
ORDER BY s.temporal_run_id LIMIT :limit
"""
# An execution lies in a period when any part of it does.
_EXECUTIONS = """
WITH page AS MATERIALIZED (<page>)
SELECT e.last_id, e.rows, f.*
FROM (SELECT max(temporal_run_id) AS last_id, count(*) AS rows FROM page) AS e
LEFT JOIN LATERAL (
    SELECT r.tenant_id, r.id AS run_id, r.workflow_id, p.temporal_run_id, p.status, p.closed_at,
           r.status AS run_status,
           NOT EXISTS (SELECT FROM {schema}.run_segment AS o
                       WHERE o.run_id = p.run_id AND o.seq > p.seq) AS newest
    FROM page AS p JOIN {schema}.run AS r ON r.id = p.run_id
    WHERE (CAST(:tenant AS text) IS NULL OR r.tenant_id = :tenant)
      AND (CAST(:since AS timestamptz) IS NULL OR p.closed_at IS NULL OR p.closed_at >= :since)
      AND COALESCE(p.started_at, r.created_at) <= :until
    ORDER BY p.temporal_run_id
) AS f ON true
"""
_UNKNOWN = """
SELECT asked FROM unnest(CAST(:ids AS text[])) AS asked
WHERE NOT EXISTS (SELECT FROM {schema}.run_segment
                  WHERE namespace = :namespace AND temporal_run_id = asked)
"""
_SERVED = "SELECT task_queue FROM {schema}.served_queue WHERE namespace = :namespace"
_REQUESTS = """
SELECT id, tenant_id, workflow_id, created_at FROM {schema}.run
WHERE status = 'pending' AND namespace = :namespace
  AND (created_at, id) > (CAST(:at AS timestamptz), CAST(:id AS uuid))
  AND created_at <= :until
  AND (CAST(:since AS timestamptz) IS NULL OR created_at >= :since)
  AND (CAST(:tenant AS text) IS NULL OR tenant_id = :tenant)
  AND (CAST(:workflow_id AS text) IS NULL OR workflow_id = :workflow_id)
ORDER BY created_at, id LIMIT :limit
"""
# Counted as the recorder counts: a task has ended when its last attempt has and no retry follows;
# what a reset undid does not count, nor do steps below an activity.
_COUNTED = f"""
SELECT count(*) FILTER (WHERE last) AS total,
       count(*) FILTER (WHERE last AND {_ENDED} AND next_retry_at IS NULL) AS finished,
       count(*) FILTER (WHERE status IN ('failed', 'timed_out')) AS exceptions
FROM (SELECT status, next_retry_at,
             attempt = max(attempt) OVER (PARTITION BY temporal_run_id, activity_id) AS last
      FROM {{schema}}.task
      WHERE run_id = r.id AND NOT superseded AND type <> '{TaskType.STEP}') AS a
"""  # noqa: S608 - only constants of ours are put in
_COUNTERS = f"""
SELECT r.id AS run_id, r.tenant_id, r.workflow_id,
       ARRAY[r.tasks_total, r.tasks_finished, r.exceptions_count] AS stored,
       ARRAY[c.total, c.finished, c.exceptions] AS counted
FROM {{schema}}.run AS r CROSS JOIN LATERAL ({_COUNTED}) AS c
WHERE r.id = ANY(CAST(:runs AS uuid[]))
  AND (r.tasks_total, r.tasks_finished, r.exceptions_count)
      IS DISTINCT FROM (c.total, c.finished, c.exceptions)
ORDER BY r.id
"""  # noqa: S608 - only constants of ours are put in
RECOUNT = f"""
UPDATE {{schema}}.run AS u
SET tasks_total = c.total, tasks_finished = c.finished, exceptions_count = c.exceptions
FROM {{schema}}.run AS r CROSS JOIN LATERAL ({_COUNTED}) AS c
WHERE r.id = :run AND u.id = r.id
"""  # noqa: S608 - only constants of ours are put in
_OPEN_ATTEMPTS = f"""
SELECT r.id AS run_id, r.tenant_id, r.workflow_id, t.temporal_run_id, t.activity_id, t.attempt,
       t.status, r.status AS run_status
FROM {{schema}}.run AS r
CROSS JOIN LATERAL (
    SELECT * FROM {{schema}}.task WHERE run_id = r.id AND {OPEN} LIMIT 1000
) AS t
WHERE r.id = ANY(CAST(:runs AS uuid[])) AND r.{_ENDED}
ORDER BY r.id, t.temporal_run_id, t.activity_id, t.attempt
"""  # noqa: S608 - only constants of ours are put in
# Written with the weakest source, as when a run closes: a real record may still replace it.
_CLOSE_ATTEMPTS = f"""
UPDATE {{schema}}.task
SET status = 'cancelled', error = CAST(:error AS jsonb), source = 1, next_retry_at = NULL,
    finished_at = COALESCE(CAST(:at AS timestamptz), now()), updated_at = now()
WHERE run_id = :run AND {OPEN}
"""  # noqa: S608 - only constants of ours are put in
_FIRST = UUID(int=0)


class LedgerChecks:
    """Reads of a verification and repairs that need no Temporal; see `SystemRepository`.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def list_executions(
        self,
        namespace: str,
        *,
        until: datetime,
        since: datetime | None = None,
        tenant_id: str | None = None,
        workflow_id: str | None = None,
        after: str | None = None,
        limit: int = 500,
    ) -> ListedExecutions:
        """Return a page of a namespace's executions, by Temporal's run id; see the Protocol."""
        bounds = {"tenant": tenant_id, "since": since, "until": until}
        page: dict[str, Any] = {"namespace": namespace, "after": after or "", "limit": limit}
        if workflow_id is not None:
            page["workflow_id"] = workflow_id
        statement = _EXECUTIONS.replace("<page>", _PAGE if workflow_id is None else _OF_ONE)
        async with self._scope.read() as session:
            found = (await session.execute(statement, bounds | page)).mappings().all()
        data = [
            ListedExecution.model_validate(
                {name: row[name] for name in ListedExecution.model_fields}
            )
            for row in found
            if row["run_id"] is not None
        ]
        full = found[0]["rows"] == limit
        return ListedExecutions(data=data, after=found[0]["last_id"] if full else None)

    async def unknown_executions(self, namespace: str, ids: Collection[str]) -> set[str]:
        """Return which of some executions, by Temporal's run id, the ledger does not know."""
        if not ids:
            return set()
        async with self._scope.read() as session:
            found = await session.execute(_UNKNOWN, {"namespace": namespace, "ids": list(ids)})
            return set(found.scalars())

    async def gone_runs(self, run_ids: Collection[UUID]) -> set[UUID]:
        """Return which of some runs were deleted, or lie in the archive."""
        if not run_ids:
            return set()
        async with self._scope.read() as session:
            return await tombstones.among(session, run_ids)

    async def served_queues(self, namespace: str) -> set[str]:
        """Return the task queues that workers with flowkeep have served."""
        async with self._scope.read() as session:
            found = await session.execute(_SERVED, {"namespace": namespace})
            return set(found.scalars())

    async def list_requests(
        self,
        namespace: str,
        *,
        until: datetime,
        since: datetime | None = None,
        tenant_id: str | None = None,
        workflow_id: str | None = None,
        after: OpenRequest | None = None,
        limit: int = 100,
    ) -> Sequence[OpenRequest]:
        """Return a page of the runs that are still pending, oldest first; see the Protocol."""
        parameters: dict[str, Any] = {
            "namespace": namespace,
            "tenant": tenant_id,
            "workflow_id": workflow_id,
            "since": since,
            "until": until,
            "at": after.created_at if after else datetime.min.replace(tzinfo=until.tzinfo),
            "id": after.id if after else _FIRST,
            "limit": limit,
        }
        async with self._scope.read() as session:
            found = await session.execute(_REQUESTS, parameters)
            return [OpenRequest.model_validate(dict(row)) for row in found.mappings()]

    async def wrong_counters(self, run_ids: Collection[UUID]) -> Sequence[RunCounters]:
        """Return the counters of some runs where they differ from the rows they count."""
        async with self._scope.read() as session:
            found = await session.execute(_COUNTERS, {"runs": inputs.array(run_ids)})
            return [RunCounters.model_validate(dict(row)) for row in found.mappings()]

    async def open_attempts(self, run_ids: Collection[UUID]) -> Sequence[OpenAttempt]:
        """Return attempts that are open although their runs, of these, have ended."""
        async with self._scope.read() as session:
            found = await session.execute(_OPEN_ATTEMPTS, {"runs": inputs.array(run_ids)})
            return [OpenAttempt.model_validate(dict(row)) for row in found.mappings()]

    async def close_attempts(self, run_id: UUID) -> int:
        """Cancel the open attempts of a run that has ended; returns how many there were."""
        async with self._scope.write() as session:
            row = await lock(session, run_id)
            if row["finished_at"] is None:
                return 0
            closed = await session.execute(
                _CLOSE_ATTEMPTS,
                {
                    "run": run_id,
                    "at": row["finished_at"],
                    "error": RUN_CLOSED.model_dump_json(),
                },
            )
            if closed.rowcount:
                await session.execute(RECOUNT, {"run": run_id})
            return int(closed.rowcount)

    async def note_repairs(
        self,
        run_id: UUID,
        repaired: Mapping[DifferenceKind, int],
        *,
        temporal_run_id: str | None = None,
    ) -> None:
        """Append an event that says what was corrected of a run's rows, by kind."""
        told = {
            "source": "server",
            "temporal_run_id": temporal_run_id,
            "repaired": {kind.value: repaired[kind] for kind in sorted(repaired)},
        }
        async with self._scope.write() as session:
            await append(session, await lock(session, run_id), EventKind.RECONCILED, told)

    async def recount(self, run_id: UUID) -> None:
        """Set the counters of a run to what its rows say."""
        async with self._scope.write() as session:
            await lock(session, run_id)
            await session.execute(RECOUNT, {"run": run_id})
