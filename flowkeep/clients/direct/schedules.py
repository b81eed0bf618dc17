"""Schedules: what Temporal starts at times."""

from flowkeep.clients.direct.schedules_writing import ScheduleWriting
from flowkeep.contracts import RunSummary
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.listing import Listing, listed
from flowkeep.contracts.api.run_query import RunQuery
from flowkeep.contracts.api.schedules import ScheduleDetail
from flowkeep.contracts.schedule_spec import Overlap
from flowkeep.contracts.schedules import (
    SCHEDULE_ID_LABEL,
    Backfill,
    Schedule,
    ScheduleState,
)
from flowkeep.contracts.sight import sight_of
from flowkeep.errors import Forbidden


class Schedules(ScheduleWriting):
    """Schedules; it is `client.schedules`.

    Staff sees those of its tenant or app, others see their own. Changing one needs the role editor,
    steering one operator.
    """

    async def get(self, name: str) -> ScheduleDetail:
        """Return a schedule as the ledger has it.

        Raises:
            NotFound: If there is none that the caller may see.
        """
        found = await self._seen(name)
        return ScheduleDetail.of(found, await self._store.schedules.arguments(self._tenant, name))

    async def list(
        self, *, app_id: str | None = None, limit: int = 20, cursor: str | None = None
    ) -> Listing[Schedule]:
        """Return a page of the schedules that the caller sees, by name.

        Args:
            app_id: Only those of this app.
            limit: Rows per page, 1 to 100.
            cursor: `next` of the page before.
        """
        self._access.require_anywhere(Role.VIEWER)
        page = await self._store.schedules.list(
            self._tenant,
            sight=sight_of(self._access.principal),
            app_id=app_id,
            limit=limit,
            last_name=cursor,
        )
        return listed(page, lambda one: one.name)

    async def describe(self, name: str) -> ScheduleState:
        """Return what Temporal tells of a schedule: next firings, last ones, open runs.

        Raises:
            NotFound: If there is none that the caller may see, or Temporal has it not yet.
            TemporalUnavailable: If Temporal cannot be reached.
        """
        await self._seen(name)
        client = await self._client.temporal()
        return await client.schedules.describe(self._tenant, name)

    async def runs(
        self, name: str, *, limit: int = 20, cursor: str | None = None
    ) -> Listing[RunSummary]:
        """Return a page of the runs of a schedule that the caller sees, newest first.

        Raises:
            NotFound: If there is no such schedule that the caller may see.
        """
        found = await self._seen(name)
        query = RunQuery(label=[f"{SCHEDULE_ID_LABEL}={found.id}"], limit=limit, cursor=cursor)
        return await self._client.runs.list(query)

    async def pause(
        self, name: str, note: str | None = None, expected_revision: int | None = None
    ) -> Schedule:
        """Let a schedule fire no more until `resume`; open runs go on.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If the caller is no operator.
            RevisionMismatch: If somebody else changed it first.
            TemporalUnavailable: If Temporal cannot be reached.
        """
        return await self._steer(name, note, expected_revision, paused=True)

    async def resume(
        self, name: str, note: str | None = None, expected_revision: int | None = None
    ) -> Schedule:
        """Let a schedule fire again; raises as `trigger` and `pause` do."""
        return await self._steer(name, note, expected_revision, paused=False)

    async def trigger(self, name: str, overlap: Overlap | None = None) -> None:
        """Let a schedule fire once, now, paused or not.

        Args:
            name: Which.
            overlap: Instead of the schedule's own policy.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If the caller is no operator, or its owner may start no runs any more.
            TemporalUnavailable: If Temporal cannot be reached.
        """
        found = await self._fired(name)
        client = await self._client.temporal()
        async with self._journal.writing("schedule.trigger", "schedule", found.id):
            await client.schedules.trigger(self._tenant, name, overlap)

    async def backfill(self, name: str, backfill: Backfill) -> None:
        """Let a schedule fire now for each time between two moments at which it would have.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If the caller is no operator, or its owner may start no runs any more.
            TemporalUnavailable: If Temporal cannot be reached.
        """
        found = await self._fired(name)
        client = await self._client.temporal()
        async with self._journal.writing("schedule.backfill", "schedule", found.id):
            await client.schedules.backfill(
                self._tenant, name, backfill.start_at, backfill.end_at, backfill.overlap
            )

    async def _steer(
        self, name: str, note: str | None, expected_revision: int | None, *, paused: bool
    ) -> Schedule:
        found = await (self._steered if paused else self._fired)(name)
        schedules = (await self._client.temporal()).schedules
        action, steer = "schedule.pause" if paused else "schedule.resume", schedules.resume
        async with self._journal.writing(action, "schedule", found.id) as entry:
            entry.was(found)
            steer = schedules.pause if paused else schedules.resume
            changed = await steer(self._tenant, name, note, expected_revision=expected_revision)
            entry.became(changed)
        return changed

    async def _steered(self, name: str) -> Schedule:
        found = await self._seen(name)
        self._access.require(Role.OPERATOR, found.app_id)
        return found

    async def _fired(self, name: str) -> Schedule:
        """Return a schedule that the caller may let fire, in its owner's name.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If the caller is no operator, or its owner may start no runs any more.
        """
        found = await self._steered(name)
        try:
            await self._store.schedules.require_rights(self._tenant, name)
        except Forbidden as error:
            raise self._access.denied(error, "schedule", found.id) from None
        return found
