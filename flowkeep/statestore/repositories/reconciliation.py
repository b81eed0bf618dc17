"""Which executions are to be compared with Temporal, and which are proven without asking it."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flowkeep.contracts import FailureReason, RunStatus, SegmentKind
from flowkeep.contracts.reconciliation import (
    Backlog,
    ClosedExecution,
    DueExecution,
    NextLook,
    Standing,
)
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories.adoption import Execution
from flowkeep.statestore.repositories.proof import PROVE
from flowkeep.statestore.repositories.stuck import StuckRuns
from flowkeep.statestore.session import Session

MOST_COUNTED = 10_000
"""Up to here the backlog is counted: it is asked for with every pass."""

_TERMINATED = (FailureReason.TERMINATED, FailureReason.HISTORY_LIMIT)
_REPORT_LAG = timedelta(seconds=5)
"""The workflow reports its end with the time at which its last workflow task began. When much more
time lies between, the server may have refused what that task returned."""

_SOON = """
WITH held AS MATERIALIZED (
    SELECT s.namespace, s.temporal_run_id
    FROM {schema}.run_segment AS s
    JOIN jsonb_to_recordset(CAST(:executions AS jsonb)) AS e(namespace text, temporal_run_id text)
      ON s.namespace = e.namespace AND s.temporal_run_id = e.temporal_run_id
    ORDER BY s.namespace, s.temporal_run_id FOR NO KEY UPDATE OF s
)
UPDATE {schema}.run_segment AS s SET reconcile_at = LEAST(s.reconcile_at, now())
FROM held AS h WHERE s.namespace = h.namespace AND s.temporal_run_id = h.temporal_run_id
"""
_KNOWN = """
SELECT s.temporal_run_id, s.kind, s.status, s.closed_at, s.failure_reason, s.reconcile_at,
       s.expected_tasks
FROM unnest(CAST(:ids AS text[])) AS asked
CROSS JOIN LATERAL (
    SELECT * FROM {schema}.run_segment AS g
    WHERE g.namespace = :namespace AND g.temporal_run_id = asked OFFSET 0
) AS s
"""
# That it continued as new is final, and all that is to be known of such an execution by itself.
_CONTINUED = """
WITH held AS MATERIALIZED (
    SELECT s.namespace, s.temporal_run_id, e.closed_at
    FROM {schema}.run_segment AS s
    JOIN jsonb_to_recordset(CAST(:executions AS jsonb))
         AS e(temporal_run_id text, closed_at timestamptz)
      ON s.namespace = :namespace AND s.temporal_run_id = e.temporal_run_id
    WHERE s.closed_at IS NULL AND s.status = 'running'
    ORDER BY s.temporal_run_id FOR NO KEY UPDATE OF s
)
UPDATE {schema}.run_segment AS s
SET closed_at = h.closed_at, source = 4, reconcile_at = now() + interval '5 minutes'
FROM held AS h WHERE s.namespace = h.namespace AND s.temporal_run_id = h.temporal_run_id
"""
_DUE = """
SELECT s.run_id, r.workflow_id, s.temporal_run_id, r.task_queue, s.kind, s.status, s.closed_at,
       s.reconcile_at AS due_at, s.reconcile_tries AS tries, r.stuck ->> 'code' AS stuck
FROM (
    SELECT * FROM {schema}.run_segment
    WHERE namespace = :namespace AND (closed_at IS NOT NULL) = :closed
      AND reconcile_at <= COALESCE(CAST(:until AS timestamptz), now())
      AND (reconcile_at, temporal_run_id) > (CAST(:at AS timestamptz), :id)
    ORDER BY reconcile_at, temporal_run_id LIMIT :limit
) AS s
JOIN {schema}.run AS r ON r.id = s.run_id
ORDER BY s.reconcile_at, s.temporal_run_id
"""
_LOOK_AGAIN = """
WITH held AS MATERIALIZED (
    SELECT s.namespace, s.temporal_run_id, e.after_seconds
    FROM {schema}.run_segment AS s
    JOIN jsonb_to_recordset(CAST(:looks AS jsonb))
         AS e(temporal_run_id text, due_at timestamptz, after_seconds float8)
      ON s.namespace = :namespace AND s.temporal_run_id = e.temporal_run_id
     AND s.reconcile_at = e.due_at
    ORDER BY s.temporal_run_id FOR NO KEY UPDATE OF s
)
UPDATE {schema}.run_segment AS s
SET reconcile_at = now() + make_interval(secs => h.after_seconds),
    reconcile_tries = CASE WHEN h.after_seconds IS NULL THEN 0
                           ELSE LEAST(s.reconcile_tries + 1, 1000) END
