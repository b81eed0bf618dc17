"""Stored definitions."""

from collections.abc import Sequence
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
from flowkeep.statestore.repositories import (
    definition_changes,
    definition_creation,
    definition_lists,
    definition_rows,
    definition_versions,
    executions,
    inputs,
)
from flowkeep.statestore.repositories.definition_lists import Filters
from flowkeep.statestore.session import Scope, Session
from flowkeep.statestore.tables import definition


class Definitions:
    """Definitions; see the Protocol `DefinitionRepository`.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def create(self, tenant_id: str, new: NewDefinition) -> Definition:
        """Store a definition at revision 0, with its first version and what it uses."""
        async with self._scope.write() as session:
            made = await definition_creation.create(session, inputs.tenant(tenant_id), new)
            return await _own(session, tenant_id, made)

    async def get(self, tenant_id: str, definition_id: UUID) -> Definition:
        """Return a definition, its own or a shared one, with its newest content."""
        wanted = inputs.run_id(definition_id, "definition_id")
        where = definition_rows.stored(inputs.tenant(tenant_id), shared=True)
        async with self._scope.read() as session:
            found = await definition_rows.read(session, [definition.c.id == wanted, *where])
        if found is None:
            raise definition_rows.absent(wanted)
        return found

    async def get_by_ref(
        self, tenant_id: str, ref: str, *, of_tenant: str | None = None
    ) -> Definition:
        """Return a definition by its ref; one that another tenant shares by that tenant too."""
        where = [
            *definition_rows.stored(inputs.tenant(tenant_id), shared=True),
            definition.c.tenant_id == inputs.tenant(of_tenant or tenant_id),
            definition.c.ref == inputs.name(ref, "ref"),
        ]
        async with self._scope.read() as session:
            found = await definition_rows.read(session, where)
        if found is None:
            raise definition_rows.absent(ref)
        return found

    async def update(
        self,
        tenant_id: str,
        definition_id: UUID,
        patch: DefinitionPatch,
        *,
        expected_revision: int,
        actor: str | None = None,
    ) -> Definition:
        """Change the fields that the patch gives; see the Protocol."""
        wanted = inputs.run_id(definition_id, "definition_id")
        by = None if actor is None else inputs.name(actor, "actor")
        async with self._scope.write() as session:
            await definition_changes.change(
                session, inputs.tenant(tenant_id), wanted, patch, expected_revision, by
            )
            return await _own(session, tenant_id, wanted)

    async def delete(
        self, tenant_id: str, definition_id: UUID, *, expected_revision: int | None = None
    ) -> Deleted:
        """Remove a definition, or hide it while runs pin it; says which."""
        wanted = inputs.run_id(definition_id, "definition_id")
        async with self._scope.write() as session:
            return await definition_changes.delete(
                session, inputs.tenant(tenant_id), wanted, expected_revision
            )

    async def versions(
        self, tenant_id: str, definition_id: UUID, *, limit: int = 20, before: int | None = None
    ) -> Page[VersionSummary]:
        """Return a page of a definition's versions, newest first, without their content."""
        wanted = inputs.run_id(definition_id, "definition_id")
        async with self._scope.read() as session:
            return await definition_versions.page(
                session, inputs.tenant(tenant_id), wanted, inputs.page_limit(limit), before
            )

    async def version(
        self, tenant_id: str, definition_id: UUID, revision: int
    ) -> DefinitionVersion:
        """Return one version, whole; see the Protocol."""
        wanted = inputs.run_id(definition_id, "definition_id")
        async with self._scope.read() as session:
            return await definition_versions.read(
                session, inputs.tenant(tenant_id), wanted, revision
            )

    async def most_executed(
        self,
        tenant_id: str,
        n: int = 10,
        app_id: str | None = None,
        *,
        visible_to: Sight | None = None,
    ) -> Sequence[DefinitionSummary]:
        """Return the definitions that were executed most, most first."""
        tenant_id, n = inputs.tenant(tenant_id), inputs.page_limit(n)
        await self.fold_executions(tenant_id)
        async with self._scope.read() as session:
            rows = await definition_lists.most_executed(session, tenant_id, n, app_id, visible_to)
        return [DefinitionSummary.model_validate(row) for row in rows]

    async def fold_executions(
        self, tenant_id: str, *, batch_size: int = executions.MOST_FOLDED
    ) -> int:
        """Add executions that were noted one by one to the definitions' counts."""
        most = inputs.batch_size(batch_size, executions.MOST_FOLDED)
        async with self._scope.write() as session:
            return await executions.fold(session, inputs.tenant(tenant_id), most)

    async def find_by_app(
        self, tenant_id: str, app_id: str, *, limit: int = 20, last_id: UUID | None = None
    ) -> Page[DefinitionSummary]:
        """Return a page of an app's definitions, newest first."""
        return await self._page(tenant_id, Filters(app_id=app_id), limit, last_id)

    async def find_enabled(
        self, tenant_id: str, *, limit: int = 20, last_id: UUID | None = None
    ) -> Page[DefinitionSummary]:
        """Return a page of the definitions that are enabled, drafts included, newest first."""
        return await self._page(tenant_id, Filters(enabled=True), limit, last_id)

    async def find_by_tag(
        self, tenant_id: str, tag: str, *, limit: int = 20, last_id: UUID | None = None
    ) -> Page[DefinitionSummary]:
        """Return a page of the definitions with a tag, newest first."""
        return await self._page(tenant_id, Filters(tag=tag), limit, last_id)

    async def find_by_module(
        self, tenant_id: str, module: str, *, limit: int = 20, last_id: UUID | None = None
    ) -> Page[DefinitionSummary]:
        """Return a page of the definitions that use a module, newest first."""
        return await self._page(tenant_id, Filters(module=module), limit, last_id)

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
        return await self._page(tenant_id, Filters(step=step, module=module), limit, last_id)

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
        """Return a page of definitions, newest first by (created_at, id); see the Protocol."""
        filters = Filters(
            app_id=app_id,
            app_name=app_name,
            parent=parent,
            owner=owner,
            tag=tag,
            enabled=enabled,
            draft=draft,
            module=module,
            step=step,
            text=text,
            include_shared=include_shared,
            visible_to=visible_to,
        )
        return await self._page(tenant_id, filters, limit, last_id)

    async def _page(
        self, tenant_id: str, filters: Filters, limit: int, last_id: UUID | None
    ) -> Page[DefinitionSummary]:
        limit = inputs.page_limit(limit)
        behind = None if last_id is None else inputs.run_id(last_id, "last_id")
        async with self._scope.read() as session:
            found = await definition_lists.page(
                session, inputs.tenant(tenant_id), filters.checked(), limit, behind
            )
        data = [DefinitionSummary.model_validate(row) for row in found[:limit]]
        return Page(data=data, limit=limit, has_more=len(found) > limit)


async def _own(session: Session, tenant_id: str, definition_id: UUID) -> Definition:
    """Return a definition that was just written."""
    where = [definition.c.id == definition_id, *definition_rows.stored(tenant_id)]
    found = await definition_rows.read(session, where)
    assert found is not None
    return found
