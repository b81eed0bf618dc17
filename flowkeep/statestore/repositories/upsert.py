"""The statements of a flush that lock runs, start them and write attempts.

A batch travels as one JSON parameter: adapting thirty arrays per flush would cost more than the
rows themselves. Counters of runs follow in the same statement; because every writer of a run's
tasks holds that run's lock, they are exact under repeats and concurrent writers.
"""

# PostgreSQL guesses that a JSON parameter holds a hundred rows. `OFFSET 0` keeps look-ups by key
# what they are: else a plan made while a table was small would read it whole for ever after. The
# order by attempt is the primary key's, which no other index has.

# Ordered, so that two writers lock the same runs in the same order.
LOCK_RUNS = """
SELECT t.n, t.has_segment, u.id, u.tenant_id, u.status
FROM (
    SELECT r.n, COALESCE(s.run_id, r.run_id) AS run_id, s.run_id IS NOT NULL AS has_segment
    FROM jsonb_to_recordset(CAST(%s AS jsonb))
         AS r(n int, namespace text, temporal_run_id text, run_id uuid)
    LEFT JOIN LATERAL (
        SELECT g.run_id FROM {schema}.run_segment AS g
        WHERE g.namespace = r.namespace AND g.temporal_run_id = r.temporal_run_id OFFSET 0
    ) AS s ON true
    ORDER BY 2
) AS t
CROSS JOIN LATERAL (
    SELECT id, tenant_id, status FROM {schema}.run WHERE id = t.run_id FOR NO KEY UPDATE
) AS u
"""
# The same, letting this transaction's commit return early, without a statement of its own.
BEHIND = ", set_config('synchronous_commit', 'off', true)"
LOCK_RUNS_BEHIND = LOCK_RUNS.replace(", u.status\n", f", u.status{BEHIND}\n")

# Runs that are locked and pending: a record of them proves that Temporal accepted them.
START_RUNS = """
WITH started AS (
    UPDATE {schema}.run AS u
    SET status = 'running', source = r.source,
        started_at = GREATEST(COALESCE(r.started_at, now()), u.created_at),
        revision = u.revision + 1, updated_at = now()
    FROM jsonb_to_recordset(CAST(%s AS jsonb))
         AS r(id uuid, started_at timestamptz, source smallint, told jsonb)
    WHERE u.id = r.id AND u.id = ANY(CAST(%s AS uuid[])) AND u.status = 'pending'
    RETURNING u.id, u.tenant_id, u.revision, r.told
)
INSERT INTO {schema}.run_event (run_id, tenant_id, kind, payload, revision, at)
SELECT id, tenant_id, 'started', told, revision, now() FROM started
RETURNING run_id
"""

_COLUMNS = {
    "run_id": "uuid",
    "tenant_id": "text",
    "temporal_run_id": "text",
    "activity_id": "text",
    "attempt": "int",
    "task_name": "text",
    "task_index": "int",
    "batch": "text",
    "type": "text",
    "external_id": "text",
    "child_run_id": "uuid",
    "status": "text",
    "max_attempts": "bigint",
    "next_retry_at": "timestamptz",
    "timeout_seconds": "float8",
    "deadline_at": "timestamptz",
    "input": "jsonb",
    "input_hash": "bytea",
    "output": "jsonb",
    "output_hash": "bytea",
    "error": "jsonb",
    "worker": "text",
    "scheduled_at": "timestamptz",
    "started_at": "timestamptz",
    "finished_at": "timestamptz",
    "updated_at": "timestamptz",
    "source": "int",
}
_KEY = ("run_id", "temporal_run_id", "activity_id", "attempt")
_RESULT = ("next_retry_at", "output", "output_hash", "error", "finished_at")
"""Columns that belong to a status: another status brings its own, be they empty."""
_TOGETHER = ("status", "updated_at", "source")


