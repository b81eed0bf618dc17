"""Rows of schedules, and what belongs to them: arguments, and secrets taken out of these."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert

from flowkeep.contracts import StateType
from flowkeep.contracts.schedules import KeptSchedule, Schedule, ScheduleWrite
from flowkeep.errors import NotFound, RevisionMismatch
from flowkeep.statestore import encoding
from flowkeep.statestore.keyring import Keyring
from flowkeep.statestore.repositories.requests import SecretValues
from flowkeep.statestore.secrets import references, replace_references
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import schedule, secret, secret_ref, state_entry

APPLIED = func.coalesce(schedule.c.applied_revision == schedule.c.revision, literal_column("false"))
_COLUMNS = [schedule.c[name] for name in Schedule.model_fields if name != "applied"]
COLUMNS = [*_COLUMNS, APPLIED.label("applied")]
"""What a `Schedule` is read from."""
KEPT = [*COLUMNS, schedule.c.deleted_at]
"""What a `KeptSchedule` is read from."""
LIVE = schedule.c.deleted_at.is_(None)

_UNUSED = """
DELETE FROM {schema}.secret AS s
WHERE id = ANY(CAST(:ids AS uuid[])) AND run_scoped
    AND NOT EXISTS (SELECT FROM {schema}.secret_ref AS r WHERE r.secret_id = s.id)
"""


def read(row: RowMapping) -> Schedule:
    """Return a schedule from its row."""
    return Schedule.model_validate({name: row[name] for name in Schedule.model_fields})


def read_kept(row: RowMapping) -> KeptSchedule:
    """Return a schedule from its row, deleted or not."""
    return KeptSchedule.model_validate({name: row[name] for name in KeptSchedule.model_fields})


async def locked(session: Session, tenant_id: str, name: str) -> Schedule | None:
    """Return a schedule that nobody else changes until the transaction ends; None for none."""
    found = await session.execute(
        select(*COLUMNS)
        .where(schedule.c.tenant_id == tenant_id, schedule.c.name == name, LIVE)
        .with_for_update()
    )
    row = found.mappings().one_or_none()
    return None if row is None else read(row)


def absent(name: str) -> NotFound:
    """Return the error for a schedule that does not exist."""
    return NotFound(f"schedule {name!r} does not exist", hint="look it up with `schedule list`")


def require_revision(found: Schedule, expected: int | None) -> None:
    """Refuse if somebody else changed a schedule first.

    Raises:
        RevisionMismatch: If it is at another revision.
    """
    if expected is not None and found.revision != expected:
        raise RevisionMismatch(f"schedule {found.name!r}", expected=expected, actual=found.revision)


def values_of(new: ScheduleWrite) -> dict[str, Any]:
    """Return the columns that a change writes, by name."""
    same = ("app_id", "workflow_type", "task_queue", "definition_id", "definition_revision")
    return {
        **{name: getattr(new, name) for name in same},
        "labels": new.labels,
        "spec": new.spec.model_dump(mode="json"),
        "policy": new.policy.model_dump(mode="json"),
        "remaining_actions": new.remaining_actions,
    }


async def stored_arguments(session: Session, found: Schedule) -> dict[str, Any] | None:
    """Return the arguments of a schedule, with references in the place of secrets."""
    where = _entry(found.tenant_id, found.temporal_id)
    value = (await session.execute(select(state_entry.c.value).where(*where))).scalar_one_or_none()
    return None if value is None else dict(value)


async def same_arguments(
    session: Session,
    found: Schedule,
    wanted: dict[str, Any],
    secrets: SecretValues,
    keyring: Callable[[], Keyring],
) -> bool:
    """Return whether arguments are those that a schedule has, secrets included."""
    stored = await stored_arguments(session, found)
    if stored is None:
        return False
    ids = (references(stored) | references(wanted)) - set(secrets)
    opened: dict[UUID, Any] = {}
    if ids:
        rows = await session.execute(
            select(secret.c.id, secret.c.key_id, secret.c.ciphertext).where(
                secret.c.id.in_(sorted(ids)), secret.c.tenant_id == found.tenant_id
            )
        )
        ring = keyring()
        opened = {
            row.id: ring.decrypt(found.tenant_id, row.id, row.key_id, bytes(row.ciphertext))
            for row in rows
        }
    if not ids <= opened.keys():
        return False
    plain = encoding.strict(replace_references(wanted, {**opened, **secrets}), "arguments")
    return encoding.same(encoding.strict(replace_references(stored, opened), "arguments"), plain)


async def write_arguments(
    session: Session,
    found: Schedule,
    wanted: dict[str, Any],
    secrets: SecretValues,
    keyring: Callable[[], Keyring],
) -> None:
    """Store the arguments of a schedule, and the secrets that were taken out of them.

    Secrets go with the last schedule or run that refers to them.
    """
    tenant = found.tenant_id
    value = {"value": wanted, "arguments_of": None, "updated_at": func.now()}
    row = {"tenant_id": tenant, "kind": StateType.WORKFLOWS.value, "key": found.temporal_id}
    await session.execute(
        insert(state_entry)
        .values({**row, **value, "revision": 1, "created_at": func.now()})
        .on_conflict_do_update(
            index_elements=["tenant_id", "kind", "key"],
            set_={**value, "revision": state_entry.c.revision + 1},
        )
    )
    before = await _release(session, found.id)
    for secret_id, plain in secrets.items():
        ring = keyring()
        hidden = ring.encrypt(tenant, secret_id, encoding.strict(plain, "secret"))
        await session.execute(
            insert(secret).values(
                id=secret_id,
                tenant_id=tenant,
                key_id=ring.key_id,
                ciphertext=hidden,
                run_scoped=True,
                created_at=func.now(),
                updated_at=func.now(),
            )
        )
    for secret_id in await _run_scoped(session, tenant, references(wanted)):
        await session.execute(insert(secret_ref).values(run_id=found.id, secret_id=secret_id))
    await session.execute(_UNUSED, {"ids": before})


async def clear(session: Session, found: Schedule) -> None:
    """Delete a schedule's row and all that is its alone."""
    await session.execute(delete(state_entry).where(*_entry(found.tenant_id, found.temporal_id)))
    await session.execute(_UNUSED, {"ids": await _release(session, found.id)})
    await session.execute(delete(schedule).where(schedule.c.id == found.id))


async def _release(session: Session, schedule_id: UUID) -> list[UUID]:
    gone = await session.execute(
        delete(secret_ref)
        .where(secret_ref.c.run_id == schedule_id)
        .returning(secret_ref.c.secret_id)
    )
    return list(gone.scalars())


async def _run_scoped(session: Session, tenant_id: str, ids: Iterable[UUID]) -> list[UUID]:
    found = await session.execute(
        select(secret.c.id)
        .where(secret.c.id.in_(sorted(ids)), secret.c.tenant_id == tenant_id, secret.c.run_scoped)
        .order_by(secret.c.id)
        .with_for_update(key_share=True, read=True)
    )
    return list(found.scalars())


def _entry(tenant_id: str, key: str) -> tuple[Any, ...]:
    columns = state_entry.c
    kind = StateType.WORKFLOWS.value
    return columns.tenant_id == tenant_id, columns.kind == kind, columns.key == key
