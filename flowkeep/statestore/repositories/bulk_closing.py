"""Ends of executions, the common case of all of them in one statement.

Common is an open run whose newest execution is still open: nothing to correct, nothing that waits.
"""

from collections.abc import Sequence
from typing import Any

from flowkeep.contracts import SegmentClose, SegmentKind, Source, TaskType
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import driven, payloads
from flowkeep.statestore.repositories.outcome import RUN_CLOSED
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables.base import OPEN
from flowkeep.statestore.tables.task import PENDING_WORK

# A closed execution starts no activity. Temporal names both times: the one at which the workflow
# task that reported the end began, and the one at which a later workflow task scheduled this.
REFUTED = f"""
SELECT true FROM {{schema}}.task AS k
WHERE k.run_id = <run_id> AND k.scheduled_at > <closed_at>
  AND k.temporal_run_id = <temporal_run_id> AND k.attempt = 1
  AND k.type = '{TaskType.ACTIVITY}' AND k.source = {int(Source.WORKER)}
  AND k.started_at IS NOT NULL
LIMIT 1
"""  # noqa: S608 - only constants of ours are put in
"""SQL: whether a first attempt shows that the execution went on after an end it had reported."""

_RECORD = {
    "n": "int",
    "namespace": "text",
    "temporal_run_id": "text",
    "ends": "text",
    "segment_kind": "text",
    "expected": "bigint",
    "problem": "jsonb",
    "reason": "text",
    "ended_at": "timestamptz",
    "told_by": "smallint",
    "teller": "text",
    "last": "boolean",
    "result": "jsonb",
}
_REFUTED_HERE = (
    REFUTED.replace("<run_id>", "g.run_id")
    .replace("<closed_at>", "r.ended_at")
    .replace("<temporal_run_id>", "r.temporal_run_id")
)

