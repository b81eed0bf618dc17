"""A batch of attempts, written in two statements: lock the runs, upsert the rows; see `upsert`."""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any
from uuid import UUID

from flowkeep.contracts import Attempt, RunRef, RunStarted, RunStatus, Source, TaskStatus
from flowkeep.errors import Forbidden, InvalidInput
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import adoption, moves, payloads
from flowkeep.statestore.repositories.adoption import execution
from flowkeep.statestore.repositories.outcome import RUN_CLOSED
from flowkeep.statestore.repositories.upsert import LOCK_RUNS, LOCK_RUNS_BEHIND, UPSERT
from flowkeep.statestore.session import Session

Key = tuple[str, str, str, int]
Known = MutableMapping[tuple[str, str], None]
"""Executions whose run and segment are known to exist."""
Locked = tuple[UUID, RunStatus, str]
"""Id, status and tenant of a run whose row is locked."""

_RANK = {TaskStatus.PENDING: 0, TaskStatus.RUNNING: 1, TaskStatus.WAITING: 2}
_MOST_KNOWN = 10_000


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
    late = await adoption.ensure(session, [ref for ref in refs if execution(ref) not in known])
    refs = [ref for ref in refs if execution(ref) not in late]
    runs = await _lock_runs(session, refs, durable=durable)
    if len(runs) < len(refs):
        # A run that was known is gone: it was deleted since.
        late |= await adoption.ensure(session, [ref for ref in refs if execution(ref) not in runs])
        refs = [ref for ref in refs if execution(ref) not in late]
        runs = await _lock_runs(session, refs, durable=durable)
    if late:
        batch = [attempt for attempt in batch if execution(attempt.run) not in late]
    return await write(session, batch, runs) if batch else 0


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


async def _lock_runs(
    session: Session, refs: Sequence[RunRef], *, durable: bool
) -> dict[tuple[str, str], Locked]:
    """Lock the runs of some executions; start those that are pending.

    Returns:
        The runs by execution; executions without run or segment are left out.
    """
    ordered = list(refs)
    statement = LOCK_RUNS if durable else LOCK_RUNS_BEHIND
    found = await session.execute(statement, {"refs": adoption.as_json(ordered)})
    runs: dict[tuple[str, str], Locked] = {}
    started: set[UUID] = set()
    for row in found.all():
        ref, status = ordered[row.n], RunStatus(row.status)
        if row.tenant_id != ref.tenant_id:
            raise Forbidden(f"run {row.id} belongs to another tenant")
        if not row.has_segment:
            continue
        if status is RunStatus.PENDING:
            # Another execution of the same run may have started it a row ago.
            if row.id not in started:
                await start(session, {"id": row.id, "status": status.value}, ref)
            started.add(row.id)
            status = RunStatus.RUNNING
        runs[execution(ref)] = (row.id, status, row.tenant_id)
    return runs


async def start(session: Session, row: Mapping[str, Any], ref: RunRef) -> dict[str, Any]:
    """Start a locked run that is pending: this record proves that Temporal accepted it."""
    return await moves.start(
        session, row, source=Source.WORKER, temporal_run_id=ref.temporal_run_id
    )


async def note_started(session: Session, started: RunStarted) -> None:
    """Start a requested run that Temporal accepted, unless a record has said so already."""
    await adoption.ensure(session, [started.run])
    await _lock_runs(session, [started.run], durable=True)


async def write(
    session: Session,
    batch: Sequence[Attempt],
    runs: Mapping[tuple[str, str], Locked],
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
    touched = [run_id for run_id, _, _ in runs.values()]
    document = encoding.without_nul(b"[" + b",".join(rows) + b"]")
    written = await session.execute(UPSERT, {"rows": document.decode(), "runs": touched})
    return int(written.scalar_one())


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
