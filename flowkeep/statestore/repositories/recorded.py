"""What the ledger says of one execution, and corrections that no record can make."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from flowkeep.contracts import (
    EventKind,
    RunStatus,
    SegmentClose,
    SegmentKind,
    Source,
    TaskStatus,
    TaskType,
)
from flowkeep.contracts.recorded import (
    AttemptRecord,
    ExecutionRecord,
    RunRecord,
    SegmentRecord,
)
from flowkeep.errors import OpenRunExists
from flowkeep.statestore.repositories import marks, payloads, tombstones
from flowkeep.statestore.repositories.changes import change, lock
from flowkeep.statestore.repositories.creation import open_run
from flowkeep.statestore.repositories.outcome import Outcome
from flowkeep.statestore.repositories.segments import open_segment
from flowkeep.statestore.session import Scope, Session

_RUN = """
SELECT u.id, u.tenant_id, u.status, u.source, u.failure_reason, u.error IS NOT NULL AS has_error,
       u.outputs, (u.outputs IS NOT NULL OR u.outputs_hash IS NOT NULL) AS has_outputs,
       (u.inputs IS NOT NULL OR u.inputs_hash IS NOT NULL) AS requested
FROM {schema}.run AS u
WHERE u.id = COALESCE(
    (SELECT run_id FROM {schema}.run_segment
     WHERE namespace = :namespace AND temporal_run_id = :temporal_run_id),
    CAST(:run_id AS uuid))
"""
_SEGMENTS = """
SELECT temporal_run_id, kind, status, failure_reason, error IS NOT NULL AS has_error,
       expected_tasks, closed_at, source
FROM {schema}.run_segment WHERE run_id = :run_id AND namespace = :namespace
ORDER BY started_at, seq
"""
_ATTEMPTS = """
SELECT temporal_run_id, activity_id, attempt, type, status, source, superseded,
       next_retry_at IS NOT NULL AS waits
FROM {schema}.task
WHERE run_id = :run_id AND temporal_run_id = ANY(CAST(:executions AS text[]))
  AND type IN ('activity', 'local_activity')
ORDER BY temporal_run_id, activity_id, attempt
"""
_GONE = """
SELECT (<gone>) IS NOT NULL
FROM (SELECT CAST(:run_id AS uuid) AS run_id, CAST(:chunk_of AS uuid) AS chunk_of) AS r
""".replace("<gone>", tombstones.OF_RECORD)
_NOTE_START = """
UPDATE {schema}.run_segment SET kind = :kind, started_at = :started_at
WHERE namespace = :namespace AND temporal_run_id = :temporal_run_id
  AND (kind, started_at) IS DISTINCT FROM (:kind, CAST(:started_at AS timestamptz))
"""
_REOPEN = """
UPDATE {schema}.run_segment
SET status = 'running', closed_at = NULL, error = NULL, failure_reason = NULL,
    expected_tasks = NULL, source = 4
