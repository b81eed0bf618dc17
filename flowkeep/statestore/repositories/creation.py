"""How a run row comes to be: requested by a client, or saved as it is."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from flowkeep.contracts import EventKind, NewRun, Run, RunStatus, Source
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
    inputs,
    labels,
    payloads,
    pins,
    tombstones,
)
from flowkeep.statestore.repositories.changes import append
from flowkeep.statestore.repositories.pins import Pin, Pinning
from flowkeep.statestore.repositories.rows import FULL
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import run
from flowkeep.statestore.tables.base import OPEN

_TEMPORAL_NAMES = ("namespace", "workflow_id", "workflow_type", "task_queue")
_FREE_NAMES = ("app_id", "triggered_from", "owner")
_TEXTS = ("app_id", "triggered_from", "owner", "created_by", "origin", "goal")
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
    values = _columns(tenant_id, new)
    wanted = None if new.arguments is None else encoding.strict(new.arguments, "arguments")
    packed = payloads.pack(encoding.strict(new.inputs, "inputs"))
    pinned = await _pin(session, tenant_id, new, pins.pin)
    if pinned is not None:
        values["definition_revision"] = pinned.revision
    row = await insert_open(session, {**values, **payloads.columns("inputs", packed)})
    if row is None:
        return await _existing(session, tenant_id, new, values, wanted)
    if pinned is not None:
        await executions.note(session, pinned, row["created_at"])
    await payloads.keep(session, [(tenant_id, new.id, packed)])
    if wanted is not None:
        await arguments.write(session, tenant_id, new.id, new.workflow_id, wanted)
    told = {"source": Source.CLIENT.name.lower(), "to": RunStatus.PENDING.value}
    await labels.add(session, row, row["labels"])
    await append(session, row, EventKind.CREATED, told, actor=new.created_by)
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
    _check_lengths(saved)  # only: it may be adopted, and Temporal takes any characters
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


def _columns(tenant_id: str, new: NewRun) -> dict[str, Any]:
    for field in _TEMPORAL_NAMES:
        inputs.name(getattr(new, field), field, inputs.TEMPORAL_BYTES)
    _check_lengths(new)
    created_at = inputs.instant(new.created_at, "created_at")
    return {
        "id": new.id,
        "tenant_id": inputs.tenant(tenant_id),
        "namespace": new.namespace,
        "workflow_id": new.workflow_id,
        "workflow_type": new.workflow_type,
        "task_queue": new.task_queue,
        "kind": new.kind.value,
        "labels": labels.checked(new.labels),
        "start_options": encoding.strict(new.start_options, "start_options"),
        "definition_id": new.definition_id,
        "definition_revision": new.definition_revision,
        "parent_run_id": new.parent_run_id,
        "root_run_id": new.root_run_id,
        "retry_of": new.retry_of,
        "status": RunStatus.PENDING.value,
        "state": encoding.strict(new.state, "state"),
        "source": int(Source.CLIENT),
        "created_at": created_at or func.now(),
        "updated_at": func.now(),
        **{field: encoding.strict(getattr(new, field), field) for field in _TEXTS},
    }


def _check_lengths(wanted: NewRun | Run) -> None:
    for field in _TEMPORAL_NAMES:
        inputs.short(getattr(wanted, field), field, inputs.TEMPORAL_BYTES)
    for field in _FREE_NAMES:
        if getattr(wanted, field) is not None:
            inputs.short(getattr(wanted, field), field)


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


async def _existing(
    session: Session,
    tenant_id: str,
    new: NewRun,
    values: Mapping[str, Any],
    wanted: Mapping[str, Any] | None,
) -> dict[str, Any]:
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
    differs = [name for name in _IDENTITY if row[name] != values[name]]
    stored = await arguments.read(session, tenant_id, new.id)
    if wanted is not None and stored is not None and not encoding.same(stored, wanted):
        differs.append("arguments")
    if differs:
        raise Conflict(
            f"run {new.id} exists already with other {', '.join(differs)}",
            hint="use a new id for a new run",
        )
    return row
