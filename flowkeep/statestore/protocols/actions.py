"""Actions."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from flowkeep.contracts import Action, ActionPatch, NewAction, Page


class ActionRepository(Protocol):
    """What tasks of definitions can call: code that workers serve, or a definition.

    Lists are ordered newest first by (created_at, id).
    """

    async def create(self, tenant_id: str, new: NewAction) -> Action:
        """Record an action, or return the one recorded under its ref with the same content.

        Raises:
            Conflict: If the ref is taken with other content, or the id by another action.
            NotFound: If the tenant sees no such definition.
            InvalidInput: If a field is malformed or too big.
        """
        ...

    async def register(
        self, tenant_id: str, actions: Sequence[NewAction], *, worker: str
    ) -> Sequence[Action]:
        """Record what a worker serves: new actions, new schemas, and that it was seen now.

        Being seen changes neither revision nor updated_at; label, description, app or schemas
        that differ do. The link to a definition stays.

        Args:
            tenant_id: For whom the worker serves.
            actions: At most 1000; `id` and `definition_id` are left out.
            worker: Who serves them.

        Returns:
            The actions as stored, in the order given.

        Raises:
            InvalidInput: If a field is malformed, or a ref is given twice.
        """
        ...

    async def get(self, tenant_id: str, action_id: UUID) -> Action:
        """Return an action.

        Raises:
            NotFound: If the tenant has none of this id.
        """
        ...

    async def get_by_ref(self, tenant_id: str, ref: str) -> Action:
        """Return an action by its ref.

        Raises:
            NotFound: If the tenant has none of this ref.
        """
        ...

    async def list(
        self,
        tenant_id: str,
        *,
        app_id: str | None = None,
        apps: Sequence[str] | None = None,
        limit: int = 20,
        last_id: UUID | None = None,
    ) -> Page[Action]:
        """Return a page of actions.

        Args:
            tenant_id: Whose actions.
            app_id: Only this app's.
            apps: Only those of these apps, and those of none, which serve the whole tenant.
            limit: Rows per page, 1 to 100.
            last_id: Id of the last action of the page before.

        Raises:
            InvalidInput: If the limit is out of range or `last_id` names no action of the tenant.
        """
        ...

    async def find_workflows(
        self, tenant_id: str, *, limit: int = 20, last_id: UUID | None = None
    ) -> Page[Action]:
        """Return a page of the actions that stand for a definition."""
        ...

    async def find_by_definition(
        self,
        tenant_id: str,
        definition_id: UUID,
        *,
        limit: int = 20,
        last_id: UUID | None = None,
    ) -> Page[Action]:
        """Return a page of the tenant's actions that stand for this definition."""
        ...

    async def update(
        self, tenant_id: str, action_id: UUID, patch: ActionPatch, *, expected_revision: int
    ) -> Action:
        """Change the fields that the patch gives; one with nothing to do writes nothing.

        Raises:
            RevisionMismatch: If somebody changed it since it was read.
            NotFound: If it does not exist.
            Forbidden: If it belongs to another tenant.
        """
        ...

    async def link_definition(
        self,
        tenant_id: str,
        action_id: UUID,
        definition_id: UUID | None,
        *,
        expected_revision: int | None = None,
    ) -> Action:
        """Let an action stand for a definition, its own tenant's or a shared one; None: for none.

        Linking it where it is linked already writes nothing.

        Raises:
            NotFound: If the action does not exist, or the tenant sees no such definition.
            RevisionMismatch: If `expected_revision` is given and is not the stored one.
            Forbidden: If the action belongs to another tenant.
        """
        ...

    async def delete(self, tenant_id: str, action_id: UUID) -> bool:
        """Remove an action; returns whether it existed.

        Raises:
            Forbidden: If it belongs to another tenant.
        """
        ...
