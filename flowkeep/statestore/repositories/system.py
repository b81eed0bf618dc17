"""What the recorder and the reconciler write: records that name their own tenant."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from flowkeep.contracts import (
    Attempt,
    EventKind,
    PauseRequest,
    Run,
    RunRef,
    RunStarted,
    RunStatus,
    SegmentClose,
    SegmentKind,
    Source,
)
from flowkeep.errors import NotFound
from flowkeep.statestore import encoding
from flowkeep.statestore.keyring import Keyring
from flowkeep.statestore.repositories import adoption, inputs, moves, recording
from flowkeep.statestore.repositories.changes import change, lock
from flowkeep.statestore.repositories.outcome import Outcome, is_paused, open_pause, settle
from flowkeep.statestore.repositories.pending import PendingRequests
from flowkeep.statestore.repositories.reconciliation import Reconciliation
from flowkeep.statestore.repositories.recorded import RecordedExecutions
from flowkeep.statestore.repositories.rows import full_run
from flowkeep.statestore.repositories.system_statistics import SystemStatistics
from flowkeep.statestore.repositories.verification import LedgerChecks
from flowkeep.statestore.session import Scope, Session
from flowkeep.statestore.tables import run_segment
from flowkeep.storage import Storage


class System(
    Reconciliation, SystemStatistics, LedgerChecks, PendingRequests, RecordedExecutions
):
    """Forms without a tenant; see the Protocol `SystemRepository`.

    Args:
        scope: Where sessions come from.
        keyring: Gives the keys of secrets when they are needed.
        archive: Gives the object storage of archived runs when it is needed.
        files: Gives the object storage of runs' files when it is needed.
    """

    def __init__(
        self,
        scope: Scope,
        keyring: Callable[[], Keyring],
        archive: Callable[[], Storage],
        files: Callable[[], Storage],
    ) -> None:
        super().__init__(scope, keyring, archive, files)
        self._known: recording.Known = {}

    async def record(
        self,
        attempts: Sequence[Attempt],
        *,
        closes: Sequence[SegmentClose] = (),
        starts: Sequence[RunStarted] = (),
        durable: bool = True,
    ) -> int:
        """Record a batch in one transaction; returns how many attempt rows were written."""
        if not attempts and not closes and not starts:
            return 0
        async with self._scope.write() as session:
            written = 0
            for started in starts:
                await recording.note_started(session, started)
            if attempts:
                written = await recording.record(
                    session, attempts, known=self._known, durable=durable
                )
            for close in closes:
                await _close(session, close)
        recording.remember(self._known, attempts)
        return written

    async def tenants_with_policies(self) -> Sequence[str]:
        """Return the tenants whose retention policies may remove runs."""
        async with self._scope.read() as session:
            found = await session.execute(
                "SELECT DISTINCT tenant_id FROM {schema}.retention_policy"
                " WHERE days IS NOT NULL AND NOT legal_hold ORDER BY tenant_id"
            )
            return list(found.scalars())

    async def close_segment(self, close: SegmentClose) -> Run:
        """Record how one Temporal execution ended, and the run's outcome unless it goes on."""
        async with self._scope.write() as session:
            return await full_run(session, await _close(session, close))

    async def set_paused(self, run: RunRef, request: PauseRequest) -> Run:
        """Record that the workflow paused or resumed; repeating it changes nothing."""
        async with self._scope.write() as session:
            _in_time(run, await adoption.ensure(session, [run]))
            row = await _locked(session, run)
            if row["status"] == RunStatus.PENDING:
                row = await recording.start(session, row, run)
            if not RunStatus(row["status"]).terminal:
                row = await (_pause if request.paused else _resume)(session, row, request)
            return await full_run(session, row)


async def _close(session: Session, close: SegmentClose) -> dict[str, Any]:
    inputs.instant(close.closed_at, "closed_at")
    kind = close.kind if close.kind is not SegmentKind.START else None
    _in_time(close.run, await adoption.ensure(session, [close.run], kind=kind))
    row = await _locked(session, close.run)
    news = await _close_row(session, row, close)
    goes_on = close.tentative or not close.status.terminal
    if not goes_on and not await _has_successor(session, row, close.run):
        row = await _settle(session, row, close, news=news)
    return row


def _in_time(ref: RunRef, late: set[adoption.Execution]) -> None:
    if late:
        raise NotFound(f"run {ref.run_id} was deleted or archived before this was reported")


