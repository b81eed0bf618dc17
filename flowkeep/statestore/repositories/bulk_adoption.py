"""Runs and segments that are first heard of by a flush, in one statement for all of them."""

from collections.abc import Mapping, Sequence

from flowkeep.contracts import EventKind, RunKind, RunRef, RunStatus, SegmentKind, Source
from flowkeep.errors import Forbidden
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import driven, tombstones
from flowkeep.statestore.repositories.adoption import (
    Arrived,
    Execution,
    began,
    ensure,
    execution,
    first_event,
    is_later,
    run_columns,
)
from flowkeep.statestore.repositories.segments import time_of
from flowkeep.statestore.repositories.upsert import BEHIND
from flowkeep.statestore.session import Session

_RUN = {
    "run_id": "uuid",
    "tenant_id": "text",
    "app_id": "text",
    "namespace": "text",
    "workflow_id": "text",
    "workflow_type": "text",
    "task_queue": "text",
    "kind": "text",
    "parent_run_id": "uuid",
    "root_run_id": "uuid",
    "triggered_from": "text",
}
_EXECUTION = {
    "n": "int",
    "temporal_run_id": "text",
    "chunk_of": "uuid",
    "run_began": "timestamptz",
    "began": "timestamptz",
    "later": "boolean",
    "segment_kind": "text",
    "event": "text",
}

# Runs are inserted in the order of their ids, then segments in that order: whoever adopts the same
# at the same time waits for it once. What stands in the way of a row leaves it out.
_ADOPT = f"""
WITH rec AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(%s AS jsonb))
    AS r({", ".join(f"{name} {kind}" for name, kind in (_EXECUTION | _RUN).items())})
),
found AS MATERIALIZED (
    SELECT r.n, s.run_id AS segment_run_id, u.id AS run_id, u.tenant_id AS owner,
           CASE WHEN s.run_id IS NOT NULL OR u.id IS NOT NULL THEN false
                ELSE ({tombstones.OF_RECORD}) IS NOT NULL END AS gone,
           COALESCE(r.later, row_number() OVER (PARTITION BY r.run_id ORDER BY r.n) > 1 OR (
               SELECT true FROM {{schema}}.run_segment AS o WHERE o.run_id = r.run_id LIMIT 1
           ) IS NOT NULL) AS later
    FROM rec AS r
    LEFT JOIN LATERAL (
        SELECT g.run_id FROM {{schema}}.run_segment AS g
        WHERE g.namespace = r.namespace AND g.temporal_run_id = r.temporal_run_id OFFSET 0
    ) AS s ON true
    LEFT JOIN LATERAL (
        SELECT id, tenant_id FROM {{schema}}.run
        WHERE id = COALESCE(s.run_id, r.run_id) OFFSET 0
    ) AS u ON true
),
made AS (
    INSERT INTO {{schema}}.run (id, {", ".join(name for name in _RUN if name != "run_id")},
        labels, start_options, state, status, source, created_at, started_at, updated_at)
    SELECT DISTINCT ON (r.run_id) {", ".join(f"r.{name}" for name in _RUN)},
        '{{}}', '{{}}', '{{}}', 'running', {int(Source.WORKER)},
        COALESCE(r.run_began, now()), COALESCE(r.run_began, now()), now()
    FROM rec AS r JOIN found AS f USING (n)
    WHERE f.run_id IS NULL AND f.segment_run_id IS NULL AND NOT f.gone
    ORDER BY r.run_id, r.n
    ON CONFLICT DO NOTHING
    RETURNING id, tenant_id
),
-- Held, so that a run that is being deleted gets no segment.
held AS MATERIALIZED (
    SELECT id, tenant_id, revision FROM {{schema}}.run
    WHERE id = ANY(ARRAY(SELECT run_id FROM found WHERE segment_run_id IS NULL))
    ORDER BY id FOR KEY SHARE
),
homes AS (
    SELECT id, tenant_id, 0 AS revision, true AS fresh FROM made
    UNION ALL SELECT id, tenant_id, revision, false FROM held
),
wanted AS MATERIALIZED (
    SELECT r.n, r.namespace, r.temporal_run_id, h.id, h.tenant_id, h.revision, h.fresh,
           r.began, f.later, r.event,
           COALESCE(r.segment_kind, CASE WHEN f.later THEN '{SegmentKind.CONTINUE}'
                                         ELSE '{SegmentKind.START}' END) AS kind
    FROM rec AS r JOIN found AS f USING (n)
    JOIN homes AS h ON h.id = r.run_id AND h.tenant_id = r.tenant_id
    WHERE f.segment_run_id IS NULL
),
opened AS (
    INSERT INTO {{schema}}.run_segment
        (namespace, temporal_run_id, run_id, tenant_id, kind, status, started_at, source)
    SELECT namespace, temporal_run_id, id, tenant_id, kind, 'running', COALESCE(began, now()),
           {int(Source.WORKER)}
    FROM wanted ORDER BY n
    ON CONFLICT DO NOTHING
    RETURNING namespace, temporal_run_id
),
new AS MATERIALIZED (
    SELECT w.* FROM wanted AS w JOIN opened AS o USING (namespace, temporal_run_id)
),
told AS (
    INSERT INTO {{schema}}.run_event (run_id, tenant_id, kind, payload, revision, at)
    SELECT id, tenant_id, kind, payload, revision, now() FROM (
        SELECT DISTINCT ON (w.id) w.id, w.tenant_id, w.event AS kind, 0::bigint AS revision,
               0 AS place, w.n, jsonb_build_object('source', 'worker', 'to', 'running',
                                                   'temporal_run_id', w.temporal_run_id) AS payload
        FROM wanted AS w WHERE w.fresh ORDER BY w.id, w.n
    ) AS first
    UNION ALL
    SELECT id, tenant_id, '{EventKind.SEGMENT_STARTED}', jsonb_build_object(
        'temporal_run_id', temporal_run_id, 'kind', kind), revision, now()
    FROM (SELECT * FROM new WHERE later ORDER BY n) AS more
)
SELECT f.n, f.segment_run_id, f.owner, f.gone, w.fresh, w.later, w.kind,
       o.namespace IS NOT NULL{{behind}}
FROM found AS f LEFT JOIN wanted AS w USING (n)
LEFT JOIN opened AS o ON o.namespace = w.namespace AND o.temporal_run_id = w.temporal_run_id
"""  # noqa: S608 - only constants of ours are put in
_DURABLE = _ADOPT.replace("{behind}", "")
_BEHIND = _ADOPT.replace("{behind}", BEHIND)


