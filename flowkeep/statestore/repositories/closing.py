"""How executions end, and their runs with them: the careful way, one run at a time.

A run's status is that of its newest execution. What workflow code reports of an end may be refused
by the server; the code then runs again, goes on and reports again, so of its reports the last one
holds. What the server says beats both.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, tuple_, update

from flowkeep.contracts import (
    Attempt,
    EventKind,
    RunRef,
    RunStatus,
    SegmentClose,
    SegmentKind,
    Source,
    TaskType,
)
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import moves
from flowkeep.statestore.repositories.bulk_closing import REFUTED
from flowkeep.statestore.repositories.changes import lock
from flowkeep.statestore.repositories.outcome import Outcome, settle
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import run_segment

logger = logging.getLogger(__name__)

_LAG = timedelta(seconds=5)
"""How long after an end it is compared with Temporal: until then the rest of it is recorded."""
_NOTHING: Mapping[str, Any] = {"expected_tasks": None, "error": None}
_REFUTED = (
    REFUTED.replace("<run_id>", ":run_id")
    .replace("<closed_at>", ":closed_at")
    .replace("<temporal_run_id>", ":temporal_run_id")
)


async def locked(session: Session, ref: RunRef) -> dict[str, Any]:
    """Lock the run an execution belongs to.

    Raises:
        NotFound: If there is none.
        Forbidden: If it belongs to another tenant.
    """
    run_id = select(run_segment.c.run_id).where(*_is(ref)).scalar_subquery()
    return await lock(session, run_id, tenant_id=ref.tenant_id)


async def close_one(session: Session, row: dict[str, Any], close: SegmentClose) -> dict[str, Any]:
    """Write how an execution of a locked run ended; returns the run as it stands now."""
    segment = await _segment(session, close.run)
    if row["status"] == RunStatus.PENDING:
        row = await moves.start(
            session, row, source=Source.WORKER, temporal_run_id=close.run.temporal_run_id
        )
    if close.source is Source.WORKFLOW and await _is_refuted(session, row, close):
        logger.debug("an end of run %s that the server refused is dropped", row["id"])
        return row
    news = _is_news(segment, close)
    await _write(session, segment, close, news=news)
    if await _has_successor(session, row, segment):
        return row
    again = news and segment["closed_at"] is not None and segment["source"] == int(close.source)
    if close.tentative or not close.status.terminal:
        if again and _ended(row) and row["source"] <= int(close.source):
            row = await _go_on(session, row, close.run, source=close.source)
        return row
    if not news and not _adds(segment, close, ended=_ended(row)):
        return row
    if news and segment["closed_at"] is None:
        row = await _begin_anew(session, row, close)
    outcome = Outcome(
        close.status,
        source=close.source,
        closed_at=close.closed_at,
        outputs=close.outputs,
        error=close.error,
        failure_reason=close.failure_reason,
    )
    return await settle(session, row, outcome, again=again)


async def go_on(session: Session, ref: RunRef, kind: SegmentKind) -> bool:
    """Reopen an ended run whose new execution was just heard of, unless a newer one is known.

    Args:
        session: The transaction that holds the run's lock.
        ref: The new execution.
        kind: Why it began.

    Returns:
        Whether the run is open now.
    """
    row = await locked(session, ref)
    segment = await _segment(session, ref)
    if not _ended(row) or await _has_successor(session, row, segment):
        return not _ended(row)
    event = EventKind.RESET if kind is SegmentKind.RESET else EventKind.OUTCOME_CORRECTED
    row = await moves.reopen(
        session, row, event, source=Source.WORKER, temporal_run_id=ref.temporal_run_id
    )
    return not _ended(row)


def begins_later(attempt: Attempt) -> bool:
    """Return whether an attempt may show that its execution goes on after a reported end."""
    return (
        attempt.attempt == 1
        and attempt.source is Source.WORKER
        and attempt.type is TaskType.ACTIVITY
        and attempt.scheduled_at is not None
        and attempt.started_at is not None
    )


async def go_on_after(session: Session, attempts: Sequence[Attempt]) -> bool:
    """Reopen a run whose workflow reported an end that the server refused, if attempts show it.

    Args:
        session: The transaction that holds the run's lock.
        attempts: Of one execution, whose run has ended; see `begins_later`.

    Returns:
        Whether the run is open now.
    """
    latest = max(a.scheduled_at for a in attempts if a.scheduled_at is not None)
    ref = attempts[0].run
    row = await locked(session, ref)
    segment = await _segment(session, ref)
    if (
        segment["source"] != int(Source.WORKFLOW)
        or segment["closed_at"] is None
        or segment["closed_at"] >= latest
        or row["source"] > int(Source.WORKFLOW)
        or await _has_successor(session, row, segment)
    ):
        return False
    row = await _go_on(session, row, ref, source=Source.WORKER)
    if _ended(row):
        return False
    await _reopen_segment(session, ref)
    return True


async def _go_on(
    session: Session, row: dict[str, Any], ref: RunRef, *, source: Source
) -> dict[str, Any]:
    return await moves.reopen(
        session,
        row,
        EventKind.OUTCOME_CORRECTED,
        source=source,
        temporal_run_id=ref.temporal_run_id,
    )


async def _begin_anew(session: Session, row: dict[str, Any], close: SegmentClose) -> dict[str, Any]:
    """Reopen a run that an earlier execution ended: this one's end replaces the old one."""
    if not _ended(row):
        return row
    if close.kind is not SegmentKind.RESET and (
        row["source"] < int(close.source) or not await _has_predecessor(session, row, close.run)
    ):
        return row
    event = EventKind.RESET if close.kind is SegmentKind.RESET else EventKind.OUTCOME_CORRECTED
    return await moves.reopen(
        session, row, event, source=close.source, temporal_run_id=close.run.temporal_run_id
    )


