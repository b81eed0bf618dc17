"""Named commands: each locks the run, checks the move, changes it and tells of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from flowkeep.contracts import (
    ErrorInfo,
    EventKind,
    PauseRequest,
    Run,
    RunStatus,
    Source,
    check_move,
)
from flowkeep.errors import InvalidInput
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import inputs, moves
from flowkeep.statestore.repositories.changes import change, lock
from flowkeep.statestore.repositories.outcome import Outcome, close, fill, settle
from flowkeep.statestore.repositories.rows import FULL, full_run
from flowkeep.statestore.repositories.run_reads import RunReads
from flowkeep.statestore.repositories.segments import open_segment
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import run

_FAILURES = {RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.TIMED_OUT}


class RunCommands(RunReads):
    """Commands of runs; see the Protocol `RunRepository`."""

    async def mark_running(
        self,
        tenant_id: str,
        run_id: UUID,
        *,
        temporal_run_id: str | None = None,
        started_at: datetime | None = None,
        expected_revision: int | None = None,
        actor: str | None = None,
    ) -> Run:
        """Say that Temporal accepted the run; harmless when it has moved on already."""
        async with self._scope.write() as session:
            if temporal_run_id is not None:
                await _open_segment(session, tenant_id, run_id, temporal_run_id)
            row = await _locked(session, tenant_id, run_id, expected_revision)
            if row["status"] == RunStatus.PENDING:
                row = await moves.start(
                    session,
                    row,
                    source=Source.CLIENT,
                    temporal_run_id=temporal_run_id,
                    started_at=inputs.instant(started_at, "started_at"),
                    actor=actor,
                )
            return await full_run(session, {**row, **_newest(temporal_run_id)})

    async def request_cancel(
        self,
        tenant_id: str,
        run_id: UUID,
        *,
        reason: str | None = None,
        expected_revision: int | None = None,
        actor: str | None = None,
    ) -> Run:
        """Note that somebody wants the run cancelled; asking twice changes nothing."""
        async with self._scope.write() as session:
            row = await _locked(session, tenant_id, run_id, expected_revision)
            if not row["cancel_requested"]:
                check_move(f"run {run_id}", RunStatus(row["status"]), RunStatus.CANCELLED)
                told = {"reason": encoding.strict(reason, "reason")}
                row, _ = await change(
                    session,
                    row,
                    {"cancel_requested": True},
                    EventKind.CANCEL_REQUESTED,
                    told,
                    actor=actor,
                )
            return await full_run(session, row)

    async def set_waiting(
        self,
        tenant_id: str,
        run_id: UUID,
        *,
        wait: Mapping[str, Any] | None = None,
        pause: PauseRequest | None = None,
        expected_revision: int | None = None,
        actor: str | None = None,
    ) -> Run:
        """Move a running run to `waiting`; repeating the same wait changes nothing."""
        waiting = encoding.strict(dict(wait), "wait") if wait is not None else None
        async with self._scope.write() as session:
            row = await _locked(session, tenant_id, run_id, expected_revision)
            if not await moves.waits_already(session, row, waiting, pause):
                _check(row, RunStatus.WAITING)
                row = await moves.wait(
                    session, row, source=Source.CLIENT, wait=waiting, pause=pause, actor=actor
                )
            return await full_run(session, row)

    async def resume(
        self,
        tenant_id: str,
        run_id: UUID,
        *,
        patch: Mapping[str, Any] | None = None,
        expected_revision: int | None = None,
        actor: str | None = None,
    ) -> Run:
        """Move a waiting run back to `running`, close its pause and merge the patch."""
        merged = encoding.strict(dict(patch or {}), "patch")
        async with self._scope.write() as session:
            row = await _locked(session, tenant_id, run_id, expected_revision)
            moves.check_resume(row)
            row = await moves.resume(session, row, source=Source.CLIENT, patch=merged, actor=actor)
            return await full_run(session, row)

    async def patch_state(
        self,
        tenant_id: str,
        run_id: UUID,
        patch: Mapping[str, Any],
        *,
        remove: Sequence[str] = (),
        expected_revision: int | None = None,
        actor: str | None = None,
    ) -> Run:
        """Set the keys of `patch`, clear those in `remove`, leave the rest."""
        wanted = encoding.strict(dict(patch), "patch")
        both = sorted(set(wanted) & set(remove))
        if both:
            raise InvalidInput(f"{', '.join(both)} is to be set and removed at once")
        async with self._scope.write() as session:
            row = await _locked(session, tenant_id, run_id, expected_revision)
            _check_open(row)
            old: dict[str, Any] = row["state"]
            new = {k: v for k, v in {**old, **wanted}.items() if k not in remove}
            if new != old:
                told = {
                    "set": sorted(k for k in wanted if k not in old or old[k] != wanted[k]),
                    "removed": sorted(k for k in remove if k in old),
                }
                row, _ = await change(
                    session, row, {"state": new}, EventKind.STATE_PATCHED, told, actor=actor
                )
            return await full_run(session, row)

    async def finish(
        self,
        tenant_id: str,
        run_id: UUID,
        *,
        outputs: Any = None,
        expected_revision: int | None = None,
        actor: str | None = None,
    ) -> Run:
        """End a running run as `succeeded`; repeating it may only fill empty outputs."""
        checked = encoding.strict(outputs, "outputs")
        outcome = Outcome(RunStatus.SUCCEEDED, source=Source.CLIENT, outputs=checked)
        return await self._end(tenant_id, run_id, outcome, expected_revision, actor)

    async def fail(
        self,
        tenant_id: str,
        run_id: UUID,
        *,
        error: ErrorInfo | None = None,
        failure_reason: str | None = None,
        status: RunStatus = RunStatus.FAILED,
        expected_revision: int | None = None,
        actor: str | None = None,
    ) -> Run:
        """End an open run as `failed`, `cancelled` or `timed_out`."""
        if status not in _FAILURES:
            raise InvalidInput(
                f"status {status} is no failure", hint="use failed, cancelled or timed_out"
            )
        outcome = Outcome(status, source=Source.CLIENT, error=error, failure_reason=failure_reason)
        return await self._end(tenant_id, run_id, outcome, expected_revision, actor)

    async def _end(
        self,
        tenant_id: str,
        run_id: UUID,
        outcome: Outcome,
        expected_revision: int | None,
        actor: str | None,
    ) -> Run:
        async with self._scope.write() as session:
            row = await _locked(session, tenant_id, run_id, expected_revision)
            if row["status"] == outcome.status:
                row = await fill(session, row, outcome, actor=actor)
            else:
                _check(row, outcome.status)
                row = await close(session, row, outcome, actor=actor)
            return await full_run(session, row)

    async def record_outcome(
        self,
        tenant_id: str,
        run_id: UUID,
        status: RunStatus,
        *,
        source: Source,
        closed_at: datetime,
        outputs: Any = None,
        error: ErrorInfo | None = None,
        failure_reason: str | None = None,
        actor: str | None = None,
    ) -> Run:
        """Record Temporal's own outcome; see the Protocol."""
        outcome = Outcome(
            status,
            source=source,
            closed_at=inputs.instant(closed_at, "closed_at"),
            outputs=outputs,
            error=error,
            failure_reason=failure_reason,
        )
        async with self._scope.write() as session:
            row = await _locked(session, tenant_id, run_id, None)
            return await full_run(session, await settle(session, row, outcome, actor=actor))


