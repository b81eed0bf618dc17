"""Questions about runs."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from flowkeep.contracts import Event, Pause, Run, Segment
from flowkeep.errors import NotFound
from flowkeep.statestore.repositories import inputs, segments
from flowkeep.statestore.repositories.rows import EVENT, FULL, PAUSE, full_run
from flowkeep.statestore.repositories.run_lists import RunLists
from flowkeep.statestore.tables import run, run_event, run_pause

_MOST_EVENTS = 1000


class RunReads(RunLists):
    """Reads of runs; see the Protocol of the same name."""

    async def get(self, tenant_id: str, run_id: UUID) -> Run:
        """Return a run with its inputs and outputs, or raise NotFound."""
        found = await self.get_run_by_id(tenant_id, None, run_id)
        if found is None:
            raise NotFound(f"run {run_id} does not exist", hint="look it up with `run list`")
        return found

    async def get_run_by_id(self, tenant_id: str, app_id: str | None, run_id: UUID) -> Run | None:
        """Return a run of an app (None: of any app), or None."""
        where = [run.c.id == inputs.run_id(run_id), run.c.tenant_id == inputs.tenant(tenant_id)]
        if app_id is not None:
            where.append(run.c.app_id == app_id)
        # Twice: one that is restored in between is in neither place when that is looked at.
        for _ in range(2):
            async with self._scope.read() as session:
                found = await session.execute(select(*FULL).where(*where))
                row = found.mappings().one_or_none()
                if row is not None:
                    return await full_run(session, dict(row))
            archived = await self._archived.run(tenant_id, app_id, inputs.run_id(run_id))
            if archived is not None:
                return archived
        return None

    async def list_events(
        self, tenant_id: str, run_id: UUID, limit: int = 50, before: int | None = None
    ) -> Sequence[Event]:
        """Return the newest events of a run, newest first; see the Protocol."""
        if limit <= 0:
            return []
        where = [
            run_event.c.run_id == inputs.run_id(run_id),
            run_event.c.tenant_id == inputs.tenant(tenant_id),
        ]
        if before is not None:
            where.append(run_event.c.seq < before)
        statement = select(*EVENT).where(*where).order_by(run_event.c.seq.desc())
        async with self._scope.read() as session:
            found = await session.execute(statement.limit(min(limit, _MOST_EVENTS)))
            events = [Event.model_validate(dict(row)) for row in found.mappings()]
        if events:
            return events
        archived = await self._archived.events(tenant_id, inputs.run_id(run_id))
        behind = [event for event in archived if before is None or event.seq < before]
        return behind[: min(limit, _MOST_EVENTS)]

    async def list_segments(self, tenant_id: str, run_id: UUID) -> Sequence[Segment]:
        """Return the newest 1000 Temporal executions of a run, oldest first."""
        async with self._scope.read() as session:
            found = await segments.list_segments(
                session, inputs.tenant(tenant_id), inputs.run_id(run_id)
            )
        return found or (await self._archived.segments(tenant_id, inputs.run_id(run_id)))[-1000:]

    async def list_pauses(self, tenant_id: str, run_id: UUID) -> Sequence[Pause]:
        """Return the newest 1000 pauses of a run, newest first."""
        statement = (
            select(*PAUSE)
            .where(
                run_pause.c.run_id == inputs.run_id(run_id),
                run_pause.c.tenant_id == inputs.tenant(tenant_id),
            )
            .order_by(run_pause.c.paused_at.desc())
            .limit(1000)
        )
        async with self._scope.read() as session:
            found = await session.execute(statement)
            pauses = [Pause.model_validate(dict(row)) for row in found.mappings()]
        return pauses or (await self._archived.pauses(tenant_id, inputs.run_id(run_id)))[:1000]
