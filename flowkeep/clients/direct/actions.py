"""Actions: what tasks of definitions can call."""

from uuid import UUID

from flowkeep.clients.direct.definition_rules import as_uuid
from flowkeep.clients.direct.noun import Noun
from flowkeep.contracts import Action, ActionPatch, Definition, NewAction
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.listing import Listing, listed
from flowkeep.contracts.sight import sight_of
from flowkeep.statestore.repositories import inputs


class Actions(Noun):
    """Actions; it is `client.actions`.

    Members see all of their tenant; who has roles in apps only sees those of these apps, and those
    of no app, which serve the whole tenant.
    """

    async def create(self, new: NewAction) -> Action:
        """Record an action, or return the one that was recorded with the same content.

        Raises:
            Forbidden: If the caller is no editor there.
            Conflict: If the ref or the id is taken.
            NotFound: If the definition it stands for is not there, or not to be seen.
        """
        self._access.require(Role.EDITOR, new.app_id)
        if new.definition_id is not None:
            await self._client.definitions.get(new.definition_id)
        async with self._journal.writing("action.create", "action") as entry:
            made = await self._store.actions.create(self._tenant, new)
            entry.became(made, made.id)
            return made

    async def get(self, action: UUID | str) -> Action:
        """Return an action by its id or its ref.

        Raises:
            NotFound: If there is none that the caller may see.
        """
        self._access.require_anywhere(Role.VIEWER)
        action_id = as_uuid(action)
        if action_id is not None:
            found = await self._store.actions.get(self._tenant, action_id)
        else:
            found = await self._store.actions.get_by_ref(self._tenant, str(action))
        if found.app_id is not None and not self._access.principal.may(Role.VIEWER, found.app_id):
            named = action if action_id is None else action_id
            raise self._access.hidden("action", named, hint="create or register it")
        return found

    async def list(
        self,
        *,
        app_id: str | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Listing[Action]:
        """Return a page of actions, newest first.

        Args:
            app_id: Only this app's.
            limit: Rows per page, 1 to 100.
            cursor: `next` of the page before.
        """
        self._access.require_anywhere(Role.VIEWER)
        sight = sight_of(self._access.principal)
        page = await self._store.actions.list(
            self._tenant,
            app_id=app_id,
            apps=None if sight is None else sight.apps,
            limit=limit,
            last_id=None if cursor is None else inputs.run_id(cursor, "cursor"),
        )
        return listed(page, lambda row: row.id)

    async def update(
        self, action: UUID | str, patch: ActionPatch, *, expected_revision: int | None = None
    ) -> Action:
        """Change the fields that are given.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If the caller is no editor there.
            RevisionMismatch: If somebody changed it since it was read.
        """
        found = await self._find_to_edit(action)
        if "app_id" in patch.model_fields_set:
            self._access.require(Role.EDITOR, patch.app_id)
        async with self._journal.writing("action.update", "action", found.id) as entry:
            entry.was(found)
            changed = await self._store.actions.update(
                self._tenant,
                found.id,
                patch,
                expected_revision=found.revision
                if expected_revision is None
                else expected_revision,
            )
            entry.became(changed)
            return changed

    async def link(
        self,
        action: UUID | str,
        definition: UUID | str | None,
        *,
        expected_revision: int | None = None,
    ) -> Action:
        """Let an action stand for a definition, or for none.

        Raises:
            NotFound: If there is no such action or definition that the caller may see.
            Forbidden: If the caller is no editor there.
            RevisionMismatch: If somebody changed it since it was read.
        """
        found = await self._find_to_edit(action)
        linked: Definition | None = None
        if definition is not None:
            linked = (await self._client.definitions.get(definition)).stored
        async with self._journal.writing("action.link", "action", found.id) as entry:
            entry.was(found)
            changed = await self._store.actions.link_definition(
                self._tenant,
                found.id,
                None if linked is None else linked.id,
                expected_revision=expected_revision,
            )
            entry.became(changed)
            return changed

    async def delete(self, action: UUID | str) -> None:
        """Remove an action; a worker that serves it records it again.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If the caller is no editor there.
        """
        found = await self._find_to_edit(action)
        async with self._journal.writing("action.delete", "action", found.id) as entry:
            entry.was(found)
            await self._store.actions.delete(self._tenant, found.id)

    async def _find_to_edit(self, action: UUID | str) -> Action:
        found = await self.get(action)
        self._access.require(Role.EDITOR, found.app_id)
        return found
