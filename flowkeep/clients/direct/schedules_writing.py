"""Schedules as they are written: made, changed, given to somebody, removed."""

from flowkeep.clients.direct.noun import Noun
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.schedules import NewSchedule, OwnerRights, Schedule, ScheduleContent
from flowkeep.contracts.sight import Sight, sight_of
from flowkeep.errors import Conflict, Forbidden, NotFound, RevisionMismatch

_HINT = "look it up with `schedule list`"
_TRIES = 3


class ScheduleWriting(Noun):
    """Part of `client.schedules`: writes, and finding a schedule that the caller may see."""

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

        It stays paused or not, and keeps its owner unless another is given. Who moves it to another
        app has its runs from then on: its owner may have no rights there.

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
        for left in reversed(range(_TRIES)):
            before = await self._stored(name)
            app_id = await self._app_of(content)
            self._access.require(Role.EDITOR, app_id)
            self._access.require_foreign_type(content.workflow_type)
            owned = content.model_copy(
                update={"owner": self._owner_of(name, content, app_id, before)}
            )
            try:
                return await self._write(name, owned, action, before, expected_revision, only_new)
            except (Conflict, NotFound) as error:
                if expected_revision is not None or not left:
                    raise
                if not await self._overtaken(error, before, only_new):
                    raise
        raise AssertionError("the last try returns or raises")

    async def _overtaken(
        self, error: Conflict | NotFound, before: Schedule | None, only_new: bool
    ) -> bool:
        """Return whether what was checked is not what is stored by now.

        It is looked at anew then: it may be somebody else's.
        """
        if isinstance(error, Conflict):
            return not only_new or isinstance(error, RevisionMismatch)
        # Else a version of the definition is what there is not.
        return before is not None and await self._stored(before.name) != before

    async def _write(
        self,
        name: str,
        content: ScheduleContent,
        action: str,
        before: Schedule | None,
        expected_revision: int | None,
        only_new: bool,
    ) -> Schedule:
        client = await self._client.temporal()
        if before is not None and expected_revision is None:
            expected_revision = before.revision
        async with self._journal.writing(
            action, "schedule", None if before is None else before.id
        ) as entry:
            entry.was(before)
            stored, _ = await client.schedules.put(
                self._tenant,
                name,
                content,
                created_by=self._access.principal.owner,
                rights=self._rights_of(content.owner, before),
                expected_revision=expected_revision,
                only_new=only_new or (before is None and expected_revision is None),
            )
            entry.became(stored, stored.id)
        return stored

    def _owner_of(
        self, name: str, content: ScheduleContent, app_id: str | None, before: Schedule | None
    ) -> str | None:
        """Return whom the schedule is to belong to; None for whom it belongs to already.

        Raises:
            Forbidden: If somebody else is named by who is no staff.
        """
        principal = self._access.principal
        if content.owner not in (None, principal.subject) and not principal.is_staff(app_id):
            error = Forbidden(
                "schedules are given to others by admins only", hint="leave owner out"
            )
            raise self._access.denied(error, "schedule", name)
        stays = before is not None and before.app_id == app_id
        return content.owner if stays or content.owner is not None else principal.owner

    def _rights_of(self, owner: str | None, before: Schedule | None) -> OwnerRights | None:
        """Return what is known of an owner; None for what was known of them before.

        Whom staff gives a schedule to is known as a member of the tenant and no more.
        """
        principal = self._access.principal
        named = owner if owner is not None or before is None else before.owner
        if named is None:
            return None
        if named == principal.owner:
            keyed = principal.key_id is not None
            sight = None if keyed else sight_of(principal)
            return OwnerRights(keyed=keyed, system=principal.system, sight=sight)
        if before is not None and named == before.owner:
            return None
        return OwnerRights(sight=Sight(subject=named))

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
