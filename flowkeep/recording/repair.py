"""The ledger corrected by what a comparison found; repeating it changes nothing."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from temporalio.client import Client

from flowkeep.contracts import (
    Attempt,
    RunStarted,
    RunStatus,
    SegmentClose,
    SegmentKind,
    Source,
    TaskStatus,
)
from flowkeep.contracts.recorded import AttemptRecord, ExecutionRecord
from flowkeep.contracts.truth import DifferenceKind
from flowkeep.recording.findings import MISSING, Finding, Rebuild, is_unread
from flowkeep.recording.history.decoding import Decoder
from flowkeep.recording.history.facts import End, Facts
from flowkeep.recording.history.reading import events
from flowkeep.recording.history.rebuilding import Rebuilder
from flowkeep.statestore.store import Store

_BATCH = 200
"""Attempts written in one transaction."""
_OF_END = frozenset(
    {
        DifferenceKind.NOT_ENDED,
        DifferenceKind.STATUS_DIFFERS,
        DifferenceKind.OUTCOME_DIFFERS,
    }
)
_OF_ROWS = frozenset(
    {
        DifferenceKind.ATTEMPT_MISSING,
        DifferenceKind.ATTEMPT_DIFFERS,
        DifferenceKind.ATTEMPT_NOT_ENDED,
        DifferenceKind.ATTEMPT_INVENTED,
        DifferenceKind.NOT_SUPERSEDED,
        DifferenceKind.COUNT_DIFFERS,
    }
)
"""Differences whose correction no other event of the run tells."""


class Repair:
    """Corrects what the ledger has of one execution.

    Args:
        client: Of the namespace; history is read once more where attempts are rebuilt.
        store: The ledger.
        decoder: Reads payloads and failures.
        facts: What history says.
        recorded: What the ledger says.
    """

    def __init__(
        self,
        client: Client,
        store: Store,
        decoder: Decoder,
        facts: Facts,
        recorded: ExecutionRecord,
    ) -> None:
        self._client = client
        self._store = store
        self._system = store.system
        self._decoder = decoder
        self._facts = facts
        self._recorded = recorded
        self._ref = facts.start.run

    async def apply(self, findings: Sequence[Finding]) -> None:
        """Correct everything that was found.

        Each step is a transaction of its own; stopped between two, the next comparison finds the
        rest.

        Raises:
            NotFound: If the run was deleted or archived since.
            Conflict: If another run of the workflow_id is in the way.
            LedgerUnavailable: If the ledger does not answer.
        """
        kinds = {one.kind for one in findings}
        for one in findings:
            if one.kind in MISSING:
                await self._adopt(one.temporal_run_id or self._ref.temporal_run_id)
        await self._rebuild(findings)
        if DifferenceKind.ENDED_TOO_EARLY in kinds or self._found_open():
            await self._system.reopen(
                self._ref.run_id, self._ref.namespace, self._ref.temporal_run_id
            )
        if self._facts.end is not None and (kinds & _OF_END or self._recorded.segment is None):
            await self._close(self._facts.end, corrects=bool(kinds & _OF_END))
        await self._mark(findings)
        if DifferenceKind.COUNT_DIFFERS in kinds:
            await self._system.recount(self._ref.run_id)
        told = Counter(one.kind for one in findings if one.kind in _OF_ROWS)
        if told and DifferenceKind.RUN_MISSING not in kinds:
            await self._system.note_repairs(
                self._ref.run_id, told, temporal_run_id=self._ref.temporal_run_id
            )

    async def _adopt(self, temporal_run_id: str) -> None:
        """Make an execution known: this one, or one that follows on it."""
        start, end, run = self._facts.start, self._facts.end, self._recorded.run
        own = temporal_run_id == self._ref.temporal_run_id
        kind = start.kind if own else SegmentKind.CONTINUE
        began = start.started_at if own or end is None else end.closed_at
        if run is not None:
            await self._system.adopt_segment(
                run.id, self._ref.namespace, temporal_run_id, kind, began
            )
        ref = replace(self._ref, temporal_run_id=temporal_run_id)
        await self._system.record([], starts=[RunStarted(run=ref, started_at=began)])
        if run is None:
            await self._system.note_start(ref.namespace, temporal_run_id, kind, began)

    def _found_open(self) -> bool:
        """Tell whether an open execution was unknown, so that its run seemed to have ended."""
        run, known = self._recorded.run, self._recorded.segment is not None
        return self._facts.end is None and not known and run is not None and run.status.terminal

    async def _rebuild(self, findings: Sequence[Finding]) -> None:
        wanted: dict[str, dict[int, Rebuild]] = defaultdict(dict)
        for one in findings:
            if one.rebuild is not None:
                assert one.activity_id is not None
                assert one.attempt is not None
                wanted[one.activity_id][one.attempt] = one.rebuild
        if not wanted:
            return
        rebuilder = Rebuilder(self._facts, wanted, self._decoder)
        batch: list[Attempt] = []
        async for event in events(self._client, self._ref.workflow_id, self._ref.temporal_run_id):
            batch += await rebuilder.read(event)
            if len(batch) >= _BATCH:
                await self._system.record(batch)
                batch = []
        batch += await rebuilder.rest()
        for begin in range(0, len(batch), _BATCH):
            await self._system.record(batch[begin : begin + _BATCH])

    async def _close(self, end: End, *, corrects: bool) -> None:
        segment, start = self._recorded.segment, self._facts.start
        known = segment.expected_tasks if segment is not None else None
        close = SegmentClose(
            run=self._ref,
            status=end.status,
            closed_at=end.closed_at,
            kind=start.kind,
            outputs=end.outputs,
            error=end.error,
            failure_reason=end.failure_reason,
            expected_tasks=self._expected(end) if known is None else known,
            tentative=end.successor is not None,
            source=Source.SERVER,
            started_at=start.started_at,
        )
        async with self._store.transaction() as tx:
            if corrects:
                await tx.system.correct_outcome(
                    close,
                    of_run=self._recorded.newest and end.successor is None,
                    keep_outputs=is_unread(end.outputs),
                )
            await tx.system.close_segment(close)

    def _expected(self, end: End) -> int | None:
        """Return how many tasks the chain scheduled, if all succeeded; none after a reset."""
        start = self._facts.start
        if any(task.status is not TaskStatus.SUCCEEDED for task in self._facts.tasks.values()):
            return None
        if start.kind is SegmentKind.RESET or end.status is RunStatus.RUNNING:
            return None
        before = start.counted_before
        if before is None:
            before = 0 if start.kind is SegmentKind.START else None
        return None if before is None else before + len(self._facts.tasks)

    async def _mark(self, findings: Sequence[Finding]) -> None:
        marks: dict[str, list[AttemptRecord]] = defaultdict(list)
        for one in findings:
            if one.record is None or one.rebuild is not None:
                continue
            if one.kind is DifferenceKind.ATTEMPT_NOT_ENDED:
                marks["waits"].append(one.record)
            elif one.kind in (DifferenceKind.ATTEMPT_INVENTED, DifferenceKind.NOT_SUPERSEDED):
                marks["kept" if one.record.superseded else "undone"].append(one.record)
        run_id = self._ref.run_id
        await self._system.expect_no_retry(run_id, marks["waits"])
        await self._system.mark_superseded(run_id, marks["undone"], superseded=True)
        await self._system.mark_superseded(run_id, marks["kept"], superseded=False)
