"""What a flush writes of runs that are locked: attempts, then ends; see `flush` and `upsert`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from flowkeep.contracts import Attempt, RunStatus, SegmentClose, Source, TaskStatus
from flowkeep.errors import Forbidden, InvalidInput
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import adoption, closing, driven, inputs, payloads
from flowkeep.statestore.repositories.adoption import Execution, Locked, execution
from flowkeep.statestore.repositories.bulk_closing import close_all
from flowkeep.statestore.repositories.flush import Flush, Known, Runs, begin, set_running
from flowkeep.statestore.repositories.outcome import RUN_CLOSED
from flowkeep.statestore.repositories.proof import UNPROVE
from flowkeep.statestore.repositories.upsert import UPSERT
from flowkeep.statestore.session import Session

Key = tuple[str, str, str, int]

_RANK = {TaskStatus.PENDING: 0, TaskStatus.RUNNING: 1, TaskStatus.WAITING: 2}


async def record(
    session: Session, flush: Flush, *, known: Known | None = None, durable: bool = True
) -> int:
    """Write a flush; returns how many rows of attempts were written.

    Args:
        session: A transaction that holds no lock on a run yet.
        flush: In any order, of any tenant, with repeats.
        known: Executions that need not be looked up again; see `flush.remember`.
        durable: False lets the commit return before the log is on disk.

    Raises:
        Forbidden: If a record names a run of another tenant.
        OpenRunExists: If a run cannot be adopted; see `adoption.ensure`.
        InvalidInput: If a record cannot be stored.
    """
    for close in flush.closes:
        inputs.instant(close.closed_at, "closed_at")
    for started in flush.starts:
        inputs.instant(started.started_at, "started_at")
    flush = replace(flush, attempts=strongest(flush.attempts))
    flush, runs = await begin(session, flush, known, durable=durable)
    await _go_on_where_shown(session, flush.attempts, runs)
    written = await write(session, flush.attempts, runs) if flush.attempts else 0
    late = [one.run for one in flush.attempts if runs[execution(one.run)][1].terminal]
    if late:
        await driven.rows(session, UNPROVE, adoption.as_json(adoption.unique(late)))
    await _close(session, flush.closes, runs)
    return written


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


async def _go_on_where_shown(session: Session, attempts: Sequence[Attempt], runs: Runs) -> None:
    """Reopen runs whose reported end was refused by the server, as attempts after it show."""
    suspects: dict[Execution, list[Attempt]] = {}
    for attempt in attempts:
        found = execution(attempt.run)
        if runs[found][1].terminal and closing.begins_later(attempt):
            suspects.setdefault(found, []).append(attempt)
    for found, shown in suspects.items():
        if await closing.go_on_after(session, shown):
            set_running(runs, runs[found][0])


async def _close(session: Session, closes: Sequence[SegmentClose], runs: Runs) -> None:
    """Close executions: those of runs with one close each together, the others one by one."""
    count = Counter(runs[execution(close.run)][0] for close in closes)
    common: list[SegmentClose] = []
    careful: list[SegmentClose] = []
    for close in closes:
        run_id, status, _ = runs[execution(close.run)]
        alone = count[run_id] == 1 and status is RunStatus.RUNNING
        (common if alone else careful).append(close)
    if common:
        careful += await close_all(session, common)
    for close in sorted(careful, key=lambda close: runs[execution(close.run)][0]):
        await closing.close_one(session, await closing.locked(session, close.run), close)


async def write(
    session: Session,
    batch: Sequence[Attempt],
    runs: Mapping[Execution, Locked],
) -> int:
    """Write attempts of locked runs; returns how many rows were written.

    Args:
        session: The transaction that holds the locks.
        batch: One record per attempt.
        runs: The runs by execution (namespace and Temporal's run id).
    """
    rows: list[bytes] = []
    big: list[tuple[str, UUID, payloads.Packed | None]] = []
    for attempt in batch:
        run_id, status, tenant_id = runs[execution(attempt.run)]
        if attempt.run.tenant_id != tenant_id:
            raise Forbidden(f"run {run_id} belongs to another tenant")
        values = {name: payloads.pack(getattr(attempt, name)) for name in ("input", "output")}
        big += [
            (tenant_id, run_id, value)
            for value in values.values()
            if value is not None and value.hash is not None
        ]
        rows.append(_row(attempt, run_id, values, closed=status.terminal))
    await payloads.keep(session, big)
    touched = inputs.array({run_id for run_id, _, _ in runs.values()})
    document = encoding.without_nul(b"[" + b",".join(rows) + b"]").decode()
    ((written,),) = await driven.rows(session, UPSERT, document, touched)
    return int(written)


def _row(
    attempt: Attempt, run_id: UUID, values: dict[str, payloads.Packed | None], *, closed: bool
) -> bytes:
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
    if closed:
        row["next_retry_at"] = None
        if not attempt.status.terminal:
            row |= _CLOSED | {"finished_at": attempt.recorded_at}
    inline = b""
    for name, packed in values.items():
        if packed is not None and packed.hash is not None:
            row[f"{name}_hash"] = "\\x" + packed.hash.hex()
        elif packed is not None:
            inline += b',"%s":%s' % (name.encode(), packed.data)
    return encoding.lenient(row)[:-1] + inline + b"}"


# An attempt that is reported as open after its run ended: nothing open may stay in a closed run.
_CLOSED = {
    "status": TaskStatus.CANCELLED,
    "source": int(Source.CLIENT),
    "error": RUN_CLOSED.model_dump(mode="json"),
}
