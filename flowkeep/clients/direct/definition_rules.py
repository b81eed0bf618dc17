"""Who may see and change which definition."""

from functools import cached_property
from uuid import UUID

from flowkeep.clients.authoring import Authoring
from flowkeep.clients.authoring_known import stored_under
from flowkeep.clients.direct.noun import Noun
from flowkeep.contracts import App, Definition
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.definition_answers import DefinitionAnswer
from flowkeep.contracts.sight import Sight, sight_of
from flowkeep.errors import Conflict, Forbidden, NotFound


class DefinitionRules(Noun):
    """What the parts of `client.definitions` share: finding, refusing, answering."""

    @property
    def _sight(self) -> Sight | None:
        """What the caller sees of the tenant; None for staff of all of it."""
        return sight_of(self._access.principal)

    @property
    def _actor(self) -> str | None:
        return self._access.principal.owner

    @cached_property
    def _authoring(self) -> Authoring:
        return Authoring(self._store, self._sight)

    def _sees(self, found: Definition) -> bool:
        if found.tenant_id != self._tenant:
            return True  # the ledger gives of other tenants only what they share
        return self._sight is None or self._sight.sees(found)

    async def _find(self, definition: UUID | str) -> Definition:
        """Return a definition by its id or its ref.

        Raises:
            Forbidden: If the caller has no role at all.
            NotFound: If there is none that the caller may see.
        """
        self._access.require_anywhere(Role.VIEWER)
        found = await self._authoring.find(self._tenant, definition)
        if not self._sees(found):
            error = NotFound(
                f"definition {str(definition)!r} does not exist",
                hint="look it up with `definition list`",
            )
            raise self._access.denied(error, "definition", found.id)
        return found

    async def _find_to_edit(self, definition: UUID | str) -> Definition:
        """Return a definition that the caller may change.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If it is another tenant's, somebody else's, or the role is not enough.
        """
        found = await self._find(definition)
        self._require_editing(found)
        return found

    def _require_editing(self, found: Definition) -> None:
        if found.tenant_id != self._tenant:
            error = Forbidden(
                f"definition {found.id} belongs to another tenant",
                hint="it is shared to be read and executed; copy it to change it",
            )
            raise self._access.denied(error, "definition", found.id)
        self._access.require(Role.EDITOR, found.app_id)
        principal = self._access.principal
        if principal.is_staff(found.app_id) or found.owner == principal.subject:
            return
        error = Forbidden(
            f"definition {found.ref!r} belongs to somebody else",
            hint="ask its owner, or an admin to make it yours",
        )
        raise self._access.denied(error, "definition", found.id)

    def _require_owner(self, owner: str | None, app_id: str | None) -> None:
        """Refuse to make something somebody else's; that is for staff.

        Raises:
            Forbidden: If the caller is not staff.
        """
        if owner != self._access.principal.subject and not self._access.principal.is_staff(app_id):
            error = Forbidden(
                "definitions are given to others by admins only", hint="leave owner out"
            )
            raise self._access.denied(error, "definition")

    async def _stored_to_edit(self, ref: str) -> Definition | None:
        """Return the definition of a ref that the caller is about to write; None for a new one.

        Raises:
            Conflict: If it is one that the caller does not see.
            Forbidden: If the caller may not change it.
        """
        found = await stored_under(self._store, self._tenant, ref)
        if found is None:
            return None
        if not self._sees(found):
            raise Conflict(f"ref {ref!r} is taken", hint="choose another one")
        self._require_editing(found)
        return found

    async def _answer(self, stored: Definition) -> DefinitionAnswer:
        """Return a definition as the API tells it."""
        app: App | None = None
        if stored.app_id is not None and stored.tenant_id == self._tenant:
            try:
                app = await self._store.apps.get(self._tenant, stored.app_id)
            except NotFound:  # apps need not be recorded
                app = None
        return DefinitionAnswer.of(stored, app)


def as_uuid(definition: UUID | str) -> UUID | None:
    """Return an id, or None for what can only be a ref."""
    try:
        return UUID(str(definition))
    except ValueError:
        return None
