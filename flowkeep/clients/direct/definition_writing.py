"""Definitions as they are changed, taken back, removed."""

from typing import Any
from uuid import UUID

from flowkeep.clients.authoring import Applied
from flowkeep.clients.authoring_writing import Writer
from flowkeep.clients.direct.definition_creating import DefinitionCreating
from flowkeep.clients.direct.definition_rules import as_uuid
from flowkeep.contracts import Definition
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.definition_answers import (
    AppliedDefinition,
    DefinitionAnswer,
    DeletedDefinition,
)
from flowkeep.contracts.api.definitions import (
    CanvasImport,
    DefinitionChange,
    DefinitionSource,
)
from flowkeep.definitions.document import read
from flowkeep.errors import InvalidInput, NotFound


class DefinitionWriting(DefinitionCreating):
    """Writes of `client.definitions`."""

    async def apply(
        self,
        source: DefinitionSource,
        definition: UUID | str | None = None,
        *,
        expected_revision: int | None = None,
    ) -> AppliedDefinition:
        """Store a document as the definition of its ref: a new one, or a new version.

        Args:
            source: The document.
            definition: The definition that it is to be; it has to exist, and have the same ref.
            expected_revision: The revision that was read; the newest one when left out.

        Raises:
            NotFound: If there is no such definition that the caller may see.
            Forbidden: If the caller may not write there.
            InvalidDefinition: If it has errors and is to be no draft; lists them.
            RevisionMismatch: If somebody else changed it first.
        """
        named = None if definition is None else await self._find_to_edit(definition)
        self._access.require_anywhere(Role.EDITOR)
        ref = _ref_of(source)
        if named is not None and ref not in (None, named.ref):
            raise InvalidInput(
                f"{source.name} is of {ref!r}, and this definition is {named.ref!r}",
                hint="a ref does not change: store it as a new definition",
            )
        stored = named if ref is None or named is not None else await self._stored_to_edit(ref)
        owner = self._owner_of_write(stored, source.owner, source.app_id)
        async with self._journal.writing("definition.apply", "definition", ref) as entry:
            entry.was(stored)
            done = await self._authoring.apply(
                self._tenant,
                source.text,
                name=source.name,
                draft=source.draft,
                app_id=source.app_id,
                owner=owner,
                visibility=source.visibility,
                expected_revision=expected_revision,
                actor=self._actor,
                beside=source.beside,
            )
            entry.became(done.definition, done.definition.id)
        return await self._applied(done)

    async def import_canvas(
        self, new: CanvasImport, *, expected_revision: int | None = None
    ) -> AppliedDefinition:
        """Store what a canvas draws as the definition of a ref, the canvas unchanged beside it.

        Raises:
            Forbidden: If the caller may not write there.
            InvalidDefinition: If it has errors and is to be no draft; lists them.
            RevisionMismatch: If somebody else changed it first.
        """
        self._access.require_anywhere(Role.EDITOR)
        stored = await self._stored_to_edit(new.ref)
        owner = self._owner_of_write(stored, new.owner, new.app_id)
        async with self._journal.writing("definition.import", "definition", new.ref) as entry:
            entry.was(stored)
            done = await self._authoring.import_canvas(
                self._tenant,
                new.canvas,
                **new.model_dump(exclude={"canvas", "owner", "visibility"}),
                owner=owner,
                visibility=new.visibility,
                expected_revision=expected_revision,
                actor=self._actor,
            )
            entry.became(done.definition, done.definition.id)
        return await self._applied(done)

    def _owner_of_write(
        self, stored: Definition | None, owner: str | None, app_id: str | None
    ) -> str | None:
        """Check where something is written and whose it becomes; None leaves that as it is."""
        place = app_id if stored is None or app_id is not None else stored.app_id
        self._access.require(Role.EDITOR, place)
        if owner is not None and (stored is None or owner != stored.owner):
            self._require_owner(owner, place)
        return owner if stored is not None or owner is not None else self._actor

    async def update(
        self,
        definition: UUID | str,
        change: DefinitionChange,
        *,
        expected_revision: int | None = None,
    ) -> DefinitionAnswer:
        """Change the fields that are given.

        Args:
            definition: Its id or its ref.
            change: What is to change.
            expected_revision: The revision that was read; the newest one when left out.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If the caller may not change it, or gives it away without being staff.
            InvalidDefinition: If a new drawing has errors and it is no draft; lists them.
            RevisionMismatch: If somebody else changed it first.
        """
        found = await self._find_to_edit(definition)
        fields = change.columns
        app_id = fields.get("app_id", found.app_id)
        if app_id != found.app_id:
            self._access.require(Role.EDITOR, app_id)
        if "owner" in fields and fields["owner"] != found.owner:
            self._require_owner(fields["owner"], found.app_id)
        if "dag_spec" in change.model_fields_set:
            label, draft = change.name or found.name, fields.get("draft", found.draft)
            content, _ = await self._content(
                change, ref=found.ref, label=label, app_id=app_id, draft=bool(draft)
            )
            kept = {name: getattr(found, name) for name in ("description", "tags", "version")}
            fields = {**content, **kept, **fields}
        await self._record_app(change)
        return await self._answer(await self._change(found, fields, expected_revision))

    async def rollback(
        self, definition: UUID | str, revision: int, *, expected_revision: int | None = None
    ) -> AppliedDefinition:
        """Make the content of an earlier version the newest version; nothing is lost.

        Raises:
            NotFound: If there is no such definition or version that the caller may see.
            Forbidden: If the caller may not change it.
            InvalidDefinition: If that content is not valid any more.
            RevisionMismatch: If somebody else changed it first.
        """
        found = await self._find_to_edit(definition)
        async with self._journal.writing("definition.rollback", "definition", found.id) as entry:
            entry.was(found)
            done = await self._authoring.rollback(
                self._tenant,
                found.id,
                revision,
                expected_revision=expected_revision,
                actor=self._actor,
            )
            entry.became(done.definition)
        return await self._applied(done)

    async def set_enabled(self, definition: UUID | str, enabled: bool) -> AppliedDefinition:
        """Let runs of a definition start, or refuse them; those that are open go on.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If the caller may not change it.
        """
        found = await self._find_to_edit(definition)
        verb = "enable" if enabled else "disable"
        async with self._journal.writing(f"definition.{verb}", "definition", found.id) as entry:
            entry.was(found)
            done = await self._authoring.set_enabled(
                self._tenant, found.id, enabled, actor=self._actor
            )
            entry.became(done.definition)
        return await self._applied(done)

    async def delete(
        self,
        definition: UUID | str,
        *,
        force: bool = False,
        expected_revision: int | None = None,
    ) -> DeletedDefinition:
        """Remove a definition, or hide it while runs pin it; staff remove a hidden one by its id.

        Args:
            definition: Its id or its ref.
            force: Unlink the actions that stand for it; needs an editor of the tenant.
            expected_revision: The revision that was read; any when left out.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If the caller may not change it.
            Conflict: If actions of the tenant stand for it and are not unlinked.
            RevisionMismatch: If somebody changed it since.
        """
        found: Definition | None = None
        try:
            found = await self._find_to_edit(definition)
        except NotFound:
            hidden = as_uuid(definition)
            if self._sight is not None or hidden is None:
                raise
            await self._store.definitions.versions(self._tenant, hidden, limit=1)
        if force:
            self._access.require(Role.EDITOR)
        which = definition if found is None else found.id
        async with self._journal.writing("definition.delete", "definition", which) as entry:
            entry.was(found)
            found_id, deleted = await self._authoring.delete(
                self._tenant, which, force=force, expected_revision=expected_revision
            )
        return DeletedDefinition(id=found_id, deleted=deleted)

    async def _change(
        self, found: Definition, fields: dict[str, Any], expected_revision: int | None
    ) -> Definition:
        writer = Writer(
            self._store, self._tenant, actor=self._actor, expected_revision=expected_revision
        )
        async with self._journal.writing("definition.update", "definition", found.id) as entry:
            entry.was(found)
            done = await writer.change(found.id, fields, [])
            entry.became(done.definition)
            return done.definition

    async def _applied(self, done: Applied) -> AppliedDefinition:
        return AppliedDefinition(
            definition=await self._answer(done.definition),
            change=done.change,
            problems=tuple(done.problems),
        )


def _ref_of(source: DefinitionSource) -> str | None:
    """Return the ref that a document gives; None where it gives none, or cannot be read."""
    try:
        ref = read(source.text, name=source.name).data.get("ref")
    except InvalidInput:  # told when it is applied
        return None
    return ref if isinstance(ref, str) and ref else None
