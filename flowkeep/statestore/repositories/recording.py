"""A batch of attempts, written in two statements: lock the runs, upsert the rows.

The batch travels as one JSON parameter: adapting thirty arrays per flush would cost more than the
rows themselves. Counters of runs follow in the same statement; because every writer of a run's
tasks holds that run's lock, they are exact under repeats and concurrent writers.
"""

from collections.abc import MutableMapping, Sequence
from typing import Any
from uuid import UUID

import orjson

from flowkeep.contracts import Attempt, RunRef, RunStatus, Source, TaskStatus
from flowkeep.errors import Forbidden, InvalidInput
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import adoption, moves, payloads
from flowkeep.statestore.repositories.changes import lock
from flowkeep.statestore.repositories.outcome import RUN_CLOSED
from flowkeep.statestore.session import Session

Key = tuple[str, str, str, int]
Known = MutableMapping[tuple[str, str], None]
"""Executions whose run and segment are known to exist."""

_RANK = {TaskStatus.PENDING: 0, TaskStatus.RUNNING: 1, TaskStatus.WAITING: 2}
_MOST_KNOWN = 10_000

# Ordered, so that two writers lock the same runs in the same order.
_LOCK_RUNS = """
WITH target AS MATERIALIZED (
    SELECT r.n, COALESCE(s.run_id, r.run_id) AS run_id, s.run_id IS NOT NULL AS has_segment
    FROM jsonb_to_recordset(CAST(:refs AS jsonb))
         AS r(n int, namespace text, temporal_run_id text, run_id uuid)
    LEFT JOIN {schema}.run_segment AS s
           ON s.namespace = r.namespace AND s.temporal_run_id = r.temporal_run_id
)
SELECT t.n, t.has_segment, u.id, u.tenant_id, u.status
FROM target AS t JOIN {schema}.run AS u ON u.id = t.run_id
ORDER BY u.id
FOR NO KEY UPDATE OF u
"""
# The same, letting this transaction's commit return early, without a statement of its own.
_LOCK_RUNS_BEHIND = _LOCK_RUNS.replace(
    "SELECT t.n,", "SELECT set_config('synchronous_commit', 'off', true), t.n,"
)

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

_UPSERT = f"""
WITH rec AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb))
    AS r({", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())})
),
before AS (
    SELECT run_id, temporal_run_id, activity_id, attempt, {_FAILED} AS failed, {_DONE} AS done
    FROM (SELECT DISTINCT run_id, temporal_run_id, activity_id FROM rec) AS k
    JOIN {{schema}}.task AS t USING (run_id, temporal_run_id, activity_id)
),
written AS (
    INSERT INTO {{schema}}.task AS t ({", ".join(_COLUMNS)}, created_at)
    SELECT {", ".join(_COLUMNS)}, now() FROM rec
    ON CONFLICT ({", ".join(_KEY)}) DO UPDATE SET {_assignments()}
    WHERE (excluded.source, {_rank("excluded")}, excluded.updated_at)
        > (t.source, {_rank("t")}, t.updated_at)
    RETURNING run_id, temporal_run_id, activity_id, attempt, {_FAILED} AS failed, {_DONE} AS done
),
attempts AS (
    SELECT run_id, temporal_run_id, activity_id, attempt,
           b.attempt IS NOT NULL AS was,
           COALESCE(b.failed, false) AS failed_before, COALESCE(b.done, false) AS done_before,
           COALESCE(w.failed, b.failed) AS failed_after, COALESCE(w.done, b.done) AS done_after
    FROM before AS b FULL JOIN written AS w
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
    WHERE u.id = d.run_id AND (d.exceptions, d.total, d.finished) <> (0, 0, 0)
)
SELECT count(*) FROM written
"""  # noqa: S608 - only constants of ours are put in


async def record(
    session: Session,
    attempts: Sequence[Attempt],
    *,
    known: Known | None = None,
    durable: bool = True,
) -> int:
    """Write a batch of attempts; returns how many rows were written.

    Args:
        session: A transaction that holds no lock on a run yet.
        attempts: In any order, of any tenant, with repeats.
        known: Executions that need not be looked up again; see `remember`.
        durable: False lets the commit return before the log is on disk.

    Raises:
        Forbidden: If an attempt names a run of another tenant.
        OpenRunExists: If a run cannot be adopted; see `adoption.ensure`.
        InvalidInput: If an attempt cannot be stored.
    """
    batch = strongest(attempts)
    refs = adoption.unique(attempt.run for attempt in batch)
    if known is None:
        known = {}
    await adoption.ensure(
        session, [ref for ref in refs if (ref.namespace, ref.temporal_run_id) not in known]
    )
    runs = await _lock_runs(session, refs, durable=durable)
    if len(runs) < len(refs):
        # A run that was known is gone: it was deleted since.
        await adoption.ensure(session, [ref for ref in refs if _execution(ref) not in runs])
        runs = await _lock_runs(session, refs, durable=durable)
    return await _write(session, batch, runs)


def remember(known: Known, attempts: Sequence[Attempt]) -> None:
    """Note the executions of a batch that was committed."""
    for attempt in attempts:
        known[attempt.run.namespace, attempt.run.temporal_run_id] = None
    while len(known) > _MOST_KNOWN:
        del known[next(iter(known))]


