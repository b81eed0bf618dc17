"""Tasks that workflow code itself carries out, as it reports them: waits, skips, child runs."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from flowkeep.contracts import Attempt, RunRef, RunStatus, Source, TaskStatus, TaskType
from flowkeep.contracts.named_tasks import TaskNote, TaskNotes
from flowkeep.contracts.records import ErrorInfo
from flowkeep.contracts.tasks import NO_EXECUTION
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import moves, recording
from flowkeep.statestore.repositories.changes import append
from flowkeep.statestore.repositories.outcome import is_paused
from flowkeep.statestore.repositories.segments import has_begun_anew
from flowkeep.statestore.repositories.verification import RECOUNT
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables.base import OPEN

logger = logging.getLogger(__name__)

_CUT_OFF = ErrorInfo(
    code="EXECUTION_CLOSED",
    type="ExecutionClosed",
    message="its execution ended before it; another one of the run follows",
    retryable=False,
)
_NOTED = ", ".join(
    f"'{kind}'" for kind in (TaskType.HUMAN, TaskType.TIMER, TaskType.CHILD, TaskType.ITEM)
)
# Written with the weakest source, so that a record that arrives later replaces it. What ended
# before the moment that a reset goes back to is a part of its history, too.
_BEGIN = f"""
UPDATE {{schema}}.task
SET superseded = superseded
        OR COALESCE(finished_at > CAST(:undone_after AS timestamptz),
                    CAST(:undone_after AS timestamptz) IS NOT NULL),
    status = CASE WHEN {OPEN} THEN 'cancelled' ELSE status END,
    error = CASE WHEN {OPEN} THEN CAST(:error AS jsonb) ELSE error END,
    source = CASE WHEN {OPEN} THEN 1 ELSE source END,
    finished_at = CASE WHEN {OPEN} THEN now() ELSE finished_at END,
    updated_at = CASE WHEN {OPEN} THEN now() ELSE updated_at END
WHERE run_id = :run_id AND temporal_run_id NOT IN (:execution, '{NO_EXECUTION}')
  AND type IN ({_NOTED})
  AND ({OPEN} OR finished_at > CAST(:undone_after AS timestamptz))
"""  # noqa: S608 - only constants of ours are put in
_STATES = """
SELECT activity_id, status FROM {schema}.task
WHERE run_id = :run_id AND temporal_run_id = :execution AND attempt = 1
  AND activity_id = ANY(CAST(:tasks AS text[]))
"""


async def note(session: Session, row: dict[str, Any], run: RunRef, told: TaskNotes) -> None:
    """Write what workflow code tells of tasks; told again, nothing changes.

    An execution tells nothing any more once a retry or a reset has begun the run anew. What it had
    not told, that one tells where it counts; what was open has ended, as has what it waited for.
    Who tells counts, not whose rows these are: a reset tells again what was on its way to the rows
    of the execution that it goes back to.

    Args:
        session: The transaction that holds the run's lock.
        row: The run as locked.
        run: Who reports.
        told: The tasks, and what the run waits for.
    """
    status = RunStatus(row["status"])
    ref = replace(run, temporal_run_id=told.execution or run.temporal_run_id)
    if await has_begun_anew(session, run.namespace, run.temporal_run_id):
        logger.info("a late report of an earlier execution of run %s is dropped", row["id"])
        return
    if told.begins:
        await _begin(session, row["id"], ref.temporal_run_id, told)
    events = await _news(session, row["id"], ref.temporal_run_id, told.notes)
    latest = {one.activity_id: one for one in told.notes}
    batch = [_attempt(ref, one) for one in latest.values()]
    if batch:
        execution = (ref.namespace, ref.temporal_run_id)
        await recording.write(session, batch, {execution: (row["id"], status, row["tenant_id"])})
    for one in events:
        assert one.event is not None
        payload = encoding.storable({"task": one.activity_id, **one.told})
        await append(session, row, one.event, payload, actor=one.told.get("by"))
    if status.terminal:
        return
    if told.unpaused_at is not None:
        row = await _end_pause(session, row, told.unpaused_at)
    if told.waits_for is not None:
        await _wait(session, row, told.waits_for)


async def _begin(session: Session, run_id: UUID, execution: str, told: TaskNotes) -> None:
    """End what earlier executions left open, and mark what a reset undid."""
    values = {
        "run_id": run_id,
        "execution": execution,
        "undone_after": told.undone_after,
        "error": _CUT_OFF.model_dump_json(),
    }
    changed = await session.execute(_BEGIN, values)
    if changed.rowcount:
        await session.execute(RECOUNT, {"run": run_id})


async def _news(
    session: Session, run_id: UUID, execution: str, notes: Sequence[TaskNote]
) -> list[TaskNote]:
    """Return the notes whose events are not there yet: what a row shows already was told before."""
    tasks = list({one.activity_id for one in notes if one.event is not None})
    if not tasks:
        return []
    values = {"run_id": run_id, "execution": execution, "tasks": tasks}
    found = await session.execute(_STATES, values)
    states = {one.activity_id: TaskStatus(one.status) for one in found}
    news = []
    for one in notes:
        known = states.get(one.activity_id)
        if known is one.status or (known is not None and known.terminal > one.status.terminal):
            continue
        states[one.activity_id] = one.status
        if one.event is not None:
            news.append(one)
    return news


async def _end_pause(
    session: Session, row: dict[str, Any], unpaused_at: datetime
) -> dict[str, Any]:
    """Close a pause whose end was not recorded; one that began since then stays open."""
    waits = row["status"] == RunStatus.WAITING
    if waits and await is_paused(session, row["id"], begun_before=unpaused_at):
        return await moves.resume(session, row, source=Source.WORKFLOW)
    return row


async def _wait(session: Session, row: dict[str, Any], waits_for: Mapping[str, Any]) -> None:
    """Let the run wait, or go on; a pause that is open stays: what follows it is told after it."""
    waits = row["status"] == RunStatus.WAITING
    if waits and await is_paused(session, row["id"]):
        return
    stored = encoding.storable(waits_for)
    if waits_for and (waits or row["status"] == RunStatus.RUNNING):
        if row["wait"] != stored:
            await moves.wait(session, row, source=Source.WORKFLOW, wait=stored)
    elif waits and not waits_for:
        await moves.resume(session, row, source=Source.WORKFLOW)


def _attempt(run: RunRef, one: TaskNote) -> Attempt:
    return Attempt(
        run=run,
        activity_id=one.activity_id,
        attempt=1,
        task_name=one.task_name,
        task_index=one.task_index,
        batch=one.batch,
        type=one.type,
        external_id=one.child_workflow_id,
        child_run_id=None if one.child_run_id is None else UUID(one.child_run_id),
        status=one.status,
        recorded_at=one.at,
        timeout_seconds=one.timeout_seconds,
        deadline_at=one.deadline_at,
        input=one.input,
        output=one.output,
        error=one.error,
        scheduled_at=one.scheduled_at or one.at,
        started_at=one.started_at,
        finished_at=one.at if one.status.terminal else None,
        source=Source.WORKFLOW,
    )
