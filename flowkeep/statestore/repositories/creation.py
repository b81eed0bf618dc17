"""How a run row comes to be: requested by a client, or saved as it is."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from flowkeep.contracts import EventKind, NewRun, Run
from flowkeep.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    LedgerUnavailable,
    NotFound,
    OpenRunExists,
)
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import (
    arguments,
    executions,
    labels,
    payloads,
    pins,
    requests,
    tombstones,
)
from flowkeep.statestore.repositories.changes import append
from flowkeep.statestore.repositories.pins import Pin, Pinning
from flowkeep.statestore.repositories.rows import FULL
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import run
from flowkeep.statestore.tables.base import OPEN

_INSERT = insert(run).on_conflict_do_nothing().returning(*FULL)
_IDENTITY = (
    "namespace",
    "workflow_id",
    "workflow_type",
    "task_queue",
    "app_id",
    "kind",
    "definition_id",
)


async def create(session: Session, tenant_id: str, new: NewRun) -> dict[str, Any]:
    """Write a requested run: row, arguments, event `created`; see the Protocol."""
    pinned = await _pin(session, tenant_id, new, pins.pin)
    if pinned is not None:
        new = new.model_copy(update={"definition_revision": pinned.revision})
    document = requests.prepare(tenant_id, new)
    written = await requests.drive(session, requests.write(document, tenant_id, new))
    if not written.created:
        return await _existing(session, tenant_id, new)
    found = await session.execute(select(*FULL).where(run.c.id == new.id))
    row = dict(found.mappings().one())
    if pinned is not None:
        await executions.note(session, pinned, row["created_at"])
    return row


async def insert_open(session: Session, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Insert a run and return its row, or None when its id is taken.

    Raises:
        OpenRunExists: If another run with this workflow_id is open.
        Conflict: If the id was a run's that is deleted or archived.
    """
    for _ in range(3):
        inserted = await session.execute(_INSERT.values(dict(values)))
        row = inserted.mappings().one_or_none()
        if row is not None:
            # After the insert, which may have waited for the one that deletes the run.
            await tombstones.refuse(session, row["id"])
            return dict(row)
        found = await session.execute(select(run.c.id).where(run.c.id == values["id"]))
        if found.first() is not None:
            return None
        other = await open_run(session, values["namespace"], values["workflow_id"])
        if other is not None:
            raise OpenRunExists(values["workflow_id"], run_id=other)
        # The run that was in the way has ended since: try again.
    raise LedgerUnavailable(
        f"runs with workflow_id {values['workflow_id']!r} start and end faster than one can be"
        " recorded",
        hint="try again",
    )


async def open_run(session: Session, namespace: str, workflow_id: str) -> UUID | None:
    """Return the open run with a workflow_id, of any tenant, or None."""
    found = await session.execute(
        f"SELECT id FROM {{schema}}.run"  # noqa: S608 - only a constant of ours is put in
        f" WHERE namespace = :namespace AND workflow_id = :workflow_id AND {OPEN}",
        {"namespace": namespace, "workflow_id": workflow_id},
    )
    value: UUID | None = found.scalar_one_or_none()
    return value


async def insert_saved(session: Session, tenant_id: str, saved: Run) -> bool:
    """Insert a run as it is, with the event `created`; returns False when its id is taken.

    Raises:
        OpenRunExists: If it is open and another run with its workflow_id is, too.
    """
    requests.check_lengths(saved)  # only: it may be adopted, and Temporal takes any characters
    packed = {
        name: payloads.pack(encoding.strict(getattr(saved, name), name))
        for name in ("inputs", "outputs")
    }
    values = saved.model_dump(
        mode="python", exclude={"inputs", "outputs", "temporal_run_id", "archived"}
    )
    values |= {
        "kind": saved.kind.value,
        "status": saved.status.value,
        "source": int(saved.source),
        "error": saved.error.model_dump(mode="json") if saved.error else None,
    }
    values["labels"] = labels.checked(saved.labels)
    for name in ("start_options", "state", "wait"):
        values[name] = encoding.strict(values[name], name)
    for name, value in packed.items():
        values |= payloads.columns(name, value)
    pinned = await _pin(session, tenant_id, saved, pins.pin_recorded)
    row = await insert_open(session, values)
    if row is None:
        return False
    if pinned is not None:
        await executions.note(session, pinned, row["created_at"])
    await payloads.keep(session, [(tenant_id, saved.id, value) for value in packed.values()])
    told = {"source": saved.source.name.lower(), "to": saved.status.value}
    await labels.add(session, row, row["labels"])
    await append(session, row, EventKind.CREATED, told, actor=saved.created_by)
    return True


async def _pin(session: Session, tenant_id: str, wanted: NewRun | Run, pin: Pinning) -> Pin | None:
    """Return the version of its definition that a run pins, or None where there is none to pin."""
    if wanted.definition_id is None:
        return None
    try:
        return await pin(session, tenant_id, wanted.definition_id, wanted.definition_revision)
    except (NotFound, InvalidInput):
        # A repeated request is answered as before, whatever became of the definition since.
        found = await session.execute(select(run.c.id).where(run.c.id == wanted.id))
        if found.first() is None:
            raise
        return None


async def _existing(session: Session, tenant_id: str, new: NewRun) -> dict[str, Any]:
    """Return the run that was created before under this id, if it is the same one."""
    found = await session.execute(select(*FULL).where(run.c.id == new.id))
    one = found.mappings().one_or_none()
    if one is None:
        raise Conflict(
            f"run {new.id} was deleted at this moment", hint="use a new id for a new run"
        )
    row = dict(one)
    if row["tenant_id"] != tenant_id:
        raise Forbidden(f"run {new.id} belongs to another tenant")
    differs = [name for name in _IDENTITY if row[name] != getattr(new, name)]
    stored = await arguments.read(session, tenant_id, new.id)
    wanted = None if new.arguments is None else encoding.strict(new.arguments, "arguments")
    if wanted is not None and stored is not None and not encoding.same(stored, wanted):
        differs.append("arguments")
    if differs:
        raise Conflict(
            f"run {new.id} exists already with other {', '.join(differs)}",
            hint="use a new id for a new run",
        )
    return row
