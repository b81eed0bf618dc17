"""Runs and segments that are first heard of by a record of them."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert

from flowkeep.contracts import (
    EventKind,
    FailureReason,
    RunKind,
    RunRef,
    RunStatus,
    SegmentKind,
    Source,
)
from flowkeep.errors import Forbidden, LedgerUnavailable, OpenRunExists
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import firings, inputs, labels, tombstones
from flowkeep.statestore.repositories.changes import append, lock
from flowkeep.statestore.repositories.creation import open_run
from flowkeep.statestore.repositories.outcome import Outcome, close
from flowkeep.statestore.repositories.segments import open_segment, time_of
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import run

logger = logging.getLogger(__name__)

Execution = tuple[str, str]
"""Namespace and Temporal's run id."""
Locked = tuple[UUID, RunStatus, str]
"""Id, status and tenant of a run whose row is locked."""


@dataclass(slots=True)
class Arrived:
    """What became of executions that were not known.

    Attributes:
        late: Their runs were deleted or archived since: records of them come too late.
        later: They follow another execution of their run, and why they began.
        fresh: Their runs were inserted by this transaction, which so holds their locks.
    """

    late: set[Execution] = field(default_factory=set)
    later: dict[Execution, SegmentKind] = field(default_factory=dict)
    fresh: dict[Execution, Locked] = field(default_factory=dict)

    def add(self, other: "Arrived") -> None:
        """Take in what became of more of them."""
        self.late |= other.late
        self.later |= other.later
        self.fresh |= other.fresh


# What is known of some executions. A segment's run is the one it was first recorded under.
_KNOWN = """
SELECT r.n, s.run_id AS segment_run_id, u.id, u.tenant_id, u.namespace, u.revision,
       EXISTS (SELECT FROM {schema}.run_segment AS o WHERE o.run_id = r.run_id) AS has_segments,
       CASE WHEN u.id IS NULL THEN (<gone>) IS NOT NULL ELSE false END AS gone
FROM jsonb_to_recordset(CAST(:refs AS jsonb))
     AS r(n int, namespace text, temporal_run_id text, run_id uuid, chunk_of uuid)
LEFT JOIN LATERAL (
    SELECT g.run_id FROM {schema}.run_segment AS g
    WHERE g.namespace = r.namespace AND g.temporal_run_id = r.temporal_run_id OFFSET 0
) AS s ON true
LEFT JOIN LATERAL (
    SELECT id, tenant_id, namespace, revision FROM {schema}.run
    WHERE id = COALESCE(s.run_id, r.run_id) OFFSET 0
) AS u ON true
""".replace("<gone>", tombstones.OF_RECORD)


async def ensure(
    session: Session, refs: Iterable[RunRef], kinds: Mapping[Execution, SegmentKind] | None = None
) -> Arrived:
    """Make sure that runs and segments of some executions exist, one after the other.

    Rows are inserted in the order of their ids and before any run is locked, so that processes
    that adopt the same runs at the same time wait for each other in one order.

    Args:
        session: A transaction that holds no lock on a run yet.
        refs: The executions; several records of one count once.
        kinds: Why executions began, where it is known.

    Raises:
        Forbidden: If a run of that id belongs to another tenant.
        OpenRunExists: If the workflow_id is held by a run that was requested but never started.
    """
    wanted = sorted(unique(refs), key=lambda ref: (ref.run_id, ref.temporal_run_id))
    arrived = Arrived()
    if not wanted:
        return arrived
    found = await session.execute(_KNOWN, {"refs": as_json(wanted)})
    known = {row["n"]: dict(row) for row in found.mappings()}
    with_segments = {row["id"] for row in known.values() if row["has_segments"]}
    for n, ref in enumerate(wanted):
        row = known[n]
        if row["id"] is not None and row["tenant_id"] != ref.tenant_id:
            raise Forbidden(f"run {row['id']} belongs to another tenant")
        if row["segment_run_id"] is not None:
            continue
        if row["gone"]:
            logger.debug("run %s is gone: a late record of it is dropped", ref.run_id)
            arrived.late.add(execution(ref))
            continue
        if row["id"] is None:
            await _adopt(session, ref)
            row = await _head(session, ref)
        known_later = is_later(ref)
        later = ref.run_id in with_segments if known_later is None else known_later
        kind = (kinds or {}).get(execution(ref))
        new = await open_segment(
            session, row, ref.temporal_run_id, later=later, kind=kind, began_at=ref.began_at
        )
        if new and later:
            arrived.later[execution(ref)] = kind or SegmentKind.CONTINUE
        with_segments.add(ref.run_id)
    return arrived


def execution(ref: RunRef) -> Execution:
    """Return what names an execution."""
    return ref.namespace, ref.temporal_run_id


def unique(refs: Iterable[RunRef]) -> list[RunRef]:
    """Return one reference per Temporal execution."""
    return list({execution(ref): ref for ref in refs}.values())


def is_later(ref: RunRef) -> bool | None:
    """Return whether an execution follows another one of its run; None if it does not say."""
    return None if ref.first_run_id is None else ref.first_run_id != ref.temporal_run_id


def began(ref: RunRef) -> datetime | None:
    """Return when a run began, as far as its ids tell."""
    return time_of(ref.run_id) or time_of(ref.temporal_run_id)


