"""Schedules: stored in the ledger, fired by Temporal.

The ledger is written first and says which revision Temporal has. Whoever dies between the two
leaves a difference that `ScheduleRepair` finds.
"""

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING

from temporalio.client import ScheduleAlreadyRunningError, ScheduleHandle

from flowkeep.clients.schedule_actions import (
    backfill_of,
    overlap_of,
    state_of,
    temporal_schedule,
    translated,
    updated,
)
from flowkeep.clients.schedule_content import prepare
from flowkeep.contracts.schedule_spec import Overlap
from flowkeep.contracts.schedules import OwnerRights, Schedule, ScheduleContent, ScheduleState
from flowkeep.errors import InvalidInput, NotFound
from flowkeep.statestore.repositories.schedule_rows import absent

if TYPE_CHECKING:
    from flowkeep.clients.workflow import WorkflowClient

_PREFIX = "flowkeep-schedule"
_PAGE = 100


class Schedules:
    """Schedules; it is `client.schedules`. Names are unique in a tenant.

    Args:
        client: The client it belongs to.
    """

    def __init__(self, client: "WorkflowClient") -> None:
        self._client = client
        self._store = client.store

    @property
    def prefix(self) -> str:
        """What the ids of this ledger's schedules in Temporal begin with."""
        ledger = f"{self._store.identity}\x00{self._store.schema_name}"
        return f"{_PREFIX}:{hashlib.sha256(ledger.encode()).hexdigest()[:12]}:"

    async def put(
        self,
        tenant_id: str,
        name: str,
        content: ScheduleContent,
        *,
        created_by: str | None = None,
        rights: OwnerRights | None = None,
        expected_revision: int | None = None,
        only_new: bool = False,
    ) -> tuple[Schedule, bool]:
        """Make a schedule, or bring the one of that name to this content.

        Repeating it changes nothing. One that exists stays paused or not, and keeps its owner
        unless another is given.

        Args:
            tenant_id: Whose.
            name: Its name in the tenant; it never changes.
            content: What it is to be; secrets in its arguments are replaced by references.
            created_by: Who makes it.
            rights: What its owner may do, for a service that lets people make schedules: firings
                then run nothing that the owner does not see. What is known of the same owner
                already when left out; of another one, nothing is asked.
            expected_revision: The revision that was read.
            only_new: Refuse to change one that exists.

        Returns:
            The schedule, and whether it was made.

        Raises:
            InvalidInput: If the content does not fit, or Temporal refuses it.
            NotFound: If there is no such definition or version.
            RevisionMismatch: If somebody else changed it first.
            Conflict: If `only_new` meets one with another content.
            TemporalUnavailable: If Temporal does not answer; it is told when it is back.
        """
        new, secrets = await prepare(
            self._client,
            tenant_id,
            name,
            content,
            prefix=self.prefix,
            created_by=created_by,
            rights=rights,
        )
        before = None if only_new else await self._existing(tenant_id, name)
        stored, made = await self._store.schedules.save(
            tenant_id,
            new,
            secrets=secrets,
            expected_revision=expected_revision,
            only_new=only_new,
        )
        recount = before is None or before.remaining_actions != stored.remaining_actions
        return await self._tell(stored, made=made, recount=recount), made

    async def get(self, tenant_id: str, name: str) -> Schedule:
        """Return a schedule as the ledger has it.

        Raises:
            NotFound: If there is none.
        """
        return await self._store.schedules.get(tenant_id, name)

    async def describe(self, tenant_id: str, name: str) -> ScheduleState:
        """Return what Temporal tells of a schedule: next firings, last ones, open runs.

        Raises:
            NotFound: If there is none, or Temporal has not been told of it yet.
            TemporalUnavailable: If Temporal does not answer.
        """
        found = await self.get(tenant_id, name)
        async with translated(name):
            return state_of(await self.handle(found).describe())

    async def pause(
        self,
        tenant_id: str,
        name: str,
        note: str | None = None,
        *,
        expected_revision: int | None = None,
    ) -> Schedule:
        """Let a schedule fire no more until `resume`; open runs go on. Raises as `describe`."""
        return await self._set_paused(tenant_id, name, note, expected_revision, paused=True)

    async def resume(
        self,
        tenant_id: str,
        name: str,
        note: str | None = None,
        *,
        expected_revision: int | None = None,
    ) -> Schedule:
        """Let a schedule fire again; raises as `describe`."""
        return await self._set_paused(tenant_id, name, note, expected_revision, paused=False)

    async def trigger(self, tenant_id: str, name: str, overlap: Overlap | None = None) -> None:
        """Let a schedule fire once, now, paused or not.

        Args:
            tenant_id: Whose.
            name: Which.
            overlap: Instead of the schedule's own policy.

        Raises:
            NotFound: If there is none, or Temporal has not been told of it yet.
            TemporalUnavailable: If Temporal does not answer.
        """
        found = await self.get(tenant_id, name)
        async with translated(name):
            await self.handle(found).trigger(overlap=overlap_of(overlap))

    async def backfill(
        self,
        tenant_id: str,
        name: str,
        start_at: datetime,
        end_at: datetime,
        overlap: Overlap | None = None,
    ) -> None:
        """Let a schedule fire now for every time between two moments at which it would have.

        Args:
            tenant_id: Whose.
            name: Which.
            start_at: The first moment, with a time zone.
            end_at: The last moment, with a time zone.
            overlap: Instead of the schedule's own policy.

        Raises:
            NotFound: If there is none, or Temporal has not been told of it yet.
            TemporalUnavailable: If Temporal does not answer.
        """
        found = await self.get(tenant_id, name)
        async with translated(name):
            await self.handle(found).backfill(backfill_of(start_at, end_at, overlap))

    async def delete(
        self, tenant_id: str, name: str, *, expected_revision: int | None = None
    ) -> None:
        """Remove a schedule; open runs of it go on.

        Raises:
            NotFound: If there is none.
            RevisionMismatch: If somebody else changed it first.
            TemporalUnavailable: If Temporal does not answer; it is told when it is back.
        """
        marked = await self._store.schedules.delete(
            tenant_id, name, expected_revision=expected_revision
        )
        await self.remove(marked)

    async def delete_all(self, tenant_id: str) -> int:
        """Remove all schedules of a tenant, before it is erased; returns how many."""
        count = 0
        while page := (await self._store.schedules.list(tenant_id, limit=_PAGE)).data:
            for one in page:
                await self.delete(tenant_id, one.name)
            count += len(page)
        return count

    def handle(self, found: Schedule) -> ScheduleHandle:
        """Return Temporal's handle of a schedule."""
        return self._client.temporal.get_schedule_handle(found.temporal_id)

    async def apply(
        self, found: Schedule, *, resume: bool = False, recount: bool = False
    ) -> Schedule:
        """Bring Temporal to what the ledger says of a schedule, and note that it is.

        Args:
            found: The schedule as the ledger has it.
            resume: Whether one that Temporal has paused fires again.
            recount: Whether `remaining_actions` begins anew.

        Raises:
            NotFound: If it is deleted meanwhile.
            InvalidInput: If Temporal refuses it.
            TemporalUnavailable: If Temporal does not answer.
        """
        while True:
            await self._tell_once(found, resume=resume, recount=recount)
            now = await self._store.system.schedule_applied(found.id, found.revision)
            if now is None or now.deleted_at is not None:  # while we told Temporal
                await self.remove(now or found)
                raise absent(found.name)
            if now.revision == found.revision:
                return now.plain()
            found = now.plain()  # somebody's newer one may have been told before ours

    async def remove(self, marked: Schedule) -> None:
        """Take a schedule that is marked as deleted out of Temporal."""
        try:
            async with translated(marked.name):
                await self.handle(marked).delete()
        except NotFound:
            pass  # somebody else has, or it never was there
        await self._store.system.schedule_applied(marked.id, marked.revision)

    async def _tell_once(self, found: Schedule, *, resume: bool, recount: bool) -> None:
        async with translated(found.name):
            try:
                await self._client.temporal.create_schedule(
                    found.temporal_id, temporal_schedule(found)
                )
            except ScheduleAlreadyRunningError:
                await self.handle(found).update(updated(found, resume=resume, recount=recount))

    async def _tell(self, stored: Schedule, *, made: bool, recount: bool) -> Schedule:
        if stored.applied:
            return stored
        try:
            return await self.apply(stored, recount=recount)
        except InvalidInput as error:
            if made:
                await self._store.schedules.discard(stored.tenant_id, stored.id)
            else:
                await self._store.system.schedule_applied(
                    stored.id, stored.revision, error=error.message
                )
            raise

    async def _set_paused(
        self, tenant_id: str, name: str, note: str | None, expected: int | None, *, paused: bool
    ) -> Schedule:
        found = await self._store.schedules.set_paused(
            tenant_id, name, paused=paused, note=note, expected_revision=expected
        )
        # Told even where the ledger has it so already: Temporal may have paused it by itself.
        return await self.apply(found, resume=True)

    async def _existing(self, tenant_id: str, name: str) -> Schedule | None:
        try:
            return await self._store.schedules.get(tenant_id, name)
        except NotFound:
            return None