async def _locked(session: Session, ref: RunRef) -> dict[str, Any]:
    """Lock the run an execution belongs to."""
    run_id = (
        select(run_segment.c.run_id)
        .where(
            run_segment.c.namespace == ref.namespace,
            run_segment.c.temporal_run_id == ref.temporal_run_id,
        )
        .scalar_subquery()
    )
    return await lock(session, run_id, tenant_id=ref.tenant_id)


async def _close_row(session: Session, row: dict[str, Any], close: SegmentClose) -> bool:
    """Close the segment's row; returns whether this tells anything new of it.

    A stronger source corrects a weaker one; of one source the first report stays.
    """
    error = encoding.storable(close.error.model_dump(mode="json")) if close.error else None
    values = {
        "status": close.status.value,
        "expected_tasks": close.expected_tasks,
        "error": error,
        "failure_reason": close.failure_reason,
        "closed_at": close.closed_at,
        "source": int(close.source),
    }
    if close.kind is not SegmentKind.START:
        values["kind"] = close.kind.value
    statement = insert(run_segment).values(
        namespace=close.run.namespace,
        temporal_run_id=close.run.temporal_run_id,
        run_id=row["id"],
        tenant_id=row["tenant_id"],
        **{"kind": close.kind.value, **values},
    )
    written = await session.execute(
        statement.on_conflict_do_update(
            index_elements=["namespace", "temporal_run_id"],
            set_={
                **values,
                "expected_tasks": _first(close.expected_tasks, run_segment.c.expected_tasks),
                "error": _first(error, run_segment.c.error),
            },
            where=or_(run_segment.c.closed_at.is_(None), run_segment.c.source < int(close.source)),
        ).returning(run_segment.c.seq)
    )
    return written.first() is not None


def _first(value: Any, column: Any) -> Any:
    return column if value is None else value


async def _has_successor(session: Session, row: dict[str, Any], ref: RunRef) -> bool:
    """Return whether a later execution of the run is known: then the run went on."""
    mine = (
        select(run_segment.c.started_at, run_segment.c.seq)
        .where(
            run_segment.c.namespace == ref.namespace,
            run_segment.c.temporal_run_id == ref.temporal_run_id,
        )
        .subquery()
    )
    later = await session.execute(
        select(run_segment.c.seq)
        .join(
            mine,
            tuple_(run_segment.c.started_at, run_segment.c.seq)
            > tuple_(mine.c.started_at, mine.c.seq),
        )
        .where(run_segment.c.run_id == row["id"])
        .limit(1)
    )
    return later.first() is not None


async def _settle(
    session: Session, row: dict[str, Any], close: SegmentClose, *, news: bool
) -> dict[str, Any]:
    """Write the run's outcome; a reset begins the run anew, so its end replaces the old one."""
    ended = RunStatus(row["status"]).terminal
    if close.kind is SegmentKind.RESET and ended and news:
        reopened = {
            "status": RunStatus.RUNNING.value,
            "source": int(close.source),
            "finished_at": None,
            "outputs": None,
            "outputs_hash": None,
            "error": None,
            "failure_reason": None,
        }
        told = {"temporal_run_id": close.run.temporal_run_id}
        row, _ = await change(session, row, reopened, EventKind.RESET, told)
    if row["status"] == RunStatus.PENDING:
        row = await recording.start(session, row, close.run)
    outcome = Outcome(
        close.status,
        source=close.source,
        closed_at=close.closed_at,
        outputs=close.outputs,
        error=close.error,
        failure_reason=close.failure_reason,
    )
    return await settle(session, row, outcome)


async def _pause(session: Session, row: dict[str, Any], request: PauseRequest) -> dict[str, Any]:
    if await is_paused(session, row["id"]):
        return row
    if row["status"] == RunStatus.RUNNING:
        return await moves.wait(session, row, source=Source.WORKFLOW, pause=request)
    # It waits already, for something else: the pause is noted beside it.
    reason = encoding.storable(request.reason)
    await open_pause(session, row, reason=reason, actor=request.actor)
    told = {"source": "workflow", "paused": True, "reason": reason}
    values = {"pause_reason": reason}
    stored, _ = await change(session, row, values, EventKind.WAITING, told, actor=request.actor)
    return stored


async def _resume(session: Session, row: dict[str, Any], request: PauseRequest) -> dict[str, Any]:
    if row["status"] != RunStatus.WAITING or not await is_paused(session, row["id"]):
        return row
    patch = encoding.storable(request.patch)
    return await moves.resume(
        session, row, source=Source.WORKFLOW, patch=patch, actor=request.actor
    )