FROM held AS h WHERE s.namespace = h.namespace AND s.temporal_run_id = h.temporal_run_id
"""
# Executions that continued as new have waited for the end of their chain to prove them with it.
_CHAIN_NOW = """
WITH held AS MATERIALIZED (
    SELECT namespace, temporal_run_id FROM {schema}.run_segment
    WHERE run_id = ANY(CAST(:run_ids AS uuid[])) AND namespace = :namespace
      AND status = 'running' AND closed_at IS NOT NULL AND reconcile_at > now()
    ORDER BY temporal_run_id FOR NO KEY UPDATE
)
UPDATE {schema}.run_segment AS s
SET reconcile_at = now(), reconcile_tries = GREATEST(s.reconcile_tries, 1)
FROM held AS h WHERE s.namespace = h.namespace AND s.temporal_run_id = h.temporal_run_id
"""
_BACKLOG = """
SELECT count(*) AS due,
       CAST(COALESCE(extract(epoch FROM now() - min(d.reconcile_at)), 0) AS float8) AS oldest
FROM (
    SELECT reconcile_at FROM {schema}.run_segment
    WHERE namespace = :namespace AND reconcile_at <= now()
    ORDER BY reconcile_at LIMIT :most
) AS d
"""
_LISTED_TO = "SELECT listed_to FROM {schema}.reconcile_mark WHERE namespace = :namespace"
_SET_LISTED_TO = """
INSERT INTO {schema}.reconcile_mark AS m (namespace, listed_to) VALUES (:namespace, :at)
ON CONFLICT (namespace) DO UPDATE SET listed_to = GREATEST(m.listed_to, excluded.listed_to)
"""
_SERVE = """
INSERT INTO {schema}.served_queue (namespace, task_queue, served_at)
VALUES (:namespace, :task_queue, now())
ON CONFLICT (namespace, task_queue) DO UPDATE SET served_at = excluded.served_at
"""


class Reconciliation(StuckRuns):
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
            for namespace, temporal_run_id in set(executions)
        ]
        async with self._scope.write() as session:
            marked = await session.execute(_SOON, {"executions": _as_json(rows)})
            return marked.rowcount

    async def confirm(
        self, namespace: str, closed: Sequence[ClosedExecution]
    ) -> Mapping[str, Standing]:
        """Compare ends with the ledger's, and clear what is proven."""
        if not closed:
            return {}
        ids = [one.temporal_run_id for one in closed]
        async with self._scope.write() as session:
            found = await session.execute(_KNOWN, {"namespace": namespace, "ids": ids})
            known = {row["temporal_run_id"]: dict(row) for row in found.mappings()}
            standings = {
                one.temporal_run_id: _standing(one, known.get(one.temporal_run_id))
                for one in closed
            }
            await _note_continued(session, namespace, closed, standings)
            provable = [
                {
                    "n": n,
                    "temporal_run_id": one.temporal_run_id,
                    "due_at": known[one.temporal_run_id]["reconcile_at"].isoformat(),
                }
                for n, one in enumerate(closed)
                if standings[one.temporal_run_id] is Standing.INCOMPLETE
                and _can_be_counted(one, known[one.temporal_run_id])
            ]
            for temporal_run_id in await _prove(session, namespace, provable):
                if temporal_run_id in standings:
                    standings[temporal_run_id] = Standing.PROVEN
        return standings

    async def due_executions(
        self,
        namespace: str,
        *,
        closed: bool,
        limit: int,
        after: DueExecution | None = None,
        until: datetime | None = None,
    ) -> Sequence[DueExecution]:
        """Return executions whose turn it is, those that wait longest first."""
        where = {
            "namespace": namespace,
            "closed": closed,
            "until": until,
            "limit": limit,
            "at": "-infinity" if after is None else after.due_at,
            "id": "" if after is None else after.temporal_run_id,
        }
        async with self._scope.read() as session:
            found = await session.execute(_DUE, where)
            return [_due(dict(row)) for row in found.mappings()]

    async def look_again(self, namespace: str, looks: Sequence[NextLook]) -> int:
        """Note when executions are looked at next, unless something has changed meanwhile."""
        if not looks:
            return 0
        rows = [
            {
                "temporal_run_id": one.temporal_run_id,
                "due_at": one.due_at.isoformat(),
                "after_seconds": one.after_seconds,
            }
            for one in looks
        ]
        async with self._scope.write() as session:
            noted = await session.execute(
                _LOOK_AGAIN, {"namespace": namespace, "looks": _as_json(rows)}
            )
            return noted.rowcount

    async def chains_now(self, namespace: str, run_ids: Collection[UUID]) -> int:
        """Have what continued as new in some runs looked at now, one by one."""
        if not run_ids:
            return 0
        where = {"namespace": namespace, "run_ids": list(run_ids)}
        async with self._scope.write() as session:
            marked = await session.execute(_CHAIN_NOW, where)
            return marked.rowcount

    async def backlog(self, namespace: str) -> Backlog:
        """Return how much waits, and since when."""
        async with self._scope.read() as session:
            found = await session.execute(_BACKLOG, {"namespace": namespace, "most": MOST_COUNTED})
            row = found.one()
            return Backlog(due=row.due, oldest_seconds=row.oldest)

    async def listed_to(self, namespace: str) -> datetime | None:
        """Return up to when Temporal's list of executions was read."""
        async with self._scope.read() as session:
            found = await session.execute(_LISTED_TO, {"namespace": namespace})
            at: datetime | None = found.scalar_one_or_none()
            return at

    async def set_listed_to(self, namespace: str, at: datetime) -> None:
        """Note up to when Temporal's list of executions was read; it never goes back."""
        async with self._scope.write() as session:
            await session.execute(_SET_LISTED_TO, {"namespace": namespace, "at": at})

    async def serve_queue(self, namespace: str, task_queue: str) -> None:
        """Note that a worker with flowkeep serves a task queue."""
        async with self._scope.write() as session:
            await session.execute(_SERVE, {"namespace": namespace, "task_queue": task_queue})


