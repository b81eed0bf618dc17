"""Runs that a schedule started: what the schedule says of them, from their first record on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import update

from flowkeep.contracts import RunRef, StateType
from flowkeep.contracts.schedules import SCHEDULE_ID_LABEL, SCHEDULE_LABEL
from flowkeep.errors import Forbidden, InvalidInput, NotFound
from flowkeep.statestore.repositories import arguments, executions, labels, payloads
from flowkeep.statestore.repositories.pins import Pin, pin
from flowkeep.statestore.repositories.schedule_rights import RIGHTS, sight_now
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import run

REFUSED = (NotFound, Forbidden, InvalidInput)
"""Why a firing cannot run what its schedule names."""

_SCHEDULE = f"""
SELECT s.id, s.tenant_id, s.name, s.app_id, s.labels, s.owner, s.definition_id,
    s.definition_revision, e.value AS arguments, {RIGHTS}
FROM {{schema}}.schedule AS s
LEFT JOIN {{schema}}.state_entry AS e
    ON e.tenant_id = s.tenant_id AND e.kind = '{StateType.WORKFLOWS.value}'
    AND e.key = s.temporal_id
WHERE s.id = :id AND s.tenant_id = :tenant
"""  # noqa: S608 - only a constant of ours is put in
_ARGUMENTS = f"""
INSERT INTO {{schema}}.state_entry (tenant_id, kind, key, value, revision, created_at, updated_at)
SELECT s.tenant_id, '{arguments.KIND}', :run, e.value, 1, now(), now()
FROM {{schema}}.schedule AS s JOIN {{schema}}.state_entry AS e
    ON e.tenant_id = s.tenant_id AND e.kind = '{StateType.WORKFLOWS.value}'
    AND e.key = s.temporal_id
WHERE s.id = :schedule AND s.tenant_id = :tenant AND e.value IS NOT NULL
ON CONFLICT DO NOTHING
"""  # noqa: S608 - only constants of ours are put in
# The schedule refers to the secrets as its runs do; one that is just being removed is left out.
_SECRETS = """
INSERT INTO {schema}.secret_ref (run_id, secret_id)
SELECT CAST(:run AS uuid), s.id FROM (
    SELECT id FROM {schema}.secret WHERE id IN (
        SELECT secret_id FROM {schema}.secret_ref WHERE run_id = :schedule
    ) AND tenant_id = :tenant ORDER BY id FOR KEY SHARE
) AS s
ON CONFLICT DO NOTHING
"""
_TELL = """
UPDATE {schema}.schedule SET last_error = :error
WHERE id = :id AND tenant_id = :tenant AND last_error IS DISTINCT FROM :error
"""


@dataclass(frozen=True, slots=True)
class Firing:
    """What a schedule says of a run.

    Attributes:
        columns: Of its row.
        pinned: The version of the definition that it pins; None where there is none to pin.
        packed: Its inputs.
        error: Why no version can be pinned.
    """

    columns: dict[str, Any]
    pinned: Pin | None
    packed: payloads.Packed | None
    error: str | None


async def find(session: Session, ref: RunRef) -> Firing | None:
    """Return what its schedule says of a run that is first heard of; None where there is none.

    A definition that may not run now, or that the schedule's owner does not see any more, is not
    pinned: the run is recorded all the same, and fails when it wants to begin.
    """
    row = await _schedule(session, ref)
    if row is None:
        return None
    pinned, problem = None, None
    if row["definition_id"] is not None:
        try:
            pinned = await _pin(session, row)
        except REFUSED as error:
            problem = error.message
    packed = payloads.pack(row["arguments"])
    own = {SCHEDULE_LABEL: row["name"], SCHEDULE_ID_LABEL: str(row["id"])}
    columns = {
        "app_id": row["app_id"],
        "owner": row["owner"],
        "created_by": row["owner"],
        "labels": labels.storable({**own, **row["labels"], **ref.labels}),
        "definition_id": None if pinned is None else pinned.definition_id,
        "definition_revision": None if pinned is None else pinned.revision,
        **payloads.columns("inputs", packed),
    }
    return Firing(columns, pinned, packed, problem)


async def keep(session: Session, ref: RunRef, firing: Firing, created_at: datetime) -> None:
    """Write what belongs to a run that was just inserted: arguments, secrets, execution count."""
    bound = {"run": str(ref.run_id), "schedule": ref.schedule_id, "tenant": ref.tenant_id}
    await session.execute(_ARGUMENTS, bound)
    await session.execute(_SECRETS, {**bound, "run": ref.run_id})
    await payloads.keep(session, [(ref.tenant_id, ref.run_id, firing.packed)])
    if firing.pinned is not None:
        await executions.note(session, firing.pinned, created_at)
    await tell(session, ref, firing.error)


async def pin_now(session: Session, ref: RunRef, row: Mapping[str, Any]) -> tuple[UUID, int]:
    """Return what a firing pins, pinning it now where it could not be before.

    Args:
        session: The transaction that holds the run's lock.
        ref: The run, a firing.
        row: The run as locked.

    Raises:
        NotFound: If the schedule or its definition is gone, or its owner does not see that now.
        Forbidden: If its owner may start no runs any more.
        InvalidInput: If the definition is disabled or a draft.
    """
    if row["definition_id"] is None:
        schedule = await _schedule(session, ref)
        if schedule is None or schedule["definition_id"] is None:
            raise NotFound(
                f"the schedule {ref.schedule_id} that started run {ref.run_id} is deleted",
                hint="start the definition itself, or make the schedule anew",
            )
        pinned = await _pin(session, schedule)
        values = {"definition_id": pinned.definition_id, "definition_revision": pinned.revision}
        await session.execute(update(run).where(run.c.id == row["id"]).values(values))
        await executions.note(session, pinned, row["created_at"])
        row = {**row, **values}
    await tell(session, ref, None)
    return row["definition_id"], int(row["definition_revision"])


async def tell(session: Session, ref: RunRef, error: str | None) -> None:
    """Say at the schedule why its last firing could not run, or that it could."""
    bound = {"id": ref.schedule_id, "tenant": ref.tenant_id, "error": error}
    await session.execute(_TELL, bound)


async def _pin(session: Session, schedule: Mapping[str, Any]) -> Pin:
    """Pin what a firing runs, as its schedule's owner."""
    return await pin(
        session,
        schedule["tenant_id"],
        schedule["definition_id"],
        schedule["definition_revision"],
        sight_now(schedule),
    )


async def _schedule(session: Session, ref: RunRef) -> dict[str, Any] | None:
    if ref.schedule_id is None:
        return None
    bound = {"id": ref.schedule_id, "tenant": ref.tenant_id}
    row = (await session.execute(_SCHEDULE, bound)).mappings().one_or_none()
    return None if row is None else dict(row)
