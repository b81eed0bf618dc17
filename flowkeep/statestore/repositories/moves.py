"""Moves of a run: start, wait, resume, go on. The caller has locked it and checked the move."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError

from flowkeep.contracts import EventKind, PauseRequest, RunStatus, Source, check_move
from flowkeep.errors import IllegalTransition
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories.changes import change
from flowkeep.statestore.repositories.outcome import close_pause, is_paused, open_pause
from flowkeep.statestore.session import Session

logger = logging.getLogger(__name__)

_UNIQUE_VIOLATION = "23505"


async def start(
    session: Session,
    row: Mapping[str, Any],
    *,
    source: Source,
    temporal_run_id: str | None = None,
    started_at: datetime | None = None,
    actor: str | None = None,
) -> dict[str, Any]:
    """Move a pending run to `running`."""
    values = {
        "status": RunStatus.RUNNING.value,
        "started_at": started_at or func.now(),
        "source": int(source),
    }
    told = {"source": source.name.lower(), "temporal_run_id": temporal_run_id}
    stored, _ = await change(session, row, values, EventKind.STARTED, told, actor=actor)
    return stored


async def reopen(
    session: Session,
    row: dict[str, Any],
    kind: EventKind,
    *,
    source: Source,
    temporal_run_id: str,
) -> dict[str, Any]:
    """Move a run that ended back to `running`: Temporal has an execution of it that goes on.

    It stays as it is where another run with its workflow_id is open: Temporal has one of them at a
    time, and which one that is cannot be told from here.

    Args:
        session: The transaction that holds the lock.
        row: The run as locked.
        kind: `reset`, or `outcome_corrected` where the end was reported wrongly.
        source: Who says so.
        temporal_run_id: The execution that goes on.
    """
    values: dict[str, Any] = {
        "status": RunStatus.RUNNING.value,
        "source": int(source),
        "finished_at": None,
        "outputs": None,
        "outputs_hash": None,
        "error": None,
        "failure_reason": None,
    }
    told = {"source": source.name.lower(), "temporal_run_id": temporal_run_id}
    try:
        async with session.connection.begin_nested():
            stored, _ = await change(session, row, values, kind, told)
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) != _UNIQUE_VIOLATION:
            raise
        logger.info("run %s stays closed: another of its workflow_id is open", row["id"])
        return row
    return stored


async def wait(
    session: Session,
    row: Mapping[str, Any],
    *,
    source: Source,
    wait: Mapping[str, Any] | None = None,
    pause: PauseRequest | None = None,
    actor: str | None = None,
) -> dict[str, Any]:
    """Move a run to `waiting`; with `pause` it is paused."""
    values: dict[str, Any] = {
        "status": RunStatus.WAITING.value,
        "source": int(source),
        "wait": wait,
    }
    told: dict[str, Any] = {"source": source.name.lower()}
    if pause is not None:
        actor = actor or pause.actor
        reason = encoding.storable(pause.reason)
        await open_pause(session, row, reason=reason, actor=actor)
        values["pause_reason"] = reason
        told |= {"paused": True, "reason": reason}
    stored, _ = await change(session, row, values, EventKind.WAITING, told, actor=actor)
    return stored


async def waits_already(
    session: Session,
    row: Mapping[str, Any],
    wait: Mapping[str, Any] | None,
    pause: PauseRequest | None,
) -> bool:
    """Return whether a run already waits in the way that is asked for."""
    if row["status"] != RunStatus.WAITING or row["wait"] != wait:
        return False
    return pause is None or await is_paused(session, row["id"])


def check_resume(row: Mapping[str, Any]) -> None:
    """Raise unless a run may be resumed: only a waiting one that is not being cancelled."""
    name, status = f"run {row['id']}", RunStatus(row["status"])
    if status in (RunStatus.PENDING, RunStatus.RUNNING) and not row["cancel_requested"]:
        raise IllegalTransition(f"{name} is {status}: it does not wait", hint="nothing to resume")
    check_move(name, status, RunStatus.RUNNING, cancel_requested=row["cancel_requested"])


async def resume(
    session: Session,
    row: Mapping[str, Any],
    *,
    source: Source,
    patch: Mapping[str, Any] | None = None,
    actor: str | None = None,
) -> dict[str, Any]:
    """Move a waiting run back to `running`, close its pause and merge a patch into its state."""
    await close_pause(session, row["id"], actor=actor, patch=patch)
    values: dict[str, Any] = {
        "status": RunStatus.RUNNING.value,
        "source": int(source),
        "wait": None,
        "pause_reason": None,
    }
    told: dict[str, Any] = {"source": source.name.lower()}
    if patch:
        values["state"] = {**row["state"], **patch}
        told["set"] = sorted(patch)
    stored, _ = await change(session, row, values, EventKind.RESUMED, told, actor=actor)
    return stored