def _assignments() -> str:
    parts = []
    for name in _COLUMNS:
        if name in _KEY or name == "tenant_id":
            continue
        if name in _TOGETHER:
            parts.append(f"{name} = excluded.{name}")
        elif name in _RESULT:
            parts.append(
                f"{name} = CASE WHEN excluded.status = t.status"
                f" THEN COALESCE(excluded.{name}, t.{name}) ELSE excluded.{name} END"
            )
        else:
            parts.append(f"{name} = COALESCE(excluded.{name}, t.{name})")
    return ", ".join(parts)


def _rank(table: str) -> str:
    return (
        f"CASE {table}.status WHEN 'pending' THEN 0 WHEN 'running' THEN 1 WHEN 'waiting' THEN 2"
        " ELSE 3 END"
    )


_FAILED = "status IN ('failed', 'timed_out')"
_DONE = "(status NOT IN ('pending', 'running', 'waiting') AND next_retry_at IS NULL)"

# What a reset undid counts for nothing, neither before nor after.
UPSERT = f"""
WITH rec AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(%s AS jsonb))
    AS r({", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())})
),
before AS (
    SELECT k.run_id, k.temporal_run_id, k.activity_id, t.attempt, t.failed, t.done
    FROM (SELECT DISTINCT run_id, temporal_run_id, activity_id FROM rec) AS k
    CROSS JOIN LATERAL (
        SELECT attempt, {_FAILED} AS failed, {_DONE} AS done FROM {{schema}}.task AS o
        WHERE o.run_id = k.run_id AND o.temporal_run_id = k.temporal_run_id
          AND o.activity_id = k.activity_id AND NOT o.superseded
        ORDER BY o.attempt OFFSET 0
    ) AS t
),
written AS (
    INSERT INTO {{schema}}.task AS t ({", ".join(_COLUMNS)}, created_at)
    SELECT {", ".join(_COLUMNS)}, now() FROM rec
    ON CONFLICT ({", ".join(_KEY)}) DO UPDATE SET {_assignments()}
    WHERE (excluded.source, {_rank("excluded")}, excluded.updated_at)
        > (t.source, {_rank("t")}, t.updated_at)
    RETURNING run_id, temporal_run_id, activity_id, attempt, {_FAILED} AS failed, {_DONE} AS done,
              superseded
),
attempts AS (
    SELECT run_id, temporal_run_id, activity_id, attempt,
           b.attempt IS NOT NULL AS was,
           COALESCE(b.failed, false) AS failed_before, COALESCE(b.done, false) AS done_before,
           COALESCE(w.failed, b.failed) AS failed_after, COALESCE(w.done, b.done) AS done_after
    FROM before AS b FULL JOIN (SELECT * FROM written WHERE NOT superseded) AS w
         USING (run_id, temporal_run_id, activity_id, attempt)
),
tasks AS (
    SELECT run_id, temporal_run_id, activity_id,
           sum(failed_after::int) - sum(failed_before::int) AS exceptions,
           CASE WHEN bool_or(was) THEN 0 ELSE 1 END AS total,
           (array_agg(done_after::int ORDER BY attempt DESC))[1]
           - COALESCE((array_agg(done_before::int ORDER BY attempt DESC) FILTER (WHERE was))[1], 0)
           AS finished
    FROM attempts GROUP BY run_id, temporal_run_id, activity_id
),
counted AS (
    UPDATE {{schema}}.run AS u
    SET exceptions_count = u.exceptions_count + d.exceptions,
        tasks_total = u.tasks_total + d.total,
        tasks_finished = u.tasks_finished + d.finished
    FROM (SELECT run_id, sum(exceptions) AS exceptions, sum(total) AS total,
                 sum(finished) AS finished FROM tasks GROUP BY run_id) AS d
    WHERE u.id = d.run_id AND u.id = ANY(CAST(%s AS uuid[]))
      AND (d.exceptions, d.total, d.finished) <> (0, 0, 0)
)
SELECT count(*) FROM written
"""  # noqa: S608 - only constants of ours are put in