def first_event(ref: RunRef) -> EventKind:
    """Return what an adopted run begins with.

    A child or a firing of our schedule was started by ours: nothing foreign to adopt.
    """
    ours = ref.parent_run_id or ref.triggered_from
    return EventKind.CREATED if ours else EventKind.ADOPTED


def as_json(refs: list[RunRef]) -> str:
    """Return references as the one parameter that statements join with."""
    rows = [
        {
            "n": n,
            "namespace": ref.namespace,
            "temporal_run_id": ref.temporal_run_id,
            "run_id": ref.run_id,
            "chunk_of": ref.parent_run_id if ref.kind is RunKind.CHUNK else None,
        }
        for n, ref in enumerate(refs)
    ]
    return encoding.without_nul(encoding.lenient(rows)).decode()


async def _head(session: Session, ref: RunRef) -> dict[str, Any]:
    found = await session.execute(
        "SELECT id, tenant_id, namespace, revision FROM {schema}.run WHERE id = :id",
        {"id": ref.run_id},
    )
    row = dict(found.mappings().one())
    if row["tenant_id"] != ref.tenant_id:
        raise Forbidden(f"run {ref.run_id} belongs to another tenant")
    return row


async def _adopt(session: Session, ref: RunRef) -> None:
    """Insert a run that came without our client. Somebody else may do so at the same time."""
    status = RunStatus.RUNNING
    for _ in range(3):
        if await _insert(session, ref, status):
            return
        found = await session.execute(
            "SELECT 1 FROM {schema}.run WHERE id = :id", {"id": ref.run_id}
        )
        if found.first() is not None:
            return
        status = await _make_room(session, ref)
    raise LedgerUnavailable(
        f"runs with workflow_id {ref.workflow_id!r} start and end faster than one can be recorded",
        hint="try again",
    )


def run_columns(ref: RunRef) -> dict[str, Any]:
    """Return what a record tells of its run, as PostgreSQL can hold it.

    Raises:
        InvalidInput: If the tenant has no usable name.
    """
    return {
        "tenant_id": inputs.tenant(ref.tenant_id),
        "app_id": _fitting(ref.app_id, inputs.MOST_BYTES),
        "namespace": _fitting(ref.namespace, inputs.TEMPORAL_BYTES),
        "workflow_id": _fitting(ref.workflow_id, inputs.TEMPORAL_BYTES),
        "workflow_type": _fitting(ref.workflow_type, inputs.TEMPORAL_BYTES),
        "task_queue": _fitting(ref.task_queue, inputs.TEMPORAL_BYTES),
        "kind": ref.kind.value,
        "parent_run_id": ref.parent_run_id,
        "root_run_id": ref.root_run_id,
        "triggered_from": _fitting(ref.triggered_from, inputs.MOST_BYTES)
        or ("child" if ref.parent_run_id else "external"),
    }


def _fitting(text: str | None, most_bytes: int) -> str | None:
    """Return a text that an index can hold: Temporal's are short enough, a foreign header's not."""
    if text is None or (text.isascii() and len(text) <= most_bytes and "\x00" not in text):
        return text
    return str(encoding.storable(text)).encode()[:most_bytes].decode(errors="ignore")


async def _insert(session: Session, ref: RunRef, status: RunStatus) -> bool:
    columns = run_columns(ref)
    created: datetime | Any = began(ref) or func.now()
    values: dict[str, Any] = {
        **columns,
        "id": ref.run_id,
        "labels": labels.storable(ref.labels),
        "start_options": {},
        "state": {},
        "status": status.value,
        "failure_reason": FailureReason.LOST.value if status.terminal else None,
        "created_at": created,
        "started_at": created,
        "finished_at": func.now() if status.terminal else None,
        "updated_at": func.now(),
        "source": int(Source.WORKER),
    }
    firing = await firings.find(session, ref)
    if firing is not None:
        values |= firing.columns
    inserted = await session.execute(
        insert(run).values(values).on_conflict_do_nothing().returning(run.c.created_at)
    )
    made = inserted.first()
    if made is None:
        return False
    row = {"id": ref.run_id, "tenant_id": ref.tenant_id, "revision": 0}
    await labels.add(session, {**row, "created_at": made.created_at}, values["labels"])
    if firing is not None:
        await firings.keep(session, ref, firing, made.created_at)
    told = {"source": "worker", "to": status.value, "temporal_run_id": ref.temporal_run_id}
    await append(session, row, first_event(ref), told)
    return True


async def _make_room(session: Session, ref: RunRef) -> RunStatus:
    """Settle who is open when another run holds the workflow_id; returns the new run's status.

    Temporal has at most one open execution per workflow_id, so of two that were started the
    earlier one has ended, though nobody said how: it becomes `unknown`, which any real report of
    its end corrects.
    """
    other_id = await open_run(session, ref.namespace, ref.workflow_id)
    if other_id is None:
        return RunStatus.RUNNING
    other = await lock(session, other_id)
    if other["status"] == RunStatus.PENDING:
        raise OpenRunExists(ref.workflow_id, run_id=other_id)
    mine = time_of(ref.temporal_run_id) or ref.began_at
    others = time_of(other["temporal_run_id"] or "") or other["started_at"]
    if mine is not None and others is not None and mine < others:
        return RunStatus.UNKNOWN
    lost = Outcome(RunStatus.UNKNOWN, source=Source.WORKER, failure_reason=FailureReason.LOST.value)
    await close(session, other, lost, actor=None)
    return RunStatus.RUNNING
