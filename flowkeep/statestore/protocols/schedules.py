"""Schedules: as a tenant sees them, and as whoever compares them with Temporal does."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from flowkeep.contracts import Page, RunRef
from flowkeep.contracts.schedules import KeptSchedule, Schedule, ScheduleWrite
from flowkeep.contracts.sight import Sight


class ScheduleRepository(Protocol):
    """Schedules of a tenant. They fire in Temporal, which `WorkflowClient.schedules` tells."""

    async def save(
        self,
        tenant_id: str,
        new: ScheduleWrite,
        *,
        secrets: Mapping[UUID, dict[str, Any] | str] | None = None,
        expected_revision: int | None = None,
        only_new: bool = False,
    ) -> tuple[Schedule, bool]:
        """Make a schedule, or bring the one of that name to this content.

        With the same content, secrets included, nothing is written. One that exists stays paused
        or not, keeps its ids, and its owner unless one is given.

        Args:
            tenant_id: Whose.
            new: The content.
            secrets: What was taken out of its arguments, by the id of the reference.
            expected_revision: The revision that was read.
            only_new: Refuse to change one that exists.

        Returns:
            The schedule, and whether it was made.

        Raises:
            RevisionMismatch: If it is at another revision.
            NotFound: If a revision is expected and there is none.
            Conflict: If `only_new` meets one with another content.
            InvalidInput: If something cannot be stored.
        """
        ...

    async def get(self, tenant_id: str, name: str) -> Schedule:
        """Return a schedule.

        Raises:
            NotFound: If the tenant has none of this name.
        """
        ...

    async def arguments(self, tenant_id: str, name: str) -> dict[str, Any]:
        """Return what the runs of a schedule get, with references in the place of secrets.

        Raises:
            NotFound: If the tenant has none of this name.
        """
        ...

    async def list(
        self,
        tenant_id: str,
        *,
        sight: Sight | None = None,
        app_id: str | None = None,
        limit: int = 20,
        last_name: str | None = None,
    ) -> Page[Schedule]:
        """Return a page of schedules, by name.

        Args:
            tenant_id: Whose.
            sight: What somebody may see; None for everything.
            app_id: Only those of this app.
            limit: Rows per page, 1 to 100.
            last_name: Name of the last one of the page before.
        """
        ...

    async def require_rights(self, tenant_id: str, name: str) -> None:
        """Refuse if the owner of a schedule may start no runs any more.

        Raises:
            NotFound: If the tenant has none of this name.
            Forbidden: If they showed an API key, and none of theirs allows it now.
        """
        ...

    async def set_paused(
        self,
        tenant_id: str,
        name: str,
        *,
        paused: bool,
        note: str | None = None,
        expected_revision: int | None = None,
    ) -> Schedule:
        """Say that a schedule is to fire no more, or again.

        Raises:
            NotFound: If the tenant has none of this name.
            RevisionMismatch: If it is at another revision.
        """
        ...

    async def delete(
        self, tenant_id: str, name: str, *, expected_revision: int | None = None
    ) -> Schedule:
        """Mark a schedule as deleted; its name is free.

        What it says of its firings is kept for a while: some may not be recorded yet.

        Raises:
            NotFound: If the tenant has none of this name.
            RevisionMismatch: If it is at another revision.
        """
        ...

    async def discard(self, tenant_id: str, schedule_id: UUID) -> None:
        """Remove a schedule that Temporal has nothing of, with all that is its alone.

        Raises:
            NotFound: If the tenant has none of this id.
        """
        ...


class ScheduleRecordRepository(Protocol):
    """Forms without a tenant, for the reconciler and for workers."""

    async def schedules_after(
        self, after: UUID | None = None, *, limit: int = 100
    ) -> Sequence[KeptSchedule]:
        """Return schedules of all tenants by id, deleted ones among them.

        Args:
            after: Id of the last one of the page before.
            limit: Most of them, 1 to 100.
        """
        ...

    async def schedule_known(self, temporal_id: str, schedule_id: UUID) -> bool:
        """Return whether the ledger has a schedule, deleted or not."""
        ...

    async def schedule_applied(
        self, schedule_id: UUID, revision: int, *, error: str | None = None
    ) -> KeptSchedule | None:
        """Say that Temporal has a revision of a schedule, or why it has not.

        Returns:
            The schedule as it is now, which may be newer; None where it is gone.
        """
        ...

    async def schedule_paused(
        self, schedule_id: UUID, revision: int, *, paused: bool, note: str | None
    ) -> None:
        """Take over that Temporal paused or resumed a schedule, unless it has changed since.

        Args:
            schedule_id: The schedule.
            revision: The revision that both had.
            paused: What Temporal says.
            note: What Temporal says.
        """
        ...

    async def schedules_without_rights(self) -> Sequence[tuple[str, str, str]]:
        """Return tenant and name of schedules whose owner may start no runs any more, and why.

        Those that are paused are left out.
        """
        ...

    async def purge_schedules(self, older_than: timedelta) -> int:
        """Remove schedules that were deleted long ago and that Temporal has no more.

        Returns:
            How many; a hundred at most.
        """
        ...

    async def pin_scheduled(self, run: RunRef) -> tuple[UUID, int]:
        """Return the definition and the version that the firing of a schedule runs.

        What cannot run is noted at the schedule as its last error.

        Raises:
            NotFound: If the run, the schedule or the definition is gone, or the schedule's owner
                does not see that any more.
            Forbidden: If the schedule's owner may start no runs any more.
            InvalidInput: If the definition is disabled or a draft.
        """
        ...
