"""Moves of an open run: start, wait, resume. The caller has locked it and checked the move."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func

from flowkeep.contracts import EventKind, PauseRequest, RunStatus, Source, check_move
from flowkeep.errors import IllegalTransition
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories.changes import change
from flowkeep.statestore.repositories.outcome import close_pause, is_paused, open_pause
from flowkeep.statestore.session import Session


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
