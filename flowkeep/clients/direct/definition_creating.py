"""Definitions as they are made, from a text or from a drawing."""

from typing import Any
from uuid import UUID

from flowkeep.clients.authoring import InvalidDefinition, Report
from flowkeep.clients.authoring_content import content_of
from flowkeep.clients.authoring_known import InLedger
from flowkeep.clients.authoring_report import examine_document
from flowkeep.clients.direct.definition_drawing import DefinitionDrawing
from flowkeep.contracts import Definition, NewDefinition, Visibility
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.definition_answers import DefinitionAnswer
from flowkeep.contracts.api.definitions import DefinitionSource, DrawnDefinition
from flowkeep.definitions.document import Document
from flowkeep.errors import Conflict, NotFound


class DefinitionCreating(DefinitionDrawing):
    """New definitions of `client.definitions`."""

    async def create(self, new: DefinitionSource | DrawnDefinition) -> DefinitionAnswer:
        """Store a new definition; a missing ref or slug is made from its name.

        A request that is carried out again, because its process died, finds what it made.

        Raises:
            Forbidden: If the caller may not write there.
            InvalidDefinition: If it has errors and is to be no draft; lists them.
            InvalidInput: If it cannot be stored.
            Conflict: If its ref or slug is taken.
        """
        app_id = new.app if isinstance(new, DrawnDefinition) else new.app_id
        self._access.require(Role.EDITOR, app_id)
        if new.owner is not None:
            self._require_owner(new.owner, app_id)
        if isinstance(new, DrawnDefinition):
            fields = await self._of_drawing(new)
        else:
            fields = await self._of_source(new)
        fields.setdefault("owner", self._actor)
        async with self._journal.writing("definition.create", "definition") as entry:
            key = self._client.caller.request_key
            made = await self._create(NewDefinition(id=key, **fields, created_by=self._actor))
            entry.became(made, made.id)
        return await self._answer(made)

    async def _create(self, new: NewDefinition) -> Definition:
        try:
            return await self._store.definitions.create(self._tenant, new)
        except Conflict:
            made = None if new.id is None else await self._made(new.id)
            if made is not None:
                return made
            if self._sight is None:
                raise
            raise Conflict(  # whose it is may be none of the caller's business
                f"ref {new.ref!r} or slug {new.slug!r} is taken",
                hint="choose another one, or leave it out",
            ) from None

    async def _made(self, definition_id: UUID) -> Definition | None:
        """Return what this request made before; None where it made nothing, or that is gone.

        Its ref may be another one than is free now: the first time it took that.
        """
        try:
            return await self._find(definition_id)
        except NotFound:
            return None

    async def _of_drawing(self, new: DrawnDefinition) -> dict[str, Any]:
        ref = new.ref or await self._free_ref(new.name)
        fields, _ = await self._content(
            new, ref=ref, label=new.name, app_id=new.app, draft=bool(new.draft)
        )
        await self._record_app(new)
        given = {name: value for name, value in new.columns.items() if value is not None}
        return {**fields, **given, "ref": ref}

    async def _of_source(self, new: DefinitionSource) -> dict[str, Any]:
        report = await self._authoring.validate(
            self._tenant, new.text, name=new.name, beside=new.beside
        )
        if report.document is not None and report.document.data.get("ref") is None:
            report = await self._named(report, new)
        if report.document is None or report.ref is None or (report.errors and not new.draft):
            raise InvalidDefinition(new.name, report.problems)
        return {
            **content_of(report.document.data),
            **_placed(new),
            "ref": report.ref,
            "draft": new.draft,
            "errors": report.errors,
        }

    async def _named(self, report: Report, new: DefinitionSource) -> Report:
        """Return a report of the same document with a ref made from its label, where it has one."""
        assert report.document is not None
        label = report.document.data.get("label")
        if not isinstance(label, str) or not label:
            return report
        others = {key: one for key, one in report.document.data.items() if key != "ref"}
        data = {"ref": await self._free_ref(label), **others}
        known = InLedger(self._store, self._tenant, new.beside, self._sight)
        document = Document(data, report.document.lines)
        return await examine_document(document, name=new.name, known=known)


def _placed(new: DefinitionSource) -> dict[str, Any]:
    given: dict[str, str | Visibility | None] = {
        "app_id": new.app_id,
        "owner": new.owner,
        "visibility": new.visibility,
    }
    return {name: value for name, value in given.items() if value is not None}
