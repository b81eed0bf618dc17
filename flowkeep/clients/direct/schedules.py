"""Schedules: what Temporal starts at times."""

from flowkeep.clients.direct.noun import Noun
from flowkeep.clients.direct.sights import sight_of
from flowkeep.contracts import RunSummary
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.listing import Listing, listed
from flowkeep.contracts.api.run_query import RunQuery
from flowkeep.contracts.api.schedules import ScheduleDetail
from flowkeep.contracts.schedule_spec import Overlap
from flowkeep.contracts.schedules import (
    SCHEDULE_ID_LABEL,
    Backfill,
    NewSchedule,
    Schedule,
    ScheduleContent,
    ScheduleState,
)
from flowkeep.errors import Conflict, Forbidden, NotFound

_HINT = "look it up with `schedule list`"


class Schedules(Noun):
    """Schedules; it is `client.schedules`.

    Staff sees those of its tenant or app, others see their own. Changing one needs the role editor,
    steering one operator.
    """

    async def create(self, new: NewSchedule) -> Schedule:
        """Make a schedule, or return the one that was made with the same content.

        Raises:
            Forbidden: If the caller is no editor, or names somebody else as owner.
            Conflict: If the name is taken.
            InvalidInput: If the content does not fit.
            NotFound: If there is no such definition that the caller may see.
            TemporalUnavailable: If Temporal cannot be reached.
        """
        return await self._put(new.name, new, "schedule.create", only_new=True)

    async def put(
        self, name: str, content: ScheduleContent, expected_revision: int | None = None
    ) -> Schedule:
        """Make a schedule, or bring the one of that name to this content.

        It stays paused or not, and keeps its owner unless another is given.

        Args:
            name: Which.
            content: What it is to be.
            expected_revision: The revision that was read.

        Raises:
            RevisionMismatch: If somebody else changed it first.
            Forbidden: If the caller is no editor, or names somebody else as owner.
            Conflict: If the name is taken by one that the caller may not see.
            InvalidInput: If the content or the name does not fit.
            NotFound: If there is no such definition that the caller may see.
            TemporalUnavailable: If Temporal cannot be reached.
        """
        return await self._put(name, content, "schedule.put", expected_revision)

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
        """Let a schedule fire again; raises as `pause` does."""
        return await self._steer(name, note, expected_revision, paused=False)

    async def trigger(self, name: str, overlap: Overlap | None = None) -> None:
        """Let a schedule fire once, now, paused or not.

        Args:
            name: Which.
            overlap: Instead of the schedule's own policy.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If the caller is no operator.
            TemporalUnavailable: If Temporal cannot be reached.
        """
        found = await self._steered(name)
        client = await self._client.temporal()
        async with self._journal.writing("schedule.trigger", "schedule", found.id):
            await client.schedules.trigger(self._tenant, name, overlap)

    async def backfill(self, name: str, backfill: Backfill) -> None:
        """Let a schedule fire now for each time between two moments at which it would have.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If the caller is no operator.
            TemporalUnavailable: If Temporal cannot be reached.
        """
        found = await self._steered(name)
        client = await self._client.temporal()
        async with self._journal.writing("schedule.backfill", "schedule", found.id):
            await client.schedules.backfill(
                self._tenant, name, backfill.start_at, backfill.end_at, backfill.overlap
            )

    async def delete(self, name: str, expected_revision: int | None = None) -> None:
        """Remove a schedule; open runs of it go on.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If the caller is no editor.
            RevisionMismatch: If somebody else changed it first.
            TemporalUnavailable: If Temporal cannot be reached.
        """
        found = await self._seen(name)
        self._access.require(Role.EDITOR, found.app_id)
        client = await self._client.temporal()
        async with self._journal.writing("schedule.delete", "schedule", found.id) as entry:
            entry.was(found)
            await client.schedules.delete(self._tenant, name, expected_revision=expected_revision)

    async def _put(
        self,
        name: str,
        content: ScheduleContent,
        action: str,
        expected_revision: int | None = None,
        *,
        only_new: bool = False,
    ) -> Schedule:
        self._access.require_anywhere(Role.EDITOR)
        before = await self._stored(name)
        app_id = await self._app_of(content)
        self._access.require(Role.EDITOR, app_id)
        self._access.require_foreign_type(content.workflow_type)
        principal = self._access.principal
        owner = content.owner
        if owner not in (None, principal.subject) and not principal.is_staff(app_id):
            error = Forbidden(
                "schedules are given to others by admins only", hint="leave owner out"
            )
            raise self._access.denied(error, "schedule", name)
        if before is None and owner is None:
            content = content.model_copy(update={"owner": principal.owner})
        client = await self._client.temporal()
        async with self._journal.writing(
            action, "schedule", None if before is None else before.id
        ) as entry:
            entry.was(before)
            stored, _ = await client.schedules.put(
                self._tenant,
                name,
                content,
                created_by=principal.owner,
                expected_revision=expected_revision,
                only_new=only_new,
            )
            entry.became(stored, stored.id)
        return stored

    async def _stored(self, name: str) -> Schedule | None:
        """Return the schedule that is about to be written; None for a new one.

        Raises:
            Conflict: If it is one that the caller does not see.
            Forbidden: If the caller may not change it.
        """
        try:
            found = await self._store.schedules.get(self._tenant, name)
        except NotFound:
            return None
        if not self._sees(found):
            raise Conflict(f"the name {name!r} is taken", hint="choose another one")
        self._access.require(Role.EDITOR, found.app_id)
        return found

    async def _app_of(self, content: ScheduleContent) -> str | None:
        """Return the app of the runs, if the caller may run the definition.

        Raises:
            NotFound: If there is no such definition that the caller may see.
            Forbidden: If the caller may start no runs of it.
        """
        if content.definition is None:
            return content.app_id
        definition = await self._client.definitions.get(content.definition)
        if definition.tenant_id != self._tenant:
            return content.app_id
        self._access.require(Role.OPERATOR, definition.app_id)
        return content.app_id if content.app_id is not None else definition.app_id

    async def _steer(
        self, name: str, note: str | None, expected_revision: int | None, *, paused: bool
    ) -> Schedule:
        found = await self._steered(name)
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

    async def _seen(self, name: str) -> Schedule:
        self._access.require_anywhere(Role.VIEWER)
        found = await self._store.schedules.get(self._tenant, name)
        if not self._sees(found):
            raise self._access.hidden("schedule", name, hint=_HINT)
        return found

    def _sees(self, found: Schedule) -> bool:
        principal = self._access.principal
        own = found.owner is not None and found.owner == principal.subject
        return own or principal.is_staff(found.app_id)
