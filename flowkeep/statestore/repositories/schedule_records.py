"""Schedules of all tenants, for whoever compares them with Temporal; and what firings pin."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, update

from flowkeep.contracts import RunRef
from flowkeep.contracts.schedules import KeptSchedule
from flowkeep.statestore.repositories import closing, firings, inputs
from flowkeep.statestore.repositories import schedule_rows as rows
from flowkeep.statestore.repositories.flush import Flush, begin
from flowkeep.statestore.repositories.schedule_rights import RIGHTS, why_not
from flowkeep.statestore.session import Scope
from flowkeep.statestore.tables import schedule

_KEYED = f"""
SELECT s.tenant_id, s.name, s.app_id, s.owner, {RIGHTS} FROM {{schema}}.schedule AS s
WHERE s.deleted_at IS NULL AND NOT s.paused AND CAST(s.rights ->> 'keyed' AS boolean)
ORDER BY s.id
"""  # noqa: S608 - only a constant of ours is put in


class ScheduleRecords:
    """Schedules without a tenant; see the Protocol `ScheduleRecordRepository`."""

    _scope: Scope

    async def schedules_after(
        self, after: UUID | None = None, *, limit: int = 100
    ) -> Sequence[KeptSchedule]:
        """Return schedules of all tenants by id, deleted ones among them."""
        statement = select(*rows.KEPT).order_by(schedule.c.id).limit(inputs.page_limit(limit))
        if after is not None:
            statement = statement.where(schedule.c.id > inputs.run_id(after, "after"))
        async with self._scope.read() as session:
            found = await session.execute(statement)
            return [rows.read_kept(row) for row in found.mappings()]

    async def schedule_known(self, temporal_id: str, schedule_id: UUID) -> bool:
        """Return whether the ledger has a schedule, deleted or not."""
        statement = select(schedule.c.id).where(
            schedule.c.id == schedule_id, schedule.c.temporal_id == temporal_id
        )
        async with self._scope.read() as session:
            return (await session.execute(statement)).first() is not None

    async def schedule_applied(
        self, schedule_id: UUID, revision: int, *, error: str | None = None
    ) -> KeptSchedule | None:
        """Say that Temporal has a revision of a schedule, or why it has not."""
        known = func.greatest(func.coalesce(schedule.c.applied_revision, 0), revision)
        values = {"last_error": error} if error else {"applied_revision": known}
        statement = update(schedule).where(schedule.c.id == schedule_id).values(**values)
        async with self._scope.single() as session:
            found = await session.execute(statement.returning(*rows.KEPT))
            row = found.mappings().one_or_none()
        return None if row is None else rows.read_kept(row)

    async def schedule_paused(
        self, schedule_id: UUID, revision: int, *, paused: bool, note: str | None
    ) -> None:
        """Take over that Temporal paused or resumed a schedule, unless it has changed since."""
        statement = update(schedule).where(
            schedule.c.id == schedule_id,
            schedule.c.revision == revision,
            schedule.c.applied_revision == revision,
        )
        values = {
            "paused": paused,
            "note": note,
            "revision": revision + 1,
            "applied_revision": revision + 1,
            "updated_at": func.now(),
        }
        async with self._scope.single() as session:
            await session.execute(statement.values(values))

    async def schedules_without_rights(self) -> Sequence[tuple[str, str, str]]:
        """Return tenant and name of schedules whose owner may start no runs any more, and why."""
        async with self._scope.read() as session:
            found = (await session.execute(_KEYED)).mappings().all()
        told = ((row["tenant_id"], row["name"], why_not(dict(row))) for row in found)
        return [(tenant, name, why) for tenant, name, why in told if why is not None]

    async def purge_schedules(self, older_than: timedelta) -> int:
        """Remove schedules that were deleted long ago and that Temporal has no more."""
        statement = (
            select(*rows.COLUMNS)
            .where(schedule.c.deleted_at < func.now() - older_than, rows.APPLIED)
            .order_by(schedule.c.id)
            .limit(inputs.MOST_ROWS)
            .with_for_update(skip_locked=True)
        )
        async with self._scope.write() as session:
            found = (await session.execute(statement)).mappings().all()
            for row in found:
                await rows.clear(session, rows.read(row))
        return len(found)

    async def pin_scheduled(self, run: RunRef) -> tuple[UUID, int]:
        """Return the definition and the version that the firing of a schedule runs."""
        try:
            async with self._scope.write() as session:
                await begin(session, Flush(seen=[run]))
                row = await closing.locked(session, run)
                return await firings.pin_now(session, run, row)
        except firings.REFUSED as error:
            async with self._scope.single() as session:
                await firings.tell(session, run, error.message)
            raise
