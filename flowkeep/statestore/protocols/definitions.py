"""Stored definitions."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from flowkeep.contracts import (
    Definition,
    DefinitionPatch,
    DefinitionSummary,
    DefinitionVersion,
    Deleted,
    NewDefinition,
    Page,
    VersionSummary,
)
from flowkeep.contracts.sight import Sight


class DefinitionRepository(Protocol):
    """Definitions, their versions, and how often they were executed.

    A tenant reads its own definitions and those that others share (`Visibility.SHARED`); it changes
    only its own. Who may see what within a tenant is decided above: lists take it as `visible_to`,
    everything else sees all.

    A change of spec, canvas or a schema makes a version, whose content never changes; a run pins
    one. A draft may have errors and cannot be executed. However often a draft is saved it has one
    version, which is kept when it is saved with `draft=False`.

    Spec and canvas have at most 1 MiB of JSON each, a schema 256 KiB.
    """

    async def create(self, tenant_id: str, new: NewDefinition) -> Definition:
        """Store a definition at revision 0, with its first version and what it uses.

        A ref and a slug that are not given are made from the name, with -2, -3 and so on where
        they are taken.

        Raises:
            InvalidInput: If a name is malformed, something cannot be stored or is too big, or the
                canvas or `errors` list problems and it is no draft; names the path.
            Conflict: If a given ref or slug is taken, or `id` by another definition.
            Forbidden: If `id` belongs to another tenant.
        """
        ...

    async def get(self, tenant_id: str, definition_id: UUID) -> Definition:
        """Return a definition with its newest content.

        Raises:
            NotFound: If the tenant has no such definition and nobody shares it.
        """
        ...

    async def get_by_ref(
        self, tenant_id: str, ref: str, *, of_tenant: str | None = None
    ) -> Definition:
        """Return a definition by its ref.

        Args:
            tenant_id: Who asks.
            ref: The ref.
            of_tenant: Whose definition, for one that another tenant shares.

        Raises:
            NotFound: If there is none, or it is not shared.
        """
        ...

    async def list(
        self,
        tenant_id: str,
        *,
        app_id: str | None = None,
        app_name: str | None = None,
        parent: str | None = None,
        owner: str | None = None,
        tag: str | None = None,
        enabled: bool | None = None,
        draft: bool | None = None,
        module: str | None = None,
        step: str | None = None,
        text: str | None = None,
        include_shared: bool = False,
        visible_to: Sight | None = None,
        limit: int = 20,
        last_id: UUID | None = None,
    ) -> Page[DefinitionSummary]:
        """Return a page of definitions, newest first by (created_at, id).

        Args:
            tenant_id: Who asks.
            app_id: Only this app's.
            app_name: Only those of apps with this name.
            parent: Only those of apps with this parent.
            owner: Only this owner's.
            tag: Only those with this tag.
            enabled: Only enabled or only disabled ones.
            draft: Only drafts, or none.
            module: Only those that use this module.
            step: Only those that use this step; with `module`, inside of it.
            text: Only those with this text, in any case, in name, ref or description.
            include_shared: Also what other tenants share; those of an app are the tenant's own.
            visible_to: Of the tenant's own only what somebody sees; all when left out.
            limit: Rows per page, 1 to 100.
            last_id: Id of the last definition of the page before.

        Raises:
            InvalidInput: If the limit is out of range, a filter is malformed, or `last_id` names
                no definition that the tenant may see.
        """
        ...

    async def find_by_app(
        self, tenant_id: str, app_id: str, *, limit: int = 20, last_id: UUID | None = None
    ) -> Page[DefinitionSummary]:
        """Return a page of an app's definitions, newest first."""
        ...

    async def find_enabled(
        self, tenant_id: str, *, limit: int = 20, last_id: UUID | None = None
    ) -> Page[DefinitionSummary]:
        """Return a page of the definitions that are enabled, drafts included, newest first."""
        ...

    async def find_by_tag(
        self, tenant_id: str, tag: str, *, limit: int = 20, last_id: UUID | None = None
    ) -> Page[DefinitionSummary]:
        """Return a page of the definitions with a tag, newest first."""
        ...

    async def find_by_module(
        self, tenant_id: str, module: str, *, limit: int = 20, last_id: UUID | None = None
    ) -> Page[DefinitionSummary]:
        """Return a page of the definitions that use a module, newest first."""
        ...

    async def find_by_step(
        self,
        tenant_id: str,
        step: str,
        module: str | None = None,
        *,
        limit: int = 20,
        last_id: UUID | None = None,
    ) -> Page[DefinitionSummary]:
        """Return a page of the definitions that use a step, in any module or in this one."""
        ...

    async def update(
        self,
        tenant_id: str,
        definition_id: UUID,
        patch: DefinitionPatch,
        *,
        expected_revision: int,
        actor: str | None = None,
    ) -> Definition:
        """Change the fields that the patch gives; one with nothing to do writes nothing.

        Args:
            tenant_id: Whose definition.
            definition_id: The definition.
            patch: Fields not given stay, null clears. New content without `errors` drops those
                that a validation of the old one found.
            expected_revision: The revision that was read.
            actor: Who does it; noted on a version that this makes.

        Raises:
            RevisionMismatch: If somebody changed it since.
            InvalidInput: As `create`; nothing is changed.
            Conflict: If the new ref or slug is taken.
            NotFound: If it does not exist.
            Forbidden: If it belongs to another tenant.
        """
        ...

    async def delete(
        self, tenant_id: str, definition_id: UUID, *, expected_revision: int | None = None
    ) -> Deleted:
        """Remove a definition, or hide it while runs pin it; says which.

        Its ref and slug are free either way. Of a hidden one only the versions can be read;
        deleting it again removes it once the last of its runs is gone.

        Raises:
            Conflict: If actions of the tenant stand for it.
            RevisionMismatch: If `expected_revision` is given and is not the stored one.
            NotFound: If it does not exist.
            Forbidden: If it belongs to another tenant.
        """
        ...

    async def versions(
        self, tenant_id: str, definition_id: UUID, *, limit: int = 20, before: int | None = None
    ) -> Page[VersionSummary]:
        """Return a page of a definition's versions, newest first, without their content.

        Args:
            tenant_id: Who asks.
            definition_id: The definition; a hidden one too.
            limit: Rows per page, 1 to 100.
            before: Revision of the last version of the page before.

        Raises:
            NotFound: If the tenant has no such definition and nobody shares it.
        """
        ...

    async def version(
        self, tenant_id: str, definition_id: UUID, revision: int
    ) -> DefinitionVersion:
        """Return one version, whole.

        Whose run pins it may read it for as long as the run exists, shared any more or not.

        Raises:
            NotFound: If there is none, or the tenant may not see it.
        """
        ...

    async def most_executed(
        self,
        tenant_id: str,
        n: int = 10,
        app_id: str | None = None,
        *,
        visible_to: Sight | None = None,
    ) -> Sequence[DefinitionSummary]:
        """Return the definitions that were executed most, most first; folds some executions.

        Args:
            tenant_id: Whose definitions.
            n: Most definitions to return, 1 to 100.
            app_id: Only this app's.
            visible_to: Only what somebody sees; all when left out.
        """
        ...

    async def fold_executions(self, tenant_id: str, *, batch_size: int = 10_000) -> int:
        """Add executions that were noted one by one to the definitions' counts.

        What is read does not change by it, it only gets cheaper. Neither revision nor updated_at
        moves. Several may do it at once.

        Args:
            tenant_id: Whose definitions.
            batch_size: Most executions to fold, 1 to 10,000.

        Returns:
            How many were folded; fewer than `batch_size` when nothing is left for this caller.
        """
        ...