def strongest(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return one record per attempt, the one that would win in the table, sorted by key."""
    best: dict[Key, Attempt] = {}
    for attempt in attempts:
        if attempt.recorded_at.tzinfo is None:
            raise InvalidInput(
                f"activity {attempt.activity_id!r}: recorded_at has no time zone",
                hint="use datetime.now(UTC)",
            )
        key = (
            attempt.run.namespace,
            attempt.run.temporal_run_id,
            attempt.activity_id,
            attempt.attempt,
        )
        other = best.get(key)
        if other is None or _strength(attempt) > _strength(other):
            best[key] = attempt
    return [best[key] for key in sorted(best)]


def _strength(attempt: Attempt) -> tuple[int, int, Any]:
    return (int(attempt.source), _RANK.get(attempt.status, 3), attempt.recorded_at)


def _execution(ref: RunRef) -> tuple[str, str]:
    return ref.namespace, ref.temporal_run_id


async def _lock_runs(
    session: Session, refs: Sequence[RunRef], *, durable: bool
) -> dict[tuple[str, str], tuple[UUID, RunStatus]]:
    """Lock the runs of some executions; start those that are pending.

    Returns:
        Run id and status by execution; executions without run or segment are left out.
    """
    ordered = list(refs)
    statement = _LOCK_RUNS if durable else _LOCK_RUNS_BEHIND
    found = await session.execute(statement, {"refs": adoption.as_json(ordered)})
    runs: dict[tuple[str, str], tuple[UUID, RunStatus]] = {}
    for row in found.all():
        ref, status = ordered[row.n], RunStatus(row.status)
        if row.tenant_id != ref.tenant_id:
            raise Forbidden(f"run {row.id} belongs to another tenant")
        if not row.has_segment:
            continue
        if status is RunStatus.PENDING:
            await start(session, row.id, ref)
            status = RunStatus.RUNNING
        runs[_execution(ref)] = (row.id, status)
    return runs


async def start(session: Session, run_id: UUID, ref: RunRef) -> dict[str, Any]:
    """Move a run that is pending to `running`: this record proves that Temporal accepted it."""
    row = await lock(session, run_id)
    if row["status"] != RunStatus.PENDING:
        return row
    return await moves.start(
        session, row, source=Source.WORKER, temporal_run_id=ref.temporal_run_id
    )


async def _write(
    session: Session,
    batch: Sequence[Attempt],
    runs: dict[tuple[str, str], tuple[UUID, RunStatus]],
) -> int:
    rows: list[dict[str, Any]] = []
    big: list[tuple[str, UUID, payloads.Packed | None]] = []
    for attempt in batch:
        run_id, status = runs[_execution(attempt.run)]
        values = {name: payloads.pack(getattr(attempt, name)) for name in ("input", "output")}
        big += [
            (attempt.run.tenant_id, run_id, value)
            for value in values.values()
            if value is not None and value.hash is not None
        ]
        rows.append(_row(attempt, run_id, values, closed=status.terminal))
    await payloads.keep(session, big)
    document = encoding.without_nul(encoding.lenient(rows)).decode()
    written = await session.execute(_UPSERT, {"rows": document})
    return int(written.scalar_one())


def _row(
    attempt: Attempt, run_id: UUID, values: dict[str, payloads.Packed | None], *, closed: bool
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "run_id": run_id,
        "tenant_id": attempt.run.tenant_id,
        "temporal_run_id": attempt.run.temporal_run_id,
        "activity_id": attempt.activity_id,
        "attempt": attempt.attempt,
        "task_name": attempt.task_name,
        "task_index": attempt.task_index,
        "batch": attempt.batch,
        "type": attempt.type,
        "external_id": attempt.external_id,
        "child_run_id": attempt.child_run_id,
        "status": attempt.status,
        "max_attempts": attempt.max_attempts,
        "next_retry_at": attempt.next_retry_at,
        "timeout_seconds": attempt.timeout_seconds,
        "deadline_at": attempt.deadline_at,
        "error": attempt.error.model_dump(mode="json") if attempt.error else None,
        "worker": attempt.worker,
        "scheduled_at": attempt.scheduled_at or attempt.started_at or attempt.recorded_at,
        "started_at": attempt.started_at,
        "finished_at": attempt.finished_at,
        "updated_at": attempt.recorded_at,
        "source": int(attempt.source),
    }
    for name, packed in values.items():
        if packed is None:
            continue
        if packed.hash is None:
            row[name] = orjson.Fragment(packed.data)
        else:
            row[f"{name}_hash"] = "\\x" + packed.hash.hex()
    if closed:
        row["next_retry_at"] = None
        if not attempt.status.terminal:
            row |= _CLOSED | {"finished_at": attempt.recorded_at}
    return row


# An attempt that is reported as open after its run ended: nothing open may stay in a closed run.
_CLOSED = {
    "status": TaskStatus.CANCELLED,
    "source": int(Source.CLIENT),
    "error": RUN_CLOSED.model_dump(mode="json"),
}
