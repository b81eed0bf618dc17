"""A flush of the recorder begins: its executions are made known, its runs locked and started.

Runs are locked together, in the order of their ids, before anything of them is written; what is
common is one statement for all of them, whatever else goes run by run.
"""

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from flowkeep.contracts import (
    Attempt,
    RunRef,
    RunStarted,
    RunStatus,
    SegmentClose,
    SegmentKind,
    Source,
)
from flowkeep.errors import Forbidden
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import adoption, closing, driven, inputs
from flowkeep.statestore.repositories.adoption import (
    Arrived,
    Execution,
    Locked,
    ensure,
    execution,
)
from flowkeep.statestore.repositories.bulk_adoption import ensure_all
from flowkeep.statestore.repositories.segments import time_of
from flowkeep.statestore.repositories.upsert import LOCK_RUNS, LOCK_RUNS_BEHIND, START_RUNS
from flowkeep.statestore.session import Session

Known = MutableMapping[Execution, None]
"""Executions whose run and segment are known to exist."""
Runs = dict[Execution, Locked]
R = TypeVar("R", Attempt, SegmentClose, RunStarted)

_FIRST = (None, SegmentKind.START)
_MOST_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Flush:
    """What one transaction of the recorder writes; see the Protocol `SystemRepository`.

    Attributes:
        seen: Executions of which nothing else is told than that they began.
    """

    attempts: Sequence[Attempt] = ()
    closes: Sequence[SegmentClose] = ()
    starts: Sequence[RunStarted] = ()
    seen: Sequence[RunRef] = ()

    def refs(self) -> list[RunRef]:
        """Return one reference per execution."""
        groups = (self.attempts, self.starts, self.closes)
        return adoption.unique([*self.seen, *(record.run for group in groups for record in group)])

    def kinds(self) -> dict[Execution, SegmentKind]:
        """Return why executions began that are not their runs' first, where a record says so."""
        told = [(ref, ref.segment_kind) for ref in self.refs()]
        told += [(close.run, close.kind) for close in self.closes]
        return {execution(ref): kind for ref, kind in told if kind not in _FIRST}

    def without(self, late: set[Execution]) -> "Flush":
        """Leave out what is told of some executions."""
        if not late:
            return self

        def kept(records: Sequence[R]) -> list[R]:
            return [record for record in records if execution(record.run) not in late]

        return Flush(
            kept(self.attempts),
            kept(self.closes),
            kept(self.starts),
            [ref for ref in self.seen if execution(ref) not in late],
        )


async def begin(
    session: Session, flush: Flush, known: Known | None = None, *, durable: bool = True
) -> tuple[Flush, Runs]:
    """Make the runs of a flush known, lock them and let them run.

    Args:
        session: A transaction that holds no lock on a run yet.
        flush: What is to be written.
        known: Executions that need not be looked up again; see `remember`.
        durable: False lets the commit return before the log is on disk.

    Returns:
        The flush without what comes too late, and the locked runs by execution.

    Raises:
        Forbidden: If a record names a run of another tenant.
        OpenRunExists: If a run cannot be adopted; see `adoption.ensure`.
    """
    arrived, runs = await _settle(session, flush, known or {}, durable=durable)
    flush = flush.without(arrived.late)
    await _start(session, flush, runs)
    for found, kind in arrived.later.items():
        if found in runs and runs[found][1].terminal:
            ref = next(ref for ref in flush.refs() if execution(ref) == found)
            if await closing.go_on(session, ref, kind):
                set_running(runs, runs[found][0])
    return flush, runs


def remember(known: Known, flush: Flush) -> None:
    """Note the executions of a flush that was committed."""
    for group in (flush.attempts, flush.starts, flush.closes):
        for record in group:
            known[execution(record.run)] = None
    while len(known) > _MOST_KNOWN:
        del known[next(iter(known))]


async def _settle(
    session: Session, flush: Flush, known: Known, *, durable: bool
) -> tuple[Arrived, Runs]:
    """Find or make the runs of all executions, and lock them."""
    refs = flush.refs()
    kinds = flush.kinds()
    unknown = [ref for ref in refs if execution(ref) not in known]
    arrived = await ensure_all(session, unknown, kinds, durable=durable)
    refs = [ref for ref in refs if execution(ref) not in arrived.late]
    runs = await _lock_runs(session, refs, arrived, durable=durable)
    if len(runs) < len(refs):
        # A run that was known is gone: it was deleted since.
        missing = [ref for ref in refs if execution(ref) not in runs]
        arrived.add(await ensure(session, missing, kinds))
        refs = [ref for ref in refs if execution(ref) not in arrived.late]
        runs = await _lock_runs(session, refs, arrived, durable=durable)
    return arrived, runs


async def _lock_runs(
    session: Session, refs: Sequence[RunRef], arrived: Arrived, *, durable: bool
) -> Runs:
    """Lock the runs of some executions; executions without run or segment are left out."""
    runs = {execution(ref): arrived.fresh[execution(ref)] for ref in refs if _fresh(ref, arrived)}
    others = [ref for ref in refs if not _fresh(ref, arrived)]
    if not others:
        return runs
    statement = LOCK_RUNS if durable else LOCK_RUNS_BEHIND
    found = await driven.rows(session, statement, adoption.as_json(others))
    for n, has_segment, run_id, tenant_id, status, *_ in found:
        ref = others[n]
        if tenant_id != ref.tenant_id:
            raise Forbidden(f"run {run_id} belongs to another tenant")
        if has_segment:
            runs[execution(ref)] = (run_id, RunStatus(status), tenant_id)
    return runs


def _fresh(ref: RunRef, arrived: Arrived) -> bool:
    return execution(ref) in arrived.fresh


async def _start(session: Session, flush: Flush, runs: Runs) -> None:
    """Start runs that are pending: any record of them proves that Temporal accepted them."""
    pending = {run[0]: found[1] for found, run in runs.items() if run[1] is RunStatus.PENDING}
    if not pending:
        return
    told = {runs[execution(started.run)][0]: started for started in flush.starts}
    rows = []
    for run_id, temporal_run_id in pending.items():
        by_client = told.get(run_id)
        source = Source.WORKER if by_client is None else Source.CLIENT
        if by_client is not None:
            temporal_run_id = by_client.run.temporal_run_id
        row: dict[str, Any] = {
            "id": run_id,
            # Temporal's own time, in the execution's id: what tells of it may come late.
            "started_at": time_of(temporal_run_id) or (by_client and by_client.started_at),
            "source": int(source),
            "told": {
                "from": RunStatus.PENDING,
                "to": RunStatus.RUNNING,
                "source": source.name.lower(),
                "temporal_run_id": temporal_run_id,
            },
        }
        rows.append(row)
    document = encoding.without_nul(encoding.lenient(rows)).decode()
    await driven.rows(session, START_RUNS, document, inputs.array(pending))
    set_running(runs, *pending)


def set_running(runs: Runs, *run_ids: UUID) -> None:
    """Note that runs are running now."""
    wanted = set(run_ids)
    for found, (run_id, _, tenant_id) in runs.items():
        if run_id in wanted:
            runs[found] = (run_id, RunStatus.RUNNING, tenant_id)