# The runs are locked, so what `ready` sees stays as it is.
_CLOSE = f"""
WITH rec AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(%s AS jsonb))
    AS r({", ".join(f"{name} {kind}" for name, kind in _RECORD.items())})
),
ready AS MATERIALIZED (
    SELECT r.*, g.run_id, u.tenant_id, u.revision + 1 AS revision
    FROM rec AS r
    CROSS JOIN LATERAL (
        SELECT run_id, started_at, seq FROM {{schema}}.run_segment AS g
        WHERE g.namespace = r.namespace AND g.temporal_run_id = r.temporal_run_id
          AND g.closed_at IS NULL OFFSET 0
    ) AS g
    CROSS JOIN LATERAL (
        SELECT tenant_id, revision FROM {{schema}}.run
        WHERE id = g.run_id AND status = 'running' OFFSET 0
    ) AS u
    WHERE (NOT r.last OR (
        SELECT true FROM {{schema}}.run_segment AS o
        WHERE o.run_id = g.run_id AND (o.started_at, o.seq) > (g.started_at, g.seq) LIMIT 1
    ) IS NULL) AND (r.told_by <> {int(Source.WORKFLOW)} OR ({_REFUTED_HERE}) IS NULL)
),
closed AS (
    UPDATE {{schema}}.run_segment AS s
    SET status = r.ends, kind = COALESCE(r.segment_kind, s.kind),
        expected_tasks = COALESCE(r.expected, s.expected_tasks), error = r.problem,
        failure_reason = r.reason, closed_at = r.ended_at, source = r.told_by,
        reconcile_at = now() + interval '5 seconds', reconcile_tries = 0
    FROM ready AS r
    WHERE s.namespace = r.namespace AND s.temporal_run_id = r.temporal_run_id
      AND s.namespace = ANY(ARRAY(SELECT namespace FROM ready))
      AND s.temporal_run_id = ANY(ARRAY(SELECT temporal_run_id FROM ready))
),
ended AS MATERIALIZED (SELECT * FROM ready WHERE last),
-- Written with the weakest source, so that any real record that arrives later replaces it.
cancelled AS (
    UPDATE {{schema}}.task AS t
    SET status = CASE WHEN {OPEN} THEN 'cancelled' ELSE status END,
        error = CASE WHEN {OPEN} THEN CAST(%s AS jsonb) ELSE error END,
        source = CASE WHEN {OPEN} THEN {int(Source.CLIENT)} ELSE source END,
        finished_at = CASE WHEN {OPEN} THEN e.ended_at ELSE finished_at END,
        updated_at = CASE WHEN {OPEN} THEN now() ELSE updated_at END,
        next_retry_at = NULL
    FROM (SELECT run_id AS ended_id, ended_at FROM ended) AS e
    WHERE t.run_id = e.ended_id AND t.run_id = ANY(ARRAY(SELECT run_id FROM ended))
      AND ({PENDING_WORK})
    RETURNING t.type, t.run_id, t.temporal_run_id, t.activity_id, t.attempt, t.superseded
),
finished AS (
    SELECT c.run_id, count(*) AS tasks FROM cancelled AS c
    WHERE c.type <> '{TaskType.STEP}' AND NOT c.superseded AND c.attempt >= (
        SELECT max(o.attempt) FROM {{schema}}.task AS o
        WHERE o.run_id = c.run_id AND o.temporal_run_id = c.temporal_run_id
          AND o.activity_id = c.activity_id AND NOT o.superseded
    )
    GROUP BY c.run_id
),
changed AS (
    UPDATE {{schema}}.run AS u
    SET status = e.ends, source = e.told_by, finished_at = e.ended_at, error = e.problem,
        failure_reason = e.reason, outputs = e.result, outputs_hash = NULL, wait = NULL,
        pause_reason = NULL, stuck = NULL, revision = e.revision, updated_at = now(),
        tasks_finished = u.tasks_finished + COALESCE(f.tasks, 0)
    FROM ended AS e LEFT JOIN finished AS f USING (run_id)
    WHERE u.id = e.run_id AND u.id = ANY(ARRAY(SELECT run_id FROM ended))
),
told AS (
    INSERT INTO {{schema}}.run_event (run_id, tenant_id, kind, payload, revision, at)
    SELECT run_id, tenant_id, ends, jsonb_strip_nulls(jsonb_build_object(
        'from', 'running', 'to', ends, 'source', teller, 'failure_reason', reason)),
        revision, now()
    FROM ended
)
SELECT n FROM ready
"""  # noqa: S608 - only constants of ours are put in
_CUT_OFF = RUN_CLOSED.model_dump_json()


async def close_all(session: Session, closes: Sequence[SegmentClose]) -> list[SegmentClose]:
    """Close executions of locked runs; returns the closes that need more care.

    Args:
        session: The transaction that holds the locks.
        closes: At most one per run.
    """
    rows: list[bytes] = []
    left: list[SegmentClose] = []
    common: list[SegmentClose] = []
    for close in closes:
        packed = payloads.pack(close.outputs)
        if packed is not None and packed.hash is not None:
            left.append(close)
            continue
        rows.append(_row(len(rows), close, packed))
        common.append(close)
    if not rows:
        return left
    document = encoding.without_nul(b"[" + b",".join(rows) + b"]").decode()
    done = {n for (n,) in await driven.rows(session, _CLOSE, document, _CUT_OFF)}
    return left + [close for n, close in enumerate(common) if n not in done]


def _row(n: int, close: SegmentClose, packed: payloads.Packed | None) -> bytes:
    row: dict[str, Any] = {
        "n": n,
        "namespace": close.run.namespace,
        "temporal_run_id": close.run.temporal_run_id,
        "ends": close.status,
        "segment_kind": None if close.kind is SegmentKind.START else close.kind,
        "expected": close.expected_tasks,
        "problem": None if close.error is None else close.error.model_dump(mode="json"),
        "reason": close.failure_reason,
        "ended_at": close.closed_at,
        "told_by": int(close.source),
        "teller": close.source.name.lower(),
        "last": close.status.terminal and not close.tentative,
    }
    result = b"" if packed is None else b',"result":' + packed.data
    return encoding.lenient(row)[:-1] + result + b"}"
