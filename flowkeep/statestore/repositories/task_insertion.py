"""How a caller adds an attempt to a run: inserted, or claimed by whoever comes first."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from flowkeep.contracts import (
    Attempt,
    NewTask,
    RunRef,
    RunStatus,
    Source,
    Task,
    TaskStatus,
    TaskType,
)
from flowkeep.errors import AlreadyTerminal, Conflict, InvalidInput
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import inputs, recording
from flowkeep.statestore.repositories.changes import lock
from flowkeep.statestore.repositories.rows import tasks
from flowkeep.statestore.repositories.task_reads import find
from flowkeep.statestore.session import Session

FIXED = ("task_name", "task_index", "type", "batch", "max_attempts", "timeout_seconds")
"""What an attempt is, besides its input; never changes."""
ONCE = ("external_id", "child_run_id")
"""Who carries it out; set once."""

_NAMES = ("task_name", "activity_id", "temporal_run_id", "batch", "external_id", "worker")
_TIMES = ("deadline_at", "scheduled_at", "started_at")


async def insert(
    session: Session, tenant_id: str, new: NewTask, *, claim: bool = False
) -> tuple[Task, bool]:
    """Add an attempt to a run; returns it, and whether it was not there before.

    Args:
        session: A transaction.
        tenant_id: Whose run.
        new: The attempt.
        claim: Whether only who comes first may have it: then the run must be open, and who asks
            later need not ask alike.
    """
    value = _checked(new)
    row = await lock(session, new.run_id, tenant_id=tenant_id)
    found = await find(session, tenant_id, new.ref)
    if found is not None:
        stored = (await tasks(session, tenant_id, [found]))[0]
        _check_same(stored, new, value, FIXED[:2] if claim else FIXED)
        return stored, False
    status = RunStatus(row["status"])
    if claim and status.terminal:
        raise AlreadyTerminal(
            f"run {new.run_id} has already ended as {status}: nothing of it can be claimed",
            hint="start a new run",
        )
    execution = (row["namespace"], new.temporal_run_id)
    await recording.write(
        session, [_attempt(row, new, value)], {execution: (row["id"], status, tenant_id)}
    )
    added = await find(session, tenant_id, new.ref)
    assert added is not None
    return (await tasks(session, tenant_id, [added]))[0], True


def claimed(
    run_id: UUID, name: str, index: int, worker: str | None, timeout_seconds: float | None
) -> NewTask:
    """Return the task that a claim adds: one that runs already."""
    try:
        return NewTask(
            run_id=inputs.run_id(run_id),
            task_name=name,
            task_index=index,
            status=TaskStatus.RUNNING,
            worker=worker,
            timeout_seconds=timeout_seconds,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInput(f"claim of {first['loc'][0]}: {first['msg']}") from None


def _checked(new: NewTask) -> Any:
    """Return the input as plain JSON, once everything that can be stored was found to be so."""
    for field in _NAMES:
        value = new.ref.activity_id if field == "activity_id" else getattr(new, field)
        if value is not None:
            inputs.name(value, field)
    if "/" in new.temporal_run_id:
        raise InvalidInput(f"temporal_run_id {new.temporal_run_id!r} holds a slash")
    if new.type is TaskType.STEP:
        raise InvalidInput(
            "type 'step' is for steps inside activities, which they record themselves",
            hint="use 'item'",
        )
    for field in _TIMES:
        inputs.instant(getattr(new, field), field)
    return encoding.strict(new.input, "input")


def _check_same(stored: Task, new: NewTask, value: Any, fields: Sequence[str]) -> None:
    """Raise Conflict unless the stored attempt is the one that is to be added."""
    differs = [name for name in fields if getattr(stored, name) != getattr(new, name)]
    if fields is FIXED:
        if not encoding.same(stored.input, value):
            differs.append("input")
        # What was left out may have been set since.
        wanted = {name: getattr(new, name) for name in ONCE}
        differs += [n for n, v in wanted.items() if v is not None and getattr(stored, n) != v]
    if differs:
        raise Conflict(
            f"{new.ref} exists already with other {', '.join(differs)}",
            hint="name another task, index, iteration or attempt",
        )


def _attempt(row: Mapping[str, Any], new: NewTask, value: Any) -> Attempt:
    now = datetime.now(UTC)
    scheduled_at = new.scheduled_at or new.started_at or now
    begins = new.status in (TaskStatus.RUNNING, TaskStatus.WAITING)
    deadline_at = new.deadline_at
    if deadline_at is None and new.timeout_seconds is not None:
        deadline_at = scheduled_at + timedelta(seconds=new.timeout_seconds)
    return Attempt(
        run=RunRef(
            run_id=row["id"],
            tenant_id=row["tenant_id"],
            namespace=row["namespace"],
            workflow_id=row["workflow_id"],
            temporal_run_id=new.temporal_run_id,
            workflow_type=row["workflow_type"],
            task_queue=row["task_queue"],
        ),
        activity_id=new.ref.activity_id,
        attempt=new.attempt,
        task_name=new.task_name,
        status=new.status,
        recorded_at=now,
        task_index=new.task_index,
        batch=new.batch,
        type=new.type,
        external_id=new.external_id,
        child_run_id=new.child_run_id,
        max_attempts=new.max_attempts,
        timeout_seconds=new.timeout_seconds,
        deadline_at=deadline_at,
        input=value,
        worker=new.worker,
        scheduled_at=scheduled_at,
        started_at=new.started_at or (now if begins else None),
        finished_at=now if new.status.terminal else None,
        source=Source.CLIENT,
    )
