"""How a caller changes an attempt; the run's lock makes its counters exact."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import exists, select, update

from flowkeep.contracts import Source, Task, TaskStatus, check_task_move
from flowkeep.errors import Conflict, InvalidInput
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import inputs, payloads
from flowkeep.statestore.repositories.changes import lock
from flowkeep.statestore.repositories.outcome import RUN_CLOSED
from flowkeep.statestore.repositories.rows import TASK, tasks
from flowkeep.statestore.repositories.task_insertion import FIXED, ONCE
from flowkeep.statestore.repositories.task_reads import find, missing
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import run, task

_OF_THE_LEDGER = ("created_at", "scheduled_at", "source", "superseded")
_TIMES = ("started_at", "finished_at", "next_retry_at", "deadline_at")
_FAILURES = (TaskStatus.FAILED, TaskStatus.TIMED_OUT)
"""After which another attempt may follow; what a run counts as exceptions."""


async def change(session: Session, tenant_id: str, wanted: Task) -> Task:
    """Bring an attempt to the content of a record that was read and changed; see the Protocol."""
    output = encoding.strict(wanted.output, "output")
    await lock(session, wanted.run_id, tenant_id=tenant_id)
    row = await find(session, tenant_id, wanted.ref)
    if row is None:
        raise missing(wanted.ref)
    stored = (await tasks(session, tenant_id, [row]))[0]
    values = _differences(stored, wanted, output)
    if not values:
        return stored
    if stored.updated_at != wanted.updated_at:
        raise Conflict(
            f"{wanted.ref} changed since it was read; nothing was changed",
            hint="re-read it and apply your change again",
            code="STALE_TASK",
        )
    if values.keys() - _fillable(stored, wanted):
        _check(stored, wanted)
        values = _moved(stored, wanted, values)
    if "output" in values:
        packed = payloads.pack(values.pop("output"))
        await payloads.keep(session, [(tenant_id, stored.run_id, packed)])
        values |= payloads.columns("output", packed)
    changed = await session.execute(
        update(task).where(*_is(stored)).values(values).returning(*TASK)
    )
    after = (await tasks(session, tenant_id, [dict(changed.mappings().one())]))[0]
    await _count(session, stored, after)
    return after


def _differences(stored: Task, wanted: Task, output: Any) -> dict[str, Any]:
    """Return the columns to set, by what differs.

    Raises:
        InvalidInput: If something differs that never changes, or cannot be stored.
    """
    fixed = [n for n in (*FIXED, *_OF_THE_LEDGER) if getattr(stored, n) != getattr(wanted, n)]
    fixed += [n for n in ONCE if getattr(stored, n) not in (None, getattr(wanted, n))]
    if not encoding.same(stored.input, wanted.input):
        fixed.append("input")
    if fixed:
        raise InvalidInput(f"{wanted.ref}: {', '.join(fixed)} never change")
    values: dict[str, Any] = {
        name: getattr(wanted, name)
        for name in ("status", "worker", "error", *ONCE, *_TIMES)
        if getattr(stored, name) != getattr(wanted, name)
    }
    for name in ("external_id", "worker"):
        if values.get(name) is not None:
            inputs.name(values[name], name)
    for name in _TIMES:
        inputs.instant(values.get(name), name)
    # When it began and ended is filled in by the move that needs it, and not taken back.
    for name in ("started_at", "finished_at"):
        if name in values and values[name] is None:
            del values[name]
    if "status" in values:
        values["status"] = wanted.status.value
    if "error" in values and wanted.error is not None:
        values["error"] = encoding.strict(wanted.error, "error")
    if not encoding.same(stored.output, output):
        values["output"] = output
    return values


def _fillable(stored: Task, wanted: Task) -> set[str]:
    """Return what may be added to an attempt that moves no more, or that others report."""
    names = {*ONCE}
    if stored.status.terminal:
        names |= {"output"} if stored.output is None else set()
        names |= {"error"} if stored.error is None and stored.status in _FAILURES else set()
        # Giving up a retry; who ran the attempt knows best whether another follows.
        if stored.source is Source.CLIENT and wanted.next_retry_at is None:
            names.add("next_retry_at")
    return names


def _check(stored: Task, wanted: Task) -> None:
    """Raise unless a caller may move or change an attempt."""
    if _cut_off(stored) and wanted.status.terminal:
        return
    if stored.source > Source.CLIENT and not stored.status.terminal:
        raise Conflict(
            f"{wanted.ref} was recorded by the {stored.source.name.lower()}, which reports its end",
            hint="complete it where it runs",
            code="RECORDED_TASK",
        )
    if stored.status.terminal or stored.status is not wanted.status:
        check_task_move(str(wanted.ref), stored.status, wanted.status)
    if wanted.next_retry_at is not None and wanted.status not in _FAILURES:
        raise InvalidInput(
            f"{wanted.ref}: next_retry_at belongs to attempts that failed, not to {wanted.status}"
        )


def _cut_off(stored: Task) -> bool:
    """Return whether an attempt ended only because its run did: its real end may still come."""
    error = stored.error
    return stored.source is Source.CLIENT and error is not None and error.code == RUN_CLOSED.code


def _moved(stored: Task, wanted: Task, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a move or change, with the times that follow from it."""
    # Younger than what is stored in any case, so that who read that notices.
    now = max(datetime.now(UTC), stored.updated_at + timedelta(microseconds=1))
    moved = {**values, "updated_at": now}
    begun = wanted.status in (TaskStatus.RUNNING, TaskStatus.WAITING)
    if begun and stored.started_at is None:
        moved.setdefault("started_at", now)
    if wanted.status.terminal and stored.finished_at is None:
        moved.setdefault("finished_at", now)
    if _cut_off(stored):
        # Of a run that ended: nothing of it is tried again.
        moved |= {"next_retry_at": None}
        if wanted.error == stored.error:
            moved["error"] = None
    return moved


async def _count(session: Session, before: Task, after: Task) -> None:
    """Bring the counters of the locked run up to date; what was undone counts for nothing."""
    if after.superseded:
        return
    exceptions = (after.status in _FAILURES) - (before.status in _FAILURES)
    finished = _done(after) - _done(before)
    if finished and await _has_later(session, after):
        finished = 0
    if exceptions or finished:
        await session.execute(
            update(run)
            .where(run.c.id == after.run_id)
            .values(
                exceptions_count=run.c.exceptions_count + exceptions,
                tasks_finished=run.c.tasks_finished + finished,
            )
        )


def _done(attempt: Task) -> bool:
    return attempt.status.terminal and attempt.next_retry_at is None


async def _has_later(session: Session, attempt: Task) -> bool:
    later = select(
        exists().where(
            task.c.run_id == attempt.run_id,
            task.c.temporal_run_id == attempt.temporal_run_id,
            task.c.activity_id == attempt.activity_id,
            task.c.attempt > attempt.attempt,
            ~task.c.superseded,
        )
    )
    return bool((await session.execute(later)).scalar_one())


def _is(attempt: Task) -> tuple[Any, ...]:
    return (
        task.c.run_id == attempt.run_id,
        task.c.temporal_run_id == attempt.temporal_run_id,
        task.c.activity_id == attempt.activity_id,
        task.c.attempt == attempt.attempt,
    )