WHERE namespace = :namespace AND temporal_run_id = :temporal_run_id AND closed_at IS NOT NULL
"""
# What the server said before may be wrong (it had forgotten the run, or was set back): its next
# word must be able to replace it.
_WEAKEN = """
UPDATE {schema}.run_segment SET source = 3
WHERE namespace = :namespace AND temporal_run_id = :temporal_run_id AND source > 3
"""


class RecordedExecutions:
    """Reads and corrections of what is compared with Temporal; see `RecordedRepository`.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def recorded(
        self,
        namespace: str,
        temporal_run_id: str,
        *,
        run_id: UUID | None = None,
        chunk_of: UUID | None = None,
        attempts: bool = True,
    ) -> ExecutionRecord:
        """Return what the ledger says of one execution and its run."""
        async with self._scope.read() as session:
            found = await session.execute(
                _RUN,
                {"namespace": namespace, "temporal_run_id": temporal_run_id, "run_id": run_id},
            )
            row = found.mappings().one_or_none()
            if row is None:
                gone = await session.execute(_GONE, {"run_id": run_id, "chunk_of": chunk_of})
                return ExecutionRecord(
                    temporal_run_id=temporal_run_id, gone=bool(gone.scalar_one())
                )
            run = _run(row)
            return ExecutionRecord(
                temporal_run_id=temporal_run_id,
                run=run,
                segments=await _segments(session, run.id, namespace),
                attempts=await _attempts(session, run.id, [temporal_run_id]) if attempts else (),
            )

    async def recorded_attempts(
        self, run_id: UUID, executions: Sequence[str]
    ) -> Sequence[AttemptRecord]:
        """Return the attempts of activities that some executions of a run made."""
        async with self._scope.read() as session:
            return await _attempts(session, run_id, executions)

    async def mark_superseded(
        self, run_id: UUID, attempts: Sequence[AttemptRecord], *, superseded: bool
    ) -> int:
        """Mark attempts of a run as undone, or take the mark away; returns how many."""
        return await self._mark(marks.UNDONE if superseded else marks.KEPT, run_id, attempts)

    async def expect_no_retry(self, run_id: UUID, attempts: Sequence[AttemptRecord]) -> int:
        """Note that no further attempt follows on these; returns how many rows that are."""
        return await self._mark(marks.LAST, run_id, attempts)

    async def _mark(self, statement: str, run_id: UUID, attempts: Sequence[AttemptRecord]) -> int:
        if not attempts:
            return 0
        async with self._scope.write() as session:
            return await marks.mark(session, statement, run_id, attempts)

    async def adopt_segment(
        self,
        run_id: UUID,
        namespace: str,
        temporal_run_id: str,
        kind: SegmentKind,
        started_at: datetime,
    ) -> None:
        """Note an execution of a run that nobody has recorded."""
        async with self._scope.write() as session:
            row = await lock(session, run_id)
            later = kind is not SegmentKind.START
            await open_segment(
                session, row, temporal_run_id, later=later, kind=kind, source=Source.SERVER
            )
            await _note_start(session, namespace, temporal_run_id, kind, started_at)

    async def note_start(
        self, namespace: str, temporal_run_id: str, kind: SegmentKind, started_at: datetime
    ) -> None:
        """Note why and when an execution began, if the ledger knows it."""
        async with self._scope.write() as session:
            await _note_start(session, namespace, temporal_run_id, kind, started_at)

    async def reopen(self, run_id: UUID, namespace: str, temporal_run_id: str) -> None:
        """Note that an execution that was recorded as ended runs on."""
        async with self._scope.write() as session:
            row = await lock(session, run_id)
            other = await open_run(session, namespace, row["workflow_id"])
            if other not in (None, run_id):
                raise OpenRunExists(row["workflow_id"], run_id=other)
            where = {"namespace": namespace, "temporal_run_id": temporal_run_id}
            await session.execute(_REOPEN, where)
            if RunStatus(row["status"]).terminal:
                told = {"source": "server", "temporal_run_id": temporal_run_id}
                await change(session, row, _OPENED, EventKind.OUTCOME_CORRECTED, told)

    async def correct_outcome(
        self, close: SegmentClose, *, of_run: bool, keep_outputs: bool = False
    ) -> None:
        """Replace what is recorded of how an execution ended, whoever said it."""
        ref = close.run
        where = {"namespace": ref.namespace, "temporal_run_id": ref.temporal_run_id}
        async with self._scope.write() as session:
            row = await lock(session, ref.run_id, tenant_id=ref.tenant_id)
            await session.execute(_WEAKEN, where)
            if of_run and close.status.terminal and RunStatus(row["status"]).terminal:
                await _overwrite(session, row, close, keep_outputs=keep_outputs)


_OPENED = {
    "status": RunStatus.RUNNING.value,
    "source": int(Source.SERVER),
    "finished_at": None,
    "outputs": None,
    "outputs_hash": None,
    "error": None,
    "failure_reason": None,
}


async def _note_start(
    session: Session, namespace: str, temporal_run_id: str, kind: SegmentKind, at: datetime
) -> None:
    values = {
        "namespace": namespace,
        "temporal_run_id": temporal_run_id,
        "kind": kind.value,
        "started_at": at,
    }
    await session.execute(_NOTE_START, values)


async def _overwrite(
    session: Session, row: dict[str, Any], close: SegmentClose, *, keep_outputs: bool
) -> None:
    outcome = Outcome(
        close.status,
        source=close.source,
        closed_at=close.closed_at,
        outputs=None if keep_outputs else close.outputs,
        error=close.error,
        failure_reason=close.failure_reason,
    )
    columns = outcome.columns()
    if keep_outputs:
        columns = {name: columns[name] for name in columns if not name.startswith("outputs")}
    await payloads.keep(session, [(row["tenant_id"], row["id"], outcome.outputs)])
    told = {"source": "server", "failure_reason": close.failure_reason}
    await change(session, row, columns, EventKind.OUTCOME_CORRECTED, told)


def _run(row: RowMapping) -> RunRecord:
    return RunRecord(
        id=row["id"],
        tenant_id=row["tenant_id"],
        status=RunStatus(row["status"]),
        source=Source(row["source"]),
        failure_reason=row["failure_reason"],
        has_error=row["has_error"],
        outputs=row["outputs"],
        has_outputs=row["has_outputs"],
        requested=row["requested"],
    )


async def _segments(session: Session, run_id: UUID, namespace: str) -> tuple[SegmentRecord, ...]:
    found = await session.execute(_SEGMENTS, {"run_id": run_id, "namespace": namespace})
    return tuple(
        SegmentRecord(
            temporal_run_id=row["temporal_run_id"],
            kind=SegmentKind(row["kind"]),
            status=RunStatus(row["status"]),
            failure_reason=row["failure_reason"],
            has_error=row["has_error"],
            expected_tasks=row["expected_tasks"],
            closed_at=row["closed_at"],
            source=Source(row["source"]),
        )
        for row in found.mappings()
    )


async def _attempts(
    session: Session, run_id: UUID, executions: Sequence[str]
) -> tuple[AttemptRecord, ...]:
    found = await session.execute(_ATTEMPTS, {"run_id": run_id, "executions": list(executions)})
    return tuple(
        AttemptRecord(
            row.temporal_run_id,
            row.activity_id,
            row.attempt,
            TaskType(row.type),
            TaskStatus(row.status),
            Source(row.source),
            row.superseded,
            row.waits,
        )
        for row in found.all()
    )
