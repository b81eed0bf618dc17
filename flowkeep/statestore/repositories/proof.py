"""Proving by counting that everything of an execution is recorded, without asking Temporal.

The workflow counted the tasks of its continue-as-new chain; so the chain's finished tasks must be
as many. Whatever else may have happened shows in the attempts of a task: they begin at one, have
no gap, each but the last failed, and after the last none could follow. Ends that the ledger only
guessed (source 1) prove nothing. What a reset made is left to the history, and so is the last
execution of a run that did not end with it.
"""

from flowkeep.statestore.tables.base import OPEN

_ENDED = OPEN.replace(" IN ", " NOT IN ")

# More executions than this in one chain are proven by their histories.
_LONGEST = 1000

# A failure that Temporal retries is not the end of a task: had the next attempt been lost with its
# worker, nothing else would show it.
_LAST = f"""
source > 1 AND {_ENDED} AND next_retry_at IS NULL
AND (status IN ('succeeded', 'cancelled', 'skipped')
     OR attempt >= max_attempts OR error ->> 'retryable' = 'false')
"""

PROVE = f"""
WITH candidate AS MATERIALIZED (
    SELECT c.n, c.due_at, s.namespace, s.temporal_run_id, s.run_id, s.kind, s.expected_tasks,
           s.failure_reason, s.status, s.started_at, s.seq
    FROM jsonb_to_recordset(CAST(:candidates AS jsonb))
         AS c(n int, temporal_run_id text, due_at timestamptz)
    CROSS JOIN LATERAL (
        SELECT * FROM {{schema}}.run_segment AS g
        WHERE g.namespace = :namespace AND g.temporal_run_id = c.temporal_run_id
          AND g.reconcile_at = c.due_at OFFSET 0
    ) AS s
),
chain AS (
    SELECT c.n, g.*
    FROM candidate AS c CROSS JOIN LATERAL (
        SELECT o.temporal_run_id, o.reconcile_at, o.closed_at, o.status,
               count(*) FILTER (WHERE o.kind IN ('start', 'cron', 'reset'))
                   OVER (ORDER BY o.started_at DESC, o.seq DESC
                         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS beginnings,
               lag(o.kind) OVER (ORDER BY o.started_at DESC, o.seq DESC) AS next_kind
        FROM (
            SELECT * FROM {{schema}}.run_segment AS r
            WHERE r.run_id = c.run_id AND c.kind IN ('continue', 'retry')
            ORDER BY r.seq DESC LIMIT {_LONGEST}
        ) AS o, LATERAL (
            SELECT m.started_at, m.seq FROM {{schema}}.run_segment AS m
            WHERE m.namespace = c.namespace AND m.temporal_run_id = c.temporal_run_id OFFSET 0
        ) AS last
        WHERE (o.started_at, o.seq) <= (last.started_at, last.seq)
    ) AS g
    WHERE g.beginnings = 0
),
member AS (
    SELECT c.n, c.run_id, c.temporal_run_id FROM candidate AS c
    UNION ALL
    SELECT c.n, c.run_id, g.temporal_run_id
    FROM chain AS g JOIN candidate AS c USING (n)
    WHERE g.temporal_run_id <> c.temporal_run_id AND g.next_kind <> 'retry'
),
key AS (
    SELECT m.n, count(*) AS rows, min(t.attempt) AS first, max(t.attempt) AS last,
           count(*) FILTER (WHERE t.is_last) AS lasts,
           max(t.attempt) FILTER (WHERE t.is_last) AS ended_with,
           bool_and(t.is_last OR t.is_failed) AS told,
           bool_or(t.status <> 'succeeded' AND t.is_last) AS failed
    FROM member AS m CROSS JOIN LATERAL (
        SELECT a.temporal_run_id, a.activity_id, a.attempt, a.status, COALESCE({_LAST}, false)
               AS is_last, source > 1 AND status IN ('failed', 'timed_out') AS is_failed
        FROM {{schema}}.task AS a
        WHERE a.run_id = m.run_id AND a.temporal_run_id = m.temporal_run_id
          AND a.type IN ('activity', 'local_activity') OFFSET 0
    ) AS t
    GROUP BY m.n, t.temporal_run_id, t.activity_id
),
counted AS (
    SELECT n, count(*) AS keys, bool_or(failed) AS failed,
           bool_and(first = 1 AND last = rows AND lasts = 1 AND ended_with = last AND told) AS whole
    FROM key GROUP BY n
),
proven AS MATERIALIZED (
    SELECT c.n, c.namespace, c.temporal_run_id, c.due_at
    FROM candidate AS c JOIN {{schema}}.run AS u ON u.id = c.run_id
    LEFT JOIN counted AS k USING (n)
    WHERE c.kind <> 'reset' AND c.expected_tasks = COALESCE(k.keys, 0)
      AND COALESCE(k.whole, true)
      AND (c.failure_reason IS DISTINCT FROM 'activity_error' OR COALESCE(k.failed, false))
      AND (u.status = c.status OR EXISTS (
          SELECT FROM {{schema}}.run_segment AS o WHERE o.run_id = c.run_id AND o.seq > c.seq
            AND (o.started_at, o.seq) > (c.started_at, c.seq)
      ))
),
clear AS (
    SELECT p.namespace, p.temporal_run_id, p.due_at FROM proven AS p
    UNION ALL
    SELECT p.namespace, g.temporal_run_id, g.reconcile_at
    FROM proven AS p JOIN chain AS g USING (n)
    WHERE g.closed_at IS NOT NULL AND g.reconcile_at IS NOT NULL AND g.next_kind = 'continue'
      AND g.status = 'running'
),
held AS MATERIALIZED (
    -- What is being written this very moment is left to the next pass.
    SELECT s.namespace, s.temporal_run_id
    FROM {{schema}}.run_segment AS s JOIN clear AS c
      ON s.namespace = c.namespace AND s.temporal_run_id = c.temporal_run_id
     AND s.reconcile_at = c.due_at
    FOR NO KEY UPDATE OF s SKIP LOCKED
),
cleared AS (
    UPDATE {{schema}}.run_segment AS s SET reconcile_at = NULL, reconcile_tries = 0
    FROM held AS h WHERE s.namespace = h.namespace AND s.temporal_run_id = h.temporal_run_id
    RETURNING s.temporal_run_id
)
SELECT temporal_run_id FROM cleared
"""  # noqa: S608 - only constants of ours are put in
"""Clears what is proven of `candidates` (n, temporal_run_id, due_at); returns what was cleared."""

# A worker that was frozen may report an attempt when everything of its run is proven.
UNPROVE = """
UPDATE {schema}.run_segment AS s SET reconcile_at = now() + interval '5 seconds'
FROM jsonb_to_recordset(CAST(%s AS jsonb)) AS r(namespace text, temporal_run_id text)
WHERE s.namespace = r.namespace AND s.temporal_run_id = r.temporal_run_id
  AND s.reconcile_at IS NULL
RETURNING s.temporal_run_id
"""
"""Has executions compared again whose proof new records put in doubt."""
