"""One execution compared with what the ledger has of it, and the ledger corrected."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError

from flowkeep.contracts import FailureReason, RunKind, RunRef, RunStatus, SegmentClose, Source
from flowkeep.contracts.recorded import ExecutionRecord, RunRecord
from flowkeep.contracts.truth import Difference, DifferenceKind
from flowkeep.errors import Conflict, Forbidden, NotFound
from flowkeep.recording.capture import Payloads, clip
from flowkeep.recording.describing import Unreadable, described, is_unknown, judged
from flowkeep.recording.findings import MISSING, Finding, compare_execution
from flowkeep.recording.history.decoding import Decoder
from flowkeep.recording.history.facts import Facts
from flowkeep.recording.history.reading import read_facts
from flowkeep.recording.outcome import described_status
from flowkeep.recording.repair import Repair
from flowkeep.recording.reset_findings import compare_undone, undone_executions
from flowkeep.recording.task_findings import compare_tasks
from flowkeep.redaction import redact
from flowkeep.statestore.store import Store

logger = logging.getLogger(__name__)

_MOST_BYTES = 500


class Examiner:
    """Compares single executions with the ledger; one serves many callers at a time.

    What is on its way into the ledger at that moment looks like a difference: whoever reports
    differences looks twice.

    Args:
        client: Temporal's client; its namespace is the one that is compared, its converter reads
            payloads.
        store: The ledger.
        payloads: How much is kept of values of workflows that are not flowkeep's.
    """

    def __init__(self, client: Client, store: Store, *, payloads: Payloads = "digest") -> None:
        self._client = client
        self._store = store
        self._payloads: Payloads = payloads

    async def examine(
        self, workflow_id: str, temporal_run_id: str, *, deep: bool, repair: bool
    ) -> list[Difference]:
        """Compare one execution with what the ledger has of it.

        Args:
            workflow_id: Of the execution.
            temporal_run_id: Of the execution.
            deep: Compare attempt by attempt, by its history; else only whether and how it ended,
                by a description.
            repair: Correct the ledger; each difference that was corrected says so.

        Returns:
            Every difference; none when both say the same, when the run was deleted from the ledger
            or lies in the archive, and when the ledger has the end of what Temporal has forgotten.

        Raises:
            TemporalUnavailable: If Temporal does not answer.
            LedgerUnavailable: If the ledger does not answer.
        """
        case = _Case(self._client.namespace, workflow_id, temporal_run_id)
        try:
            description = await described(self._client, workflow_id, temporal_run_id)
        except Unreadable as error:
            return await self._unreadable(case, str(error))
        if description is None:
            return await self._forgotten(case, repair=repair)
        if not deep:
            recorded = await self._store.system.recorded(
                case.namespace, temporal_run_id, attempts=False
            )
            if _agrees(description, recorded):
                return []
        try:
            facts = await self._read(case)
        except ValueError as error:
            return await self._unreadable(case, str(error))
        if facts is None:
            return await self._forgotten(case, repair=repair)
        return await self._compare(case, description, facts, deep=deep, repair=repair)

    async def _compare(
        self,
        case: "_Case",
        description: WorkflowExecutionDescription,
        facts: Facts,
        *,
        deep: bool,
        repair: bool,
    ) -> list[Difference]:
        # The first event of what a reset made is that of the execution it goes back to.
        facts = replace(facts, start=replace(facts.start, started_at=description.start_time))
        ref, start = facts.start.run, facts.start
        if repair:
            await self._store.system.note_start(
                case.namespace, case.temporal_run_id, start.kind, start.started_at
            )
        recorded = await self._store.system.recorded(
            case.namespace,
            case.temporal_run_id,
            run_id=ref.run_id,
            chunk_of=ref.parent_run_id if ref.kind is RunKind.CHUNK else None,
        )
        if recorded.gone:
            return []
        if recorded.run is not None:  # under the run that it was first recorded under
            ref = replace(ref, run_id=recorded.run.id, tenant_id=recorded.run.tenant_id)
            facts = replace(facts, start=replace(facts.start, run=ref))
        case = case.of(ref)
        # Values are kept whole where flowkeep's own classes run: tasks say so in their header, and
        # a request by flowkeep's client, whose arguments the ledger keeps anyway, shows it too.
        whole = facts.flowkeep or (recorded.run is not None and recorded.run.requested)
        decoder = Decoder(self._client.data_converter, "full" if whole else self._payloads)
        if facts.end is not None:
            facts = replace(facts, end=await decoder.end(facts.end))
        findings = await self._findings(description, facts, recorded, deep=deep)
        if not repair or not findings:
            return case.differences(findings, repaired=False)
        try:
            await Repair(self._client, self._store, decoder, facts, recorded).apply(findings)
        except NotFound:  # deleted or archived since
            return []
        except (Conflict, Forbidden) as error:
            logger.warning("execution %s cannot be repaired: %s", case.temporal_run_id, error)
            return case.differences(findings, repaired=False)
        return case.differences(findings, repaired=True)

    async def _findings(
        self,
        description: WorkflowExecutionDescription,
        facts: Facts,
        recorded: ExecutionRecord,
        *,
        deep: bool,
    ) -> list[Finding]:
        run = recorded.run
        missing = run is None or recorded.segment is None
        findings = [
            *compare_execution(facts, recorded),
            *_missing_after(description, facts, recorded),
        ]
        if deep or missing:
            pending = {
                one.activity_id: one.attempt
                for one in description.raw_description.pending_activities
            }
            findings += compare_tasks(facts, recorded.attempts, pending)
        if deep and run is not None:
            undone = undone_executions(facts, recorded)
            if undone:
                attempts = await self._store.system.recorded_attempts(run.id, undone)
                findings += compare_undone(facts, attempts)
            if recorded.newest:
                findings += await self._miscounted(run.id)
        return findings

    async def _miscounted(self, run_id: UUID) -> list[Finding]:
        return [
            Finding(DifferenceKind.COUNT_DIFFERS, ledger=one.words)
            for one in await self._store.system.wrong_counters([run_id])
        ]

    async def _read(self, case: "_Case") -> Facts | None:
        try:
            return await read_facts(self._client, case.workflow_id, case.temporal_run_id)
        except RPCError as error:
            if is_unknown(error):
                return None
            raise judged(error) from error

    async def _forgotten(self, case: "_Case", *, repair: bool) -> list[Difference]:
        """Judge an execution that Temporal no longer knows, and close it as `unknown`."""
        recorded = await self._store.system.recorded(
            case.namespace, case.temporal_run_id, attempts=False
        )
        run, segment = recorded.run, recorded.segment
        if run is None or segment is None or segment.closed_at is not None:
            return []
        ref = RunRef(
            run_id=run.id,
            tenant_id=run.tenant_id,
            namespace=case.namespace,
            workflow_id=case.workflow_id,
            temporal_run_id=case.temporal_run_id,
            workflow_type="",
            task_queue="",
        )
        if repair:
            close = SegmentClose(
                run=ref,
                status=RunStatus.UNKNOWN,
                closed_at=datetime.now(UTC),
                failure_reason=FailureReason.LOST,
                source=Source.SERVER,
            )
            try:
                await self._store.system.close_segment(close)
            except NotFound:  # deleted or archived since
                return []
        found = Finding(DifferenceKind.FORGOTTEN, str(segment.status), "unknown to Temporal")
        return case.of(ref).differences([found], repaired=repair)

    async def _unreadable(self, case: "_Case", why: str) -> list[Difference]:
        recorded = await self._store.system.recorded(
            case.namespace, case.temporal_run_id, attempts=False
        )
        words = clip(redact(why), _MOST_BYTES)
        found = Finding(DifferenceKind.UNREADABLE, temporal=words)
        return case.of(recorded.run).differences([found], repaired=False)


@dataclass(frozen=True, slots=True)
class _Case:
    """The execution that is examined, and whose it is as soon as that is known."""

    namespace: str
    workflow_id: str
    temporal_run_id: str
    tenant_id: str | None = None
    run_id: UUID | None = None

    def of(self, run: RunRef | RunRecord | None) -> "_Case":
        """Return the case with its run named."""
        if run is None:
            return self
        run_id = run.run_id if isinstance(run, RunRef) else run.id
        return replace(self, tenant_id=run.tenant_id, run_id=run_id)

    def differences(self, findings: Iterable[Finding], *, repaired: bool) -> list[Difference]:
        """Return findings as the differences that callers see, a missing run as one."""
        found = list(findings)
        missing = [one for one in found if one.kind in MISSING and one.temporal_run_id is None]
        return [
            Difference(
                kind=one.kind,
                namespace=self.namespace,
                workflow_id=self.workflow_id,
                tenant_id=self.tenant_id,
                run_id=self.run_id,
                temporal_run_id=one.temporal_run_id or self.temporal_run_id,
                activity_id=one.activity_id,
                attempt=one.attempt,
                ledger=one.ledger,
                temporal=one.temporal,
                repaired=repaired,
            )
            for one in missing or found
        ]


def _agrees(description: WorkflowExecutionDescription, recorded: ExecutionRecord) -> bool:
    """Tell whether a description shows nothing but what the ledger says."""
    run, segment = recorded.run, recorded.segment
    if run is None or segment is None:
        return False
    closed = description.status is not WorkflowExecutionStatus.RUNNING
    if closed is not (segment.closed_at is not None):
        return False
    if closed and segment.status is not described_status(description):
        return False
    if not recorded.newest:
        return True
    return run.status is segment.status if segment.status.terminal else not run.status.terminal


def _missing_after(
    description: WorkflowExecutionDescription, facts: Facts, recorded: ExecutionRecord
) -> Iterator[Finding]:
    """Find executions that follow on this one and that the ledger does not know."""
    if recorded.run is None:
        return
    known = {segment.temporal_run_id for segment in recorded.segments}
    reset = description.raw_description.workflow_extended_info.reset_run_id
    after = {facts.end.successor if facts.end else None, reset or None} - {None}
    for one in after - known:
        yield Finding(DifferenceKind.SEGMENT_MISSING, temporal="follows on it", temporal_run_id=one)