def _standing(one: ClosedExecution, row: Mapping[str, Any] | None) -> Standing:
    if row is None:
        return Standing.UNKNOWN
    if one.status is RunStatus.RUNNING:
        agrees = row["status"] == RunStatus.RUNNING
        return Standing.CONTINUED if agrees else Standing.DIFFERS
    if row["closed_at"] is None:
        return Standing.OPEN
    terminated = row["failure_reason"] in _TERMINATED
    if row["status"] != one.status or terminated is not one.terminated:
        return Standing.DIFFERS
    return Standing.PROVEN if row["reconcile_at"] is None else Standing.INCOMPLETE


def _can_be_counted(one: ClosedExecution, row: Mapping[str, Any]) -> bool:
    return row["expected_tasks"] is not None and one.closed_at - row["closed_at"] <= _REPORT_LAG


async def _note_continued(
    session: Session,
    namespace: str,
    closed: Sequence[ClosedExecution],
    standings: Mapping[str, Standing],
) -> None:
    rows = [
        {"temporal_run_id": one.temporal_run_id, "closed_at": one.closed_at.isoformat()}
        for one in closed
        if standings[one.temporal_run_id] is Standing.CONTINUED
    ]
    if rows:
        await session.execute(_CONTINUED, {"namespace": namespace, "executions": _as_json(rows)})


async def _prove(session: Session, namespace: str, provable: list[dict[str, Any]]) -> list[str]:
    if not provable:
        return []
    found = await session.execute(PROVE, {"namespace": namespace, "candidates": _as_json(provable)})
    return list(found.scalars())


def _due(row: dict[str, Any]) -> DueExecution:
    return DueExecution(
        **{**row, "kind": SegmentKind(row["kind"]), "status": RunStatus(row["status"])}
    )


def _as_json(rows: list[dict[str, Any]]) -> str:
    return encoding.without_nul(json.dumps(rows).encode()).decode()
