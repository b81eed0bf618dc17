"""What the recorder and the reconciler write: records that name their own tenant."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from flowkeep.contracts import (
    Attempt,
    EventKind,
    PauseRequest,
    Run,
    RunRef,
    RunStarted,
    RunStatus,
    SegmentClose,
    Source,
)
from flowkeep.contracts.named_tasks import TaskNotes
from flowkeep.errors import NotFound
from flowkeep.statestore import encoding
from flowkeep.statestore.keyring import Keyring
from flowkeep.statestore.repositories import closing, late_pins, moves, recording, task_notes
from flowkeep.statestore.repositories.changes import change
from flowkeep.statestore.repositories.delivery_records import DeliveryRecords
from flowkeep.statestore.repositories.flush import Flush, Known, begin, remember
from flowkeep.statestore.repositories.outcome import is_paused, open_pause
from flowkeep.statestore.repositories.pending import PendingRequests
from flowkeep.statestore.repositories.reconciliation import Reconciliation
from flowkeep.statestore.repositories.recorded import RecordedExecutions
from flowkeep.statestore.repositories.rows import full_run
from flowkeep.statestore.repositories.run_marks import RunMarks
from flowkeep.statestore.repositories.schedule_records import ScheduleRecords
from flowkeep.statestore.repositories.steps import StepRecords
from flowkeep.statestore.repositories.system_statistics import SystemStatistics
from flowkeep.statestore.repositories.verification import LedgerChecks
from flowkeep.statestore.session import Scope, Session
from flowkeep.storage import Storage


class System(
    Reconciliation,
    SystemStatistics,
    LedgerChecks,
    PendingRequests,
    RecordedExecutions,
    StepRecords,
    ScheduleRecords,
    DeliveryRecords,
    RunMarks,
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
        self._known: Known = {}

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
        flush = Flush(attempts, closes, starts)
        async with self._scope.write() as session:
            written = await recording.record(session, flush, known=self._known, durable=durable)
        remember(self._known, flush)
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
            await recording.record(session, Flush(closes=[close]))
            return await full_run(session, await _locked(session, close.run))

    async def set_paused(self, run: RunRef, request: PauseRequest) -> Run:
        """Record that the workflow paused or resumed; repeating it changes nothing."""
        async with self._scope.write() as session:
            await begin(session, Flush(seen=[run]))
            row = await _locked(session, run)
            if not RunStatus(row["status"]).terminal:
                row = await (_pause if request.paused else _resume)(session, row, request)
            return await full_run(session, row)

    async def pin_definition(self, run: RunRef, definition_id: UUID) -> int:
        """Let a child run pin the newest version of a definition; returns the version."""
        async with self._scope.write() as session:
            await begin(session, Flush(seen=[run]))
            return await late_pins.pin_running(session, await _locked(session, run), definition_id)

    async def definition_owner(self, definition_id: UUID) -> tuple[str, str | None] | None:
        """Return tenant and owner of a definition, a hidden one too; None without one."""
        async with self._scope.read() as session:
            return await late_pins.owner_of(session, definition_id)

    async def note_tasks(self, run: RunRef, told: TaskNotes) -> None:
        """Record what workflow code tells of tasks that no activity carries out."""
        async with self._scope.write() as session:
            await begin(session, Flush(seen=[run]))
            await task_notes.note(session, await _locked(session, run), run, told)


async def _locked(session: Session, ref: RunRef) -> dict[str, Any]:
    try:
        return await closing.locked(session, ref)
    except NotFound:
        raise NotFound(
            f"run {ref.run_id} was deleted or archived before this was reported"
        ) from None


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
