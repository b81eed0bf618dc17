"""The one way a run changes: locked, checked, its revision bumped, its event beside it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ScalarSelect, bindparam, func, insert, select, update

from flowkeep.contracts import Event, EventKind, RunStatus
from flowkeep.errors import Forbidden, NotFound, RevisionMismatch
from flowkeep.statestore.repositories import archive_reads
from flowkeep.statestore.repositories.rows import EVENT, FULL
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import run, run_event

EVENT_OF: dict[RunStatus, EventKind] = {
    RunStatus.WAITING: EventKind.WAITING,
    RunStatus.SUCCEEDED: EventKind.SUCCEEDED,
    RunStatus.FAILED: EventKind.FAILED,
    RunStatus.CANCELLED: EventKind.CANCELLED,
    RunStatus.TIMED_OUT: EventKind.TIMED_OUT,
    RunStatus.UNKNOWN: EventKind.UNKNOWN,
}
"""The event that tells of a move into a status; `running` is `started` or `resumed`."""


# Built once: putting fifty columns together costs more than running the statement.
# NO KEY: rows that refer to the run (segments, events) can still be inserted beside it.
_LOCK = select(*FULL).with_for_update(key_share=True, of=run)
_LOCK_BY_ID = _LOCK.where(run.c.id == bindparam("run_id"))
_UPDATE = update(run).where(run.c.id == bindparam("changed_id")).returning(*FULL)
_APPEND = insert(run_event).values(at=func.now()).returning(*EVENT)


async def lock(
    session: Session,
    run_id: UUID | ScalarSelect[UUID],
    *,
    tenant_id: str | None = None,
    expected_revision: int | None = None,
) -> dict[str, Any]:
    """Lock a run's row until the transaction ends, and return it.

    Args:
        session: A transaction.
        run_id: The run, or the query that names it.
        tenant_id: Whose it must be; None for the forms without a tenant.
        expected_revision: The revision it must have; None for any.

    Raises:
        NotFound: If it does not exist.
        Conflict: With the code RUN_ARCHIVED, if it lies in the archive.
        Forbidden: If it belongs to another tenant.
        RevisionMismatch: If somebody changed it since it was read.
    """
    if isinstance(run_id, UUID):
        found = await session.execute(_LOCK_BY_ID, {"run_id": run_id})
    else:
        found = await session.execute(_LOCK.where(run.c.id == run_id))
    row = found.mappings().one_or_none()
    if row is None:
        if isinstance(run_id, UUID):
            await archive_reads.refuse_change(session, run_id, tenant_id)
        name = f"run {run_id}" if isinstance(run_id, UUID) else "the run of this execution"
        raise NotFound(f"{name} does not exist", hint="look it up with `run list`")
    if tenant_id is not None and row["tenant_id"] != tenant_id:
        raise Forbidden(f"run {row['id']} belongs to another tenant")
    if expected_revision is not None and row["revision"] != expected_revision:
        raise RevisionMismatch(f"run {run_id}", expected=expected_revision, actual=row["revision"])
    return dict(row)


async def change(
    session: Session,
    row: Mapping[str, Any],
    values: Mapping[str, Any],
    kind: str,
    payload: Mapping[str, Any],
    *,
    actor: str | None = None,
) -> tuple[dict[str, Any], Event]:
    """Change a locked run and append the event that tells of it.

    Args:
        session: The transaction that holds the lock.
        row: The run as locked.
        values: Columns to set; revision and updated_at follow by themselves.
        kind: Kind of the event.
        payload: What the event says; `from` and `to` are added when the status moves.
        actor: Who did it.
    """
    statement = _UPDATE.values({**values, "revision": run.c.revision + 1, "updated_at": func.now()})
    changed = await session.execute(statement, {"changed_id": row["id"]})
    stored = dict(changed.mappings().one())
    moved = {"from": row["status"], "to": stored["status"]}
    told = {**moved, **payload} if moved["from"] != moved["to"] else payload
    event = await append(session, stored, kind, told, actor=actor)
    return stored, event


async def append(
    session: Session,
    row: Mapping[str, Any],
    kind: str,
    payload: Mapping[str, Any],
    *,
    actor: str | None = None,
) -> Event:
    """Append an event to a locked run, at the run's present revision."""
    appended = await session.execute(
        _APPEND,
        {
            "run_id": row["id"],
            "tenant_id": row["tenant_id"],
            "kind": str(kind),
            "payload": {key: value for key, value in payload.items() if value is not None},
            "actor": actor,
            "revision": row["revision"],
        },
    )
    return Event.model_validate(dict(appended.mappings().one()))
