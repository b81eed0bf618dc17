"""Schedules as the ledger has them; Temporal is told of them by `flowkeep.clients.schedules`."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from flowkeep.contracts import Page
from flowkeep.contracts.schedules import OwnerRights, Schedule, ScheduleWrite
from flowkeep.contracts.sight import Sight
from flowkeep.errors import Conflict, NotFound
from flowkeep.statestore import encoding
from flowkeep.statestore.keyring import Keyring
from flowkeep.statestore.repositories import inputs, labels, sights
from flowkeep.statestore.repositories import schedule_rows as rows
from flowkeep.statestore.repositories.requests import SecretValues
from flowkeep.statestore.repositories.schedule_rights import RIGHTS, sight_now
from flowkeep.statestore.session import Scope, Session
from flowkeep.statestore.tables import schedule

_RIGHTS = f"""
SELECT s.tenant_id, s.app_id, s.owner, {RIGHTS} FROM {{schema}}.schedule AS s
WHERE s.tenant_id = :tenant AND s.name = :name AND s.deleted_at IS NULL
"""  # noqa: S608 - only a constant of ours is put in


class Schedules:
    """Schedules; see the Protocol `ScheduleRepository`.

    Args:
        scope: Where sessions come from.
        keyring: Gives the keys of secrets when they are needed.
    """

    def __init__(self, scope: Scope, keyring: Callable[[], Keyring]) -> None:
        self._scope = scope
        self._keyring = keyring

    async def save(
        self,
        tenant_id: str,
        new: ScheduleWrite,
        *,
        secrets: SecretValues | None = None,
        expected_revision: int | None = None,
        only_new: bool = False,
    ) -> tuple[Schedule, bool]:
        """Make a schedule, or bring the one of that name to this content."""
        tenant_id, hidden = inputs.tenant(tenant_id), dict(secrets or {})
        labels.checked(new.labels)
        wanted: dict[str, Any] = encoding.strict(new.arguments, "arguments")
        async with self._scope.write() as session:
            found = await rows.locked(session, tenant_id, new.name)
            if found is None:
                if expected_revision is not None:
                    raise rows.absent(new.name)
                found = await _insert(session, tenant_id, new)
                if found is not None:
                    await rows.write_arguments(session, found, wanted, hidden, self._keyring)
                    return found, True
                found = await rows.locked(session, tenant_id, new.name)
                if found is None:
                    raise Conflict(f"schedule {new.name!r} changes at this moment", hint="again")
            rows.require_revision(found, expected_revision)
            same = await rows.same_arguments(session, found, wanted, hidden, self._keyring)
            changes = _changes(found, new)
            if same and not changes:
                await _note_rights(session, found, new)
                return found, False
            if only_new:
                raise Conflict(
                    f"schedule {new.name!r} exists already with another content",
                    hint="update it, or choose another name",
                )
            if not same:
                await rows.write_arguments(session, found, wanted, hidden, self._keyring)
            await _note_rights(session, found, new)
            return await _update(session, found.id, changes), False

    async def get(self, tenant_id: str, name: str) -> Schedule:
        """Return a schedule."""
        where = [schedule.c.tenant_id == inputs.tenant(tenant_id), rows.LIVE]
        where.append(schedule.c.name == inputs.text(name, "name"))
        async with self._scope.read() as session:
            found = await session.execute(select(*rows.COLUMNS).where(*where))
            row = found.mappings().one_or_none()
        if row is None:
            raise rows.absent(name)
        return rows.read(row)

    async def arguments(self, tenant_id: str, name: str) -> dict[str, Any]:
        """Return what the runs of a schedule get, with references in the place of secrets."""
        found = await self.get(tenant_id, name)
        async with self._scope.read() as session:
            value = await rows.stored_arguments(session, found)
        if value is None:
            raise NotFound(
                f"the arguments of schedule {name!r} are gone", hint="update it with new ones"
            )
        return value

    async def require_rights(self, tenant_id: str, name: str) -> None:
        """Refuse if the owner of a schedule may start no runs any more."""
        bound = {"tenant": inputs.tenant(tenant_id), "name": inputs.text(name, "name")}
        async with self._scope.read() as session:
            row = (await session.execute(_RIGHTS, bound)).mappings().one_or_none()
        if row is None:
            raise rows.absent(name)
        sight_now(dict(row))

    async def list(
        self,
        tenant_id: str,
        *,
        sight: Sight | None = None,
        app_id: str | None = None,
        limit: int = 20,
        last_name: str | None = None,
    ) -> Page[Schedule]:
        """Return a page of schedules, by name."""
        where = [schedule.c.tenant_id == inputs.tenant(tenant_id), rows.LIVE]
        if sight is not None:
            where.append(sights.owns_or_runs(sight, schedule.c.owner, schedule.c.app_id))
        if app_id is not None:
            where.append(schedule.c.app_id == inputs.text(app_id, "app_id"))
        if last_name is not None:
            where.append(schedule.c.name > inputs.text(last_name, "last_name"))
        limit = inputs.page_limit(limit)
        statement = select(*rows.COLUMNS).where(*where).order_by(schedule.c.name).limit(limit + 1)
        async with self._scope.read() as session:
            found = (await session.execute(statement)).mappings().all()
        data = [rows.read(row) for row in found[:limit]]
        return Page(data=data, limit=limit, has_more=len(found) > limit)

    async def set_paused(
        self,
        tenant_id: str,
        name: str,
        *,
        paused: bool,
        note: str | None = None,
        expected_revision: int | None = None,
    ) -> Schedule:
        """Say that a schedule is to fire no more, or again."""
        async with self._scope.write() as session:
            found = await _required(session, tenant_id, name)
            rows.require_revision(found, expected_revision)
            values = {"paused": paused, "note": encoding.strict(note, "note")}
            if (found.paused, found.note) == (paused, note):
                return found
            return await _update(session, found.id, values)

    async def delete(
        self, tenant_id: str, name: str, *, expected_revision: int | None = None
    ) -> Schedule:
        """Mark a schedule as deleted; its name is free."""
        async with self._scope.write() as session:
            found = await _required(session, tenant_id, name)
            rows.require_revision(found, expected_revision)
            return await _update(session, found.id, {"deleted_at": func.now()})

    async def discard(self, tenant_id: str, schedule_id: UUID) -> None:
        """Remove a schedule that Temporal has nothing of, with all that is its alone."""
        statement = (
            select(*rows.COLUMNS)
            .where(
                schedule.c.id == inputs.run_id(schedule_id, "schedule_id"),
                schedule.c.tenant_id == inputs.tenant(tenant_id),
            )
            .with_for_update()
        )
        async with self._scope.write() as session:
            row = (await session.execute(statement)).mappings().one_or_none()
            if row is None:
                raise NotFound(f"schedule {schedule_id} does not exist", hint="check its id")
            await rows.clear(session, rows.read(row))


async def _required(session: Session, tenant_id: str, name: str) -> Schedule:
    found = await rows.locked(session, inputs.tenant(tenant_id), inputs.text(name, "name"))
    if found is None:
        raise rows.absent(name)
    return found


async def _insert(session: Session, tenant_id: str, new: ScheduleWrite) -> Schedule | None:
    more = ("id", "temporal_id", "name", "paused", "note", "owner", "created_by")
    values = {name: encoding.strict(getattr(new, name), name) for name in more}
    inserted = await session.execute(
        insert(schedule)
        .values(
            **rows.values_of(new),
            **{**values, "id": new.id},
            rights=_plain(new.rights),
            tenant_id=tenant_id,
            revision=1,
            created_at=func.now(),
            updated_at=func.now(),
        )
        .on_conflict_do_nothing()
        .returning(*rows.COLUMNS)
    )
    row = inserted.mappings().one_or_none()
    return None if row is None else rows.read(row)


def _changes(found: Schedule, new: ScheduleWrite) -> dict[str, Any]:
    """Return what a schedule has otherwise than it is to be; whether it is paused stays."""
    now = found.model_dump(mode="json")
    wanted = rows.values_of(new)
    if new.owner is not None:
        wanted["owner"] = new.owner
    plain = new.model_dump(mode="json")
    return {name: value for name, value in wanted.items() if now[name] != plain[name]}


async def _note_rights(session: Session, found: Schedule, new: ScheduleWrite) -> None:
    """Keep what the owner may do; that is no change of the schedule, and has no revision.

    Of an owner who is named by somebody who does not know it, nothing is known.
    """
    other = new.owner not in (None, found.owner)
    if new.rights is None and not other:
        return
    await session.execute(
        update(schedule).where(schedule.c.id == found.id).values(rights=_plain(new.rights))
    )


def _plain(rights: OwnerRights | None) -> dict[str, Any] | None:
    return None if rights is None else rights.model_dump(mode="json")


async def _update(session: Session, schedule_id: UUID, values: dict[str, Any]) -> Schedule:
    changed = await session.execute(
        update(schedule)
        .where(schedule.c.id == schedule_id)
        .values(**values, revision=schedule.c.revision + 1, updated_at=func.now())
        .returning(*rows.COLUMNS)
    )
    return rows.read(changed.mappings().one())