def _ended(row: Mapping[str, Any]) -> bool:
    return RunStatus(row["status"]).terminal


def _is(ref: RunRef) -> tuple[Any, Any]:
    return (
        run_segment.c.namespace == ref.namespace,
        run_segment.c.temporal_run_id == ref.temporal_run_id,
    )


async def _segment(session: Session, ref: RunRef) -> dict[str, Any]:
    found = await session.execute(select(*run_segment.c).where(*_is(ref)))
    return dict(found.mappings().one())


def _is_news(segment: Mapping[str, Any], close: SegmentClose) -> bool:
    """Return whether a report replaces what is known of an execution's end."""
    known: datetime | None = segment["closed_at"]
    if known is None or segment["source"] < int(close.source):
        return True
    repeated = segment["source"] == int(close.source) == int(Source.WORKFLOW)
    return repeated and known < close.closed_at


def _adds(segment: Mapping[str, Any], close: SegmentClose, *, ended: bool) -> bool:
    """Return whether a report that replaces nothing may tell something of the run's end."""
    if segment["status"] != close.status:
        return False
    if segment["source"] == int(close.source):
        return not ended and segment["closed_at"] <= close.closed_at
    return True


async def _write(
    session: Session, segment: Mapping[str, Any], close: SegmentClose, *, news: bool
) -> None:
    """Close an execution's row, or add what a stronger report did not know."""
    values: dict[str, Any] = {}
    weaker, same = int(close.source) < segment["source"], segment["status"] == close.status
    if weaker and same and segment["expected_tasks"] is None and close.expected_tasks is not None:
        values["expected_tasks"] = close.expected_tasks
    if news:
        error = encoding.storable(close.error.model_dump(mode="json")) if close.error else None
        # Of one end, a stronger source may know less.
        kept = segment if same and segment["source"] < int(close.source) else _NOTHING
        values |= {
            "status": close.status.value,
            "expected_tasks": _first(close.expected_tasks, kept["expected_tasks"]),
            "error": _first(error, kept["error"]),
            "failure_reason": close.failure_reason,
            "closed_at": close.closed_at,
            "source": int(close.source),
        }
        if close.kind is not SegmentKind.START:
            values["kind"] = close.kind.value
    if values:
        values |= _look(close.source)
        await session.execute(update(run_segment).where(*_is(close.run)).values(values))


def _look(source: Source) -> dict[str, Any]:
    """Say when an end is compared: what the server's word does not settle, ever later."""
    if source is not Source.SERVER:
        return {"reconcile_at": func.now() + _LAG, "reconcile_tries": 0}
    tries = func.least(run_segment.c.reconcile_tries, 9)
    return {"reconcile_at": func.now() + _LAG * func.power(2, tries), "reconcile_tries": tries + 1}


def _first(value: Any, other: Any) -> Any:
    return other if value is None else value


async def _reopen_segment(session: Session, ref: RunRef) -> None:
    values = {
        "status": RunStatus.RUNNING.value,
        "expected_tasks": None,
        "error": None,
        "failure_reason": None,
        "closed_at": None,
        "source": int(Source.WORKER),
        "reconcile_at": func.now() + _LAG,
        "reconcile_tries": 0,
    }
    await session.execute(update(run_segment).where(*_is(ref)).values(values))


async def _is_refuted(session: Session, row: Mapping[str, Any], close: SegmentClose) -> bool:
    bound = {
        "run_id": row["id"],
        "closed_at": close.closed_at,
        "temporal_run_id": close.run.temporal_run_id,
    }
    return (await session.execute(_REFUTED, bound)).first() is not None


async def _has_successor(
    session: Session, row: Mapping[str, Any], segment: Mapping[str, Any]
) -> bool:
    """Return whether a later execution of the run is known: then the run went on."""
    place = tuple_(run_segment.c.started_at, run_segment.c.seq)
    later = await session.execute(
        select(run_segment.c.seq)
        .where(run_segment.c.run_id == row["id"])
        .where(place > tuple_(segment["started_at"], segment["seq"]))
        .limit(1)
    )
    return later.first() is not None


async def _has_predecessor(session: Session, row: Mapping[str, Any], ref: RunRef) -> bool:
    """Return whether another execution of the run is known beside its newest."""
    others = await session.execute(
        select(run_segment.c.seq)
        .where(run_segment.c.run_id == row["id"])
        .where(run_segment.c.temporal_run_id != ref.temporal_run_id)
        .limit(1)
    )
    return others.first() is not None
