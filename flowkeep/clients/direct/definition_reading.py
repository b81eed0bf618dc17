"""Definitions as they are read: listed, checked, compared."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flowkeep.clients.authoring import Compared
from flowkeep.clients.authoring_canvas import drawn
from flowkeep.clients.direct.definition_rules import DefinitionRules, as_uuid
from flowkeep.contracts import DefinitionSummary, DefinitionVersion, RunSummary, VersionSummary
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.definition_answers import (
    DefinitionAnswer,
    DefinitionDifferences,
    DefinitionReport,
    Difference,
)
from flowkeep.contracts.api.definitions import DefinitionSource, DrawnDefinition, Order
from flowkeep.contracts.api.listing import Listing, listed
from flowkeep.errors import InvalidInput, NotFound
from flowkeep.statestore.repositories import inputs


class DefinitionReading(DefinitionRules):
    """Reads of `client.definitions`."""

    async def get(self, definition: UUID | str) -> DefinitionAnswer:
        """Return a definition with its newest content.

        Args:
            definition: Its id or, of the tenant's own, its ref.

        Raises:
            NotFound: If there is none that the caller may see.
        """
        return await self._answer(await self._find(definition))

    async def list(
        self,
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
        order: Order = "newest",
        limit: int = 20,
        cursor: str | None = None,
    ) -> Listing[DefinitionSummary]:
        """Return a page of the definitions that the caller may see.

        Args:
            app_id: Only this app's.
            app_name: Only those of apps with this name.
            parent: Only those of apps that belong to this.
            owner: Only this owner's.
            tag: Only those with this tag.
            enabled: Only enabled or only disabled ones.
            draft: Only drafts, or none.
            module: Only those that use this module.
            step: Only those that use this step; with `module`, inside of it.
            text: Only those with this text, in any case, in name, ref or description.
            include_shared: Also what other tenants share.
            order: The newest first, or the most executed; these are one page, by app at most.
            limit: Rows per page, 1 to 100.
            cursor: `next` of the page before.

        Raises:
            InvalidInput: If a filter is malformed, or does not go with the order.
        """
        self._access.require_anywhere(Role.VIEWER)
        filters = {
            "app_name": app_name,
            "parent": parent,
            "owner": owner,
            "tag": tag,
            "enabled": enabled,
            "draft": draft,
            "module": module,
            "step": step,
            "text": text,
            "include_shared": include_shared,
        }
        if order == "most_executed":
            unfit = [n for n, v in {**filters, "cursor": cursor}.items() if v not in (None, False)]
            unfit += [n for n in ("enabled", "draft") if filters[n] is False]
            return await self._most_executed(unfit, app_id, limit)
        page = await self._store.definitions.list(
            self._tenant,
            app_id=app_id,
            **filters,  # type: ignore[arg-type]
            visible_to=self._sight,
            limit=limit,
            last_id=None if cursor is None else inputs.run_id(cursor, "cursor"),
        )
        return listed(page, lambda row: row.id)

    async def _most_executed(
        self, unfit: Sequence[str], app_id: str | None, limit: int
    ) -> Listing[DefinitionSummary]:
        if unfit:
            raise InvalidInput(
                f"the most executed ones are not listed by {', '.join(unfit)}",
                hint="leave it out; app_id and limit go with that order",
            )
        found = await self._store.definitions.most_executed(
            self._tenant, limit, app_id, visible_to=self._sight
        )
        return Listing(data=tuple(found), limit=limit)

    async def versions(
        self, definition: UUID | str, *, limit: int = 20, cursor: str | None = None
    ) -> Listing[VersionSummary]:
        """Return a page of a definition's versions, newest first, without their content.

        Raises:
            NotFound: If there is no such definition that the caller may see.
        """
        before = None if cursor is None else _number(cursor)
        found_id = await self._id_of_kept(definition)
        page = await self._store.definitions.versions(
            self._tenant, found_id, limit=limit, before=before
        )
        return listed(page, lambda row: row.revision)

    async def version(self, definition: UUID | str, revision: int) -> DefinitionVersion:
        """Return one version, whole.

        Raises:
            NotFound: If there is none that the caller may see.
        """
        found_id = await self._id_of_kept(definition)
        return await self._store.definitions.version(self._tenant, found_id, revision)

    async def _id_of_kept(self, definition: UUID | str) -> UUID:
        """Return the id of a definition; staff find that of a hidden one, too."""
        try:
            return (await self._find(definition)).id
        except NotFound:
            hidden = as_uuid(definition)
            if hidden is None or self._sight is not None:
                raise
            return hidden

    async def canvas(self, definition: UUID | str, *, revision: int | None = None) -> Any:
        """Return the canvas that a definition, or a version of it, was made from, unchanged.

        Raises:
            NotFound: If there is none that the caller may see, or it was not drawn.
        """
        found = await self._find(definition)
        canvas = found.canvas
        if revision is not None:
            version = await self._store.definitions.version(self._tenant, found.id, revision)
            canvas = version.canvas
        if canvas is None:
            raise NotFound(
                f"definition {found.ref!r} was not made from a canvas",
                hint="--revision shows that of an earlier version; `definition get -o yaml` "
                "prints it",
            )
        return canvas

    async def validate(self, source: DefinitionSource | DrawnDefinition) -> DefinitionReport:
        """Return everything that is wrong with a definition; nothing is stored.

        Raises:
            Forbidden: If the caller writes no definitions.
        """
        self._access.require_anywhere(Role.EDITOR)
        if isinstance(source, DrawnDefinition):
            ref = source.ref or "definition"
            _, problems = await drawn(
                self._store,
                self._tenant,
                {} if source.dag_spec is None else source.dag_spec,
                ref=ref,
                label=source.name,
                actions=source.actions,
                default_action=source.default_action,
                app_id=source.app,
                visible_to=self._sight,
            )
            return DefinitionReport.of(source.name, source.ref, problems)
        found = await self._authoring.validate(
            self._tenant, source.text, name=source.name, beside=source.beside
        )
        return DefinitionReport.of(found.name, found.ref, found.problems)

    async def diff(
        self, source: DefinitionSource, *, revision: int | None = None
    ) -> DefinitionDifferences:
        """Tell what applying a document would change.

        Args:
            source: The document, with errors or without.
            revision: The version to compare with; what is stored now when left out.

        Raises:
            InvalidInput: If it cannot be read, or gives no ref.
            NotFound: If there is no such version, or the caller does not see the definition.
        """
        self._access.require_anywhere(Role.VIEWER)
        found = await self._authoring.diff(
            self._tenant, source.text, name=source.name, revision=revision
        )
        if found.stored is not None and not self._sees(found.stored):
            await self._find(found.ref)
        return _differences(found)

    async def diff_revisions(
        self, definition: UUID | str, old: int, new: int | None = None
    ) -> DefinitionDifferences:
        """Tell what changed from one version to another, or to what is stored now.

        Raises:
            NotFound: If there is no such definition or version that the caller may see.
        """
        found = await self._find(definition)
        return _differences(await self._authoring.diff_revisions(self._tenant, found.id, old, new))

    async def runs(
        self, definition: UUID | str, *, limit: int = 20, cursor: str | None = None
    ) -> Listing[RunSummary]:
        """Return a page of a definition's runs that the caller may see, newest first.

        Raises:
            NotFound: If there is no such definition that the caller may see.
        """
        found = await self._find(definition)
        principal = self._access.principal
        owner = app_id = None
        if not principal.is_staff():
            of_staff = found.tenant_id == self._tenant and principal.is_staff(found.app_id)
            app_id, owner = (found.app_id, None) if of_staff else (None, principal.subject)
        page = await self._store.runs.get_paginated_runs(
            self._tenant,
            app_id,
            limit=limit,
            last_id=None if cursor is None else inputs.run_id(cursor, "cursor"),
            definition_id=found.id,
            owner=owner,
        )
        return listed(page, lambda row: row.id)


def _differences(found: Compared) -> DefinitionDifferences:
    stored = found.stored
    fields = DefinitionSummary.model_fields
    return DefinitionDifferences(
        ref=found.ref,
        stored=None
        if stored is None
        else DefinitionSummary(**{name: getattr(stored, name) for name in fields}),
        changes=tuple(
            Difference(path=one.path, kind=one.kind, old=one.old, new=one.new)
            for one in found.changes
        ),
    )


def _number(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise InvalidInput(f"cursor is {cursor[:80]!r}", hint="pass `next` of the page before")
    return int(cursor)