async def ensure_all(
    session: Session,
    refs: Sequence[RunRef],
    kinds: Mapping[Execution, SegmentKind],
    *,
    durable: bool,
) -> Arrived:
    """Make sure that runs and segments of some executions exist; see `adoption.ensure`.

    What the one statement cannot settle goes the careful way.

    Args:
        session: A transaction that holds no lock on a run yet.
        refs: One per execution.
        kinds: Why executions began, where it is known.
        durable: False lets the commit return before the log is on disk.
    """
    arrived = Arrived()
    if not refs:
        return arrived
    ordered = sorted(refs, key=lambda ref: (ref.run_id, ref.temporal_run_id))
    plain = [ref for ref in ordered if not (ref.labels or ref.schedule_id)]
    left = [ref for ref in ordered if ref.labels or ref.schedule_id]
    document = encoding.without_nul(
        b"[" + b",".join(_row(n, ref, kinds) for n, ref in enumerate(plain)) + b"]"
    ).decode()
    found = await driven.rows(session, _DURABLE if durable else _BEHIND, document)
    for n, segment_run_id, owner, gone, fresh, later, kind, opened, *_ in found:
        ref = plain[n]
        if owner is not None and owner != ref.tenant_id:
            raise Forbidden(f"run {segment_run_id or ref.run_id} belongs to another tenant")
        if segment_run_id is not None:
            continue
        if gone:
            arrived.late.add(execution(ref))
        elif not opened:
            left.append(ref)
        else:
            if fresh:
                arrived.fresh[execution(ref)] = (ref.run_id, RunStatus.RUNNING, ref.tenant_id)
            if later:
                arrived.later[execution(ref)] = SegmentKind(kind)
    if left:
        arrived.add(await ensure(session, left, kinds))
    return arrived


def _row(n: int, ref: RunRef, kinds: Mapping[Execution, SegmentKind]) -> bytes:
    return encoding.lenient(
        {
            **run_columns(ref),
            "n": n,
            "run_id": ref.run_id,
            "temporal_run_id": ref.temporal_run_id,
            "chunk_of": ref.parent_run_id if ref.kind is RunKind.CHUNK else None,
            "run_began": began(ref),
            "began": time_of(ref.temporal_run_id) or ref.began_at,
            "later": is_later(ref),
            "segment_kind": kinds.get(execution(ref)),
            "event": first_event(ref),
        }
    )
