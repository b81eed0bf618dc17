"""Steps below an activity: who may record them, what was recorded, and the record itself.

The latest attempt of an activity holds its scope. Whoever records locks the scope's row and finds
his own fence in it, or writes nothing; whoever opens it waits for those who are recording. So what
an attempt finds when it begins is all that earlier ones ever recorded.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any

from flowkeep.contracts import RunRef, Source, TaskStatus, TaskType
from flowkeep.contracts.records import ErrorInfo
from flowkeep.contracts.steps import RecordedStep, RecordSteps, StepRecord, StepScope, step_key
from flowkeep.errors import NotFound, StaleAttempt
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import driven, payloads
from flowkeep.statestore.repositories.flush import Flush, begin
from flowkeep.statestore.repositories.upsert import BEHIND
from flowkeep.statestore.session import Scope, Session

_KEY = "run_id, temporal_run_id, activity_id"

# The run is held, so that one that is being deleted gets no scope. That is not waited for on the
# disk: whatever is recorded is there only after it.
_OPEN = f"""
WITH home AS (
    SELECT id, tenant_id FROM {{schema}}.run WHERE id = %s AND tenant_id = %s FOR KEY SHARE
),
known AS (
    SELECT fence FROM {{schema}}.step_scope WHERE ({_KEY}) = (%s, %s, %s)
),
opened AS (
    INSERT INTO {{schema}}.step_scope AS s ({_KEY}, tenant_id, fence)
    SELECT id, %s, %s, tenant_id, CAST(%s AS timestamptz) FROM home
    ON CONFLICT ({_KEY}) DO UPDATE SET fence = excluded.fence WHERE s.fence <= excluded.fence
    RETURNING xmax = 0 AS fresh
)
SELECT (SELECT count(*) FROM home), (SELECT fresh FROM opened), (SELECT fence FROM known){BEHIND}
"""  # noqa: S608 - only constants of ours are put in

_ABANDON = f"""
UPDATE {{schema}}.task
SET status = '{TaskStatus.FAILED}', error = CAST(%s AS jsonb), finished_at = now(),
    updated_at = now(), source = {int(Source.WORKER)}
WHERE run_id = %s AND temporal_run_id = %s AND batch = %s AND type = '{TaskType.STEP}'
  AND status = '{TaskStatus.RUNNING}'
RETURNING 1
"""  # noqa: S608 - only constants of ours are put in

# The last attempt of a step comes last, and overwrites the others.
_RECORDED = f"""
SELECT task_index, task_name, attempt, status, input->>'function', input->>'arguments',
       input->'behind', error, output #>> '{{}}', output_hash,
       EXTRACT(EPOCH FROM finished_at - started_at)
FROM {{schema}}.task
WHERE run_id = %s AND temporal_run_id = %s AND batch = %s AND type = '{TaskType.STEP}'
ORDER BY attempt
"""  # noqa: S608 - only constants of ours are put in

_COLUMNS = {
    "n": "int",
    "run_id": "uuid",
    "temporal_run_id": "text",
    "scope": "text",
    "fence": "timestamptz",
    "activity_id": "text",
    "attempt": "int",
    "task_name": "text",
    "task_index": "int",
    "status": "text",
    "next_retry_at": "timestamptz",
    "input": "jsonb",
    "output": "jsonb",
    "output_hash": "bytea",
    "error": "jsonb",
    "worker": "text",
    "started_at": "timestamptz",
    "finished_at": "timestamptz",
}
_WRITTEN = """status, next_retry_at, output, output_hash, error, finished_at"""
_RECORD = f"""
WITH rec AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(%s AS jsonb))
    AS r({", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())})
),
scopes AS MATERIALIZED (
    SELECT DISTINCT run_id, temporal_run_id, scope, fence FROM rec
),
held AS MATERIALIZED (
    SELECT c.*, s.tenant_id FROM scopes AS c CROSS JOIN LATERAL (
        SELECT tenant_id FROM {{schema}}.step_scope
        WHERE ({_KEY}) = (c.run_id, c.temporal_run_id, c.scope) AND fence = c.fence
        FOR NO KEY UPDATE
    ) AS s
),
written AS (
    INSERT INTO {{schema}}.task AS t (run_id, tenant_id, temporal_run_id, activity_id, attempt,
        task_name, task_index, batch, type, status, next_retry_at, input, output, output_hash,
        error, worker, scheduled_at, started_at, finished_at, source, created_at, updated_at)
    SELECT r.run_id, h.tenant_id, r.temporal_run_id, r.activity_id, r.attempt,
        r.task_name, r.task_index, r.scope, '{TaskType.STEP}', r.status, r.next_retry_at, r.input,
        r.output, r.output_hash, r.error, r.worker, r.started_at, r.started_at, r.finished_at,
        {int(Source.WORKER)}, now(), now()
    FROM rec AS r JOIN held AS h USING (run_id, temporal_run_id, scope, fence)
    ON CONFLICT (run_id, temporal_run_id, activity_id, attempt) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in _WRITTEN.split(", "))},
        updated_at = excluded.updated_at,
        source = excluded.source
    WHERE t.status IN ('{TaskStatus.RUNNING}', '{TaskStatus.WAITING}')
       OR t.source < excluded.source -- cancelled because its run had ended
    RETURNING t.run_id, t.temporal_run_id, t.activity_id, t.attempt
)
SELECT r.n FROM rec AS r
LEFT JOIN held AS h USING (run_id, temporal_run_id, scope, fence)
LEFT JOIN written AS w USING (run_id, temporal_run_id, activity_id, attempt)
WHERE h.scope IS NULL OR w.activity_id IS NULL AND NOT EXISTS (
    -- Told again, because nobody knew whether it had been committed.
    SELECT FROM {{schema}}.task AS t
    WHERE (t.run_id, t.temporal_run_id, t.activity_id, t.attempt)
        = (r.run_id, r.temporal_run_id, r.activity_id, r.attempt) AND t.status = r.status
)
"""  # noqa: S608 - only constants of ours are put in


class StepRecords:
    """Steps of activities; see the Protocol `StepRepository`.

    Args:
        scope: Where sessions come from.
    """

    _scope: Scope

    async def open_steps(self, scope: StepScope, run: RunRef) -> list[RecordedStep]:
        """Take an activity's steps over from earlier attempts, and return what they recorded."""
        async with self._scope.single() as session:
            taken = await _take(session, scope)
        if taken is Taken.FIRST:
            return []
        async with self._scope.write() as session:
            if taken is None:  # the first thing that is heard of this run, or it is gone
                await begin(session, Flush(seen=[run]), durable=False)
            # Held from here on, so that no newer attempt records while this one reads.
            taken = await _take(session, scope)
            if taken is not None:
                return [] if taken is Taken.FIRST else await _taken_over(session, scope)
        raise NotFound(
            f"the ledger has no run {scope.run_id} of execution {scope.temporal_run_id}",
            hint="it was deleted, or the execution is recorded as one of another run",
        )

    @asynccontextmanager
    async def recording_steps(self) -> AsyncIterator[RecordSteps]:
        """Hold a connection on which steps are committed, group after group."""
        async with self._scope.single() as session:

            async def record(records: Sequence[StepRecord]) -> set[int]:
                with session.translated():
                    return await _record(session, records)

            yield record

    async def step_output(self, tenant_id: str, digest: bytes) -> str:
        """Return a result that was too big for its row."""
        async with self._scope.read() as session:
            found = await payloads.fetch(session, tenant_id, [digest])
        if digest not in found:
            raise NotFound("the result of a step is no longer in the ledger")
        return str(found[digest])