async def _open_segment(
    session: Session, tenant_id: str, run_id: UUID, temporal_run_id: str
) -> None:
    """Record the execution that a client started, before the run is locked.

    The worker's first record of a run comes at the same time and takes its locks in this order:
    segment, then run. The other way round the two would deadlock.
    """
    where = (run.c.id == inputs.run_id(run_id), run.c.tenant_id == inputs.tenant(tenant_id))
    found = await session.execute(select(*FULL).where(*where))
    row = found.mappings().one_or_none()
    if row is not None:  # else locking tells what is wrong
        later = row["temporal_run_id"] not in (None, temporal_run_id)
        await open_segment(session, dict(row), temporal_run_id, later=later, source=Source.CLIENT)


async def _locked(
    session: Session, tenant_id: str, run_id: UUID, expected_revision: int | None
) -> dict[str, Any]:
    return await lock(
        session,
        inputs.run_id(run_id),
        tenant_id=inputs.tenant(tenant_id),
        expected_revision=expected_revision,
    )


def _check(row: Mapping[str, Any], target: RunStatus) -> None:
    check_move(
        f"run {row['id']}",
        RunStatus(row["status"]),
        target,
        cancel_requested=row["cancel_requested"],
    )


def _check_open(row: Mapping[str, Any]) -> None:
    if RunStatus(row["status"]).terminal:
        _check(row, RunStatus.CANCELLED)


def _newest(temporal_run_id: str | None) -> dict[str, str]:
    return {} if temporal_run_id is None else {"temporal_run_id": temporal_run_id}
