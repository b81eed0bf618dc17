"""Retention: how long runs are kept, and their removal."""

from datetime import UTC, datetime
from uuid import UUID

from flowkeep.clients.direct.deadline import Deadline, TimeUp
from flowkeep.clients.direct.noun import Noun
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.retention import PolicyContent, RetentionSlice, RunHold
from flowkeep.contracts.retention import RetentionPolicy, RetentionReport
from flowkeep.errors import InvalidInput, NotFound
from flowkeep.statestore.repositories import inputs

_FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)
_USUAL = RetentionSlice()


class Retention(Noun):
    """Retention; it is `client.retention`. For staff: of an app, what concerns the app alone."""

    async def list(
        self, *, limit: int = 20, cursor: UUID | None = None
    ) -> Listing[RetentionPolicy]:
        """Return a page of policies, the tenant's own first.

        Args:
            limit: Rows per page, 1 to 100.
            cursor: `next` of the page before.

        Raises:
            Forbidden: If the caller is staff nowhere.
            InvalidInput: If the policy of the cursor is gone.
        """
        self._access.require_anywhere(Role.ADMIN)
        principal, size = self._access.principal, inputs.page_limit(limit)
        # A tenant has few, and they are read together wherever they are applied.
        known = [
            policy
            for policy in await self._store.retention.list_policies(self._tenant)
            if principal.is_staff(policy.app_id)
        ]
        start = 0
        if cursor is not None:
            places = [at for at, policy in enumerate(known, 1) if policy.id == cursor]
            if not places:
                raise InvalidInput(
                    f"cursor {cursor} names no policy of this list", hint="begin the list anew"
                )
            start = places[0]
        page = tuple(known[start : start + size])
        more = len(known) > start + size
        return Listing(
            data=page, limit=size, has_more=more, next=str(page[-1].id) if more else None
        )

    async def get(
        self, *, app_id: str | None = None, definition_id: UUID | None = None
    ) -> RetentionPolicy:
        """Return the policy of exactly one scope: an app's, a definition's, else the tenant's.

        Raises:
            NotFound: If there is none.
            Forbidden: If the caller is no staff there.
        """
        self._access.require(Role.ADMIN, app_id)
        found = await self._find(app_id, definition_id)
        if found is None:
            raise _none(app_id, definition_id)
        return found

    async def set(
        self,
        content: PolicyContent,
        *,
        app_id: str | None = None,
        definition_id: UUID | None = None,
        expected_revision: int | None = None,
    ) -> RetentionPolicy:
        """Set the policy of a scope as a whole.

        Args:
            content: The policy.
            app_id: The app it is for.
            definition_id: The definition it is for; with neither, it is the tenant's.
            expected_revision: The revision that was read; 0 means there must be none yet.

        Raises:
            Forbidden: If the caller is no staff there.
            InvalidInput: If both an app and a definition are named.
            RevisionMismatch: If somebody else was first.
        """
        self._access.require(Role.ADMIN, app_id)
        async with self._journal.writing("retention.set", "retention_policy") as entry:
            entry.was(await self._find(app_id, definition_id))
            policy = await self._store.retention.set_policy(
                self._tenant,
                app_id=app_id,
                definition_id=definition_id,
                days=content.days,
                archive_first=content.archive_first,
                legal_hold=content.legal_hold,
                expected_revision=expected_revision,
                actor=self._access.principal.owner,
            )
            entry.became(policy, policy.id)
            return policy

    async def remove(
        self,
        *,
        app_id: str | None = None,
        definition_id: UUID | None = None,
        expected_revision: int | None = None,
    ) -> None:
        """Remove the policy of exactly one scope; arguments as of `set`.

        Raises:
            NotFound: If there is none.
            Forbidden: If the caller is no staff there.
            RevisionMismatch: If somebody else changed it.
        """
        before = await self.get(app_id=app_id, definition_id=definition_id)
        async with self._journal.writing("retention.remove", "retention_policy", before.id) as line:
            line.was(before)
            gone = await self._store.retention.delete_policy(
                self._tenant,
                app_id=app_id,
                definition_id=definition_id,
                expected_revision=expected_revision,
            )
            if not gone:
                raise _none(app_id, definition_id)

    async def plan(self, *, max_seconds: float | None = None) -> RetentionReport:
        """Count what the policies would remove now; nothing is locked or changed.

        Args:
            max_seconds: When to stop: the step where time ran out is then not `done`, and those
                behind it are missing. Without a limit all is counted; over HTTP the service
                stops after 20 seconds.

        Raises:
            Forbidden: If the caller is no admin of the tenant.
        """
        self._access.require(Role.ADMIN)
        deadline = Deadline[RetentionReport](max_seconds)
        try:
            return await self._store.retention.plan(self._tenant, on_progress=deadline)
        except TimeUp:
            assert deadline.last is not None, "the time is up only when something was told"
            *whole, last = deadline.last.steps
            steps = (*whole, last.model_copy(update={"done": False}))
            return deadline.last.model_copy(update={"steps": steps})

    async def apply(self, part: RetentionSlice = _USUAL) -> RetentionReport:
        """Remove what the policies say, for some seconds.

        Args:
            part: How long and how fast; with `resume` of the report before it goes on there.

        Raises:
            Forbidden: If the caller is no admin of the tenant.
        """
        self._access.require(Role.ADMIN)
        async with self._journal.writing("retention.apply", "tenant", self._tenant) as entry:
            report = await self._store.retention.apply(
                self._tenant,
                batch_size=part.batch_size,
                max_runs_per_second=part.max_runs_per_second,
                max_seconds=part.max_seconds,
                resume=part.resume,
            )
            entry.became(report)
            return report

    async def hold(self, run_id: UUID, until: datetime | None = None) -> RunHold:
        """Hold a run against every removal.

        Args:
            run_id: The run.
            until: When the hold ends by itself; it lasts until `release` when left out.

        Raises:
            NotFound: If there is no run that the caller sees.
            Forbidden: If the caller is no staff there.
        """
        return await self._hold("run.hold", run_id, until or _FOR_EVER)

    async def release(self, run_id: UUID) -> RunHold:
        """Release the hold of a run; raises as `hold` does."""
        return await self._hold("run.release", run_id, None)

    async def _hold(self, action: str, run_id: UUID, until: datetime | None) -> RunHold:
        run = await self._client.runs.get(run_id)
        self._access.require(Role.ADMIN, run.app_id)
        async with self._journal.writing(action, "run", run_id) as entry:
            entry.was(run)
            held = await self._store.runs.set_hold(
                self._tenant, run_id, until, actor=self._access.principal.owner
            )
            entry.became(held)
        return RunHold(run_id=held.id, hold_until=held.hold_until)

    async def _find(self, app_id: str | None, definition_id: UUID | None) -> RetentionPolicy | None:
        return await self._store.retention.get_policy(
            self._tenant, app_id=app_id, definition_id=definition_id
        )


def _none(app_id: str | None, definition_id: UUID | None) -> NotFound:
    whose = "the tenant" if app_id is None else f"app {app_id!r}"
    if definition_id is not None:
        whose = f"definition {definition_id}"
    return NotFound(f"{whose} has no retention policy", hint="`flowkeep retention list` shows all")