class Taken(Enum):
    """How an attempt came to hold the scope."""

    FIRST = "nobody had it before"
    OVER = "from an earlier attempt, or it had it already"


async def _take(session: Session, scope: StepScope) -> Taken | None:
    """Take the scope; None where the ledger does not know its run."""
    key = (scope.run_id, scope.temporal_run_id, scope.activity_id)
    [(homes, fresh, fence, *_)] = await driven.rows(
        session,
        _OPEN,
        scope.run_id,
        scope.tenant_id,
        *key,
        scope.temporal_run_id,
        scope.activity_id,
        scope.fence,
    )
    if not homes:
        return None
    if fresh is None:
        raise StaleAttempt(
            f"activity {scope.activity_id!r} of run {scope.run_id} has a newer attempt, of {fence}"
        )
    return Taken.FIRST if fresh else Taken.OVER


async def _taken_over(session: Session, scope: StepScope) -> list[RecordedStep]:
    """Return what earlier attempts recorded in a scope that this transaction holds."""
    below = (scope.run_id, scope.temporal_run_id, scope.activity_id)
    await driven.rows(session, _ABANDON, _ABANDONED, *below)
    last: dict[int, RecordedStep] = {}
    for row in await driven.rows(session, _RECORDED, *below):
        ordinal, name, attempt, status, function, digest, behind, error, *rest = row
        output, digest_of, lasted = rest
        last[ordinal] = RecordedStep(
            ordinal=ordinal,
            name=name,
            attempt=attempt,
            status=TaskStatus(status),
            function=function,
            digest=digest,
            behind=tuple(behind or ()),
            error=None if error is None else ErrorInfo.model_validate(error),
            output=output,
            output_hash=None if digest_of is None else bytes(digest_of),
            lasted_seconds=float(lasted or 0),
        )
    return list(last.values())


async def _record(session: Session, records: Sequence[StepRecord]) -> set[int]:
    """Commit a group; returns the places of those that were refused."""
    packed = [None if one.output is None else payloads.pack(one.output) for one in records]
    document = encoding.without_nul(
        encoding.lenient([_row(n, one, packed[n]) for n, one in enumerate(records)])
    ).decode()
    if not any(one is not None and one.hash for one in packed):
        return {row[0] for row in await driven.rows(session, _RECORD, document)}
    connection = await session.driver()
    async with connection.transaction():
        refused = {row[0] for row in await driven.rows(session, _RECORD, document)}
        await payloads.keep(
            session,
            [
                (one.scope.tenant_id, one.scope.run_id, packed[n])
                for n, one in enumerate(records)
                if n not in refused
            ],
        )
    return refused


_ABANDONED = encoding.lenient(
    ErrorInfo(
        code="ATTEMPT_NOT_REPORTED",
        type="AttemptNotReported",
        message="the attempt of its activity ended before it did, or could not report it",
        retryable=True,
    )
).decode()


def _row(n: int, record: StepRecord, output: payloads.Packed | None) -> dict[str, Any]:
    scope = record.scope
    given: dict[str, Any] = {"function": record.function, "arguments": record.digest}
    if record.behind:
        given["behind"] = record.behind
    return {
        "n": n,
        "run_id": scope.run_id,
        "temporal_run_id": scope.temporal_run_id,
        "scope": scope.activity_id,
        "fence": scope.fence,
        "activity_id": step_key(scope.activity_id, record.name, record.ordinal),
        "attempt": record.attempt,
        "task_name": record.name,
        "task_index": record.ordinal,
        "status": record.status,
        "next_retry_at": record.next_retry_at,
        "input": given,
        "output": None if output is None or output.hash else record.output,
        "output_hash": None if output is None or not output.hash else "\\x" + output.hash.hex(),
        "error": record.error,
        "worker": record.worker,
        "started_at": record.started_at,
        "finished_at": record.finished_at,
    }
