"""Definitions as people write them: checked, stored, compared, taken back. Needs no Temporal."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from flowkeep.clients.authoring_canvas import ACTIONS_STATE, drawn
from flowkeep.clients.authoring_comparing import Compared, compare_text, compare_versions
from flowkeep.clients.authoring_content import content_of, rolled_back
from flowkeep.clients.authoring_known import Data, InLedger, stored_under
from flowkeep.clients.authoring_report import InvalidDefinition, Report, examine, examine_document
from flowkeep.clients.authoring_writing import Applied, Writer
from flowkeep.contracts import Definition, Deleted, Problem, Visibility
from flowkeep.contracts.sight import Sight
from flowkeep.definitions.document import Document
from flowkeep.errors import InvalidInput, NotFound
from flowkeep.statestore.store import Store

__all__ = ["ACTIONS_STATE", "Applied", "Authoring", "Compared", "InvalidDefinition", "Report"]

_PAGE = 100


class Authoring:
    """Checks, stores and compares definitions that people write.

    Args:
        store: The ledger.
        visible_to: Whoever writes: definitions that they do not see cannot be called.
    """

    def __init__(self, store: Store, visible_to: Sight | None = None) -> None:
        self._store = store
        self._sight = visible_to

    async def validate(
        self,
        tenant_id: str,
        text: str | bytes,
        *,
        name: str = "definition",
        beside: Iterable[Data] = (),
    ) -> Report:
        """Return what a text says, and everything that is wrong with it.

        It is checked against the actions and definitions of the tenant, too: calls that lead back
        to the definition are an error unless one of them is made under a condition.

        Args:
            tenant_id: Whose definition it is to be.
            text: YAML or JSON, at most 1 MiB.
            name: What problems call it, for example the name of its file.
            beside: Other definitions that count as stored.
        """
        known = InLedger(self._store, tenant_id, beside, self._sight)
        return await examine(text, name=name, known=known)

    async def apply(
        self,
        tenant_id: str,
        text: str | bytes,
        *,
        name: str = "definition",
        draft: bool = False,
        app_id: str | None = None,
        owner: str | None = None,
        visibility: Visibility | None = None,
        expected_revision: int | None = None,
        actor: str | None = None,
        beside: Iterable[Data] = (),
    ) -> Applied:
        """Store a text as the definition of its ref: a new one, or a new version.

        What is not given stays as it is, and so does whether it is enabled. A drawing that does
        not show the content any more goes; the versions before keep it.

        Args:
            tenant_id: Whose definition.
            text: YAML or JSON.
            name: What errors call it.
            draft: Store it as a draft, with its errors; runs of a draft are refused.
            app_id: The app that it belongs to.
            owner: Who it belongs to.
            visibility: Who sees it.
            expected_revision: The revision that was read; the newest one when left out.
            actor: Who does it.
            beside: As in `validate`.

        Raises:
            InvalidDefinition: If it has errors and is to be no draft; lists them.
            InvalidInput: If it cannot be stored.
            RevisionMismatch: If somebody else changed it first, twice where no revision is given.
            NotFound: If a revision is given and there is no such definition.
        """
        report = await self.validate(tenant_id, text, name=name, beside=beside)
        if report.document is None or report.ref is None or (report.errors and not draft):
            raise InvalidDefinition(name, report.problems)
        fields = {
            **content_of(report.document.data),
            **_given(app_id=app_id, owner=owner, visibility=visibility),
            "draft": draft,
            "errors": report.errors,
        }
        writer = Writer(self._store, tenant_id, actor=actor, expected_revision=expected_revision)
        return await writer.put(report.ref, fields, report.problems)

    async def import_canvas(
        self,
        tenant_id: str,
        canvas: Any,
        *,
        ref: str,
        label: str | None = None,
        actions: Mapping[str, str] | None = None,
        default_action: str = "{app}.{step}",
        draft: bool = False,
        app_id: str | None = None,
        owner: str | None = None,
        visibility: Visibility | None = None,
        expected_revision: int | None = None,
        actor: str | None = None,
    ) -> Applied:
        """Store what a canvas draws as a definition, and the canvas unchanged beside it.

        Args:
            tenant_id: Whose definition.
            canvas: Plain JSON with `nodes` and `edges`.
            ref: Ref of the definition.
            label: Name for people; the one in the canvas' `metadata` when left out.
            actions: Action by `<module>.<step>` or `<step>`; wins over the state's `actions/<app>`.
            default_action: Action of steps in neither; see `flowkeep.definitions.canvas`.
            draft: Store it as a draft, with its errors.
            app_id: The app that it belongs to; the one it has when left out.
            owner: Who it belongs to.
            visibility: Who sees it.
            expected_revision: The revision that was read; the newest one when left out.
            actor: Who does it.

        Raises:
            InvalidDefinition: If the drawing or what it says has errors, and is to be no draft.
            InvalidInput: If it cannot be stored, or the state entry maps to something else.
            RevisionMismatch: As `apply`.
        """
        if app_id is None:
            stored = await stored_under(self._store, tenant_id, ref)
            app_id = None if stored is None else stored.app_id
        fields, problems = await drawn(
            self._store,
            tenant_id,
            canvas,
            ref=ref,
            label=label,
            actions=actions or {},
            default_action=default_action,
            app_id=app_id,
            visible_to=self._sight,
        )
        errors = [one for one in problems if one.level == "error"]
        if errors and not draft:
            raise InvalidDefinition(ref, problems)
        fields |= _given(app_id=app_id, owner=owner, visibility=visibility)
        writer = Writer(self._store, tenant_id, actor=actor, expected_revision=expected_revision)
        return await writer.put(ref, {**fields, "draft": draft, "errors": errors}, problems)

    async def diff(
        self,
        tenant_id: str,
        text: str | bytes,
        *,
        name: str = "definition",
        revision: int | None = None,
    ) -> Compared:
        """Tell what applying a text would change.

        Args:
            tenant_id: Whose definition.
            text: YAML or JSON, with errors or without.
            name: What errors call it.
            revision: The version to compare with; what is stored now when left out.

        Raises:
            InvalidInput: If it cannot be read, or gives no ref.
            NotFound: If a revision is given that does not exist.
        """
        return await compare_text(self._store, tenant_id, text, name=name, revision=revision)

    async def diff_revisions(
        self, tenant_id: str, definition: UUID | str, old: int, new: int | None = None
    ) -> Compared:
        """Tell what changed from one version to another, or to what is stored now.

        Raises:
            NotFound: If there is no such definition or version.
        """
        stored = await self.find(tenant_id, definition)
        return await compare_versions(self._store, tenant_id, stored, old, new)

    async def rollback(
        self,
        tenant_id: str,
        definition: UUID | str,
        revision: int,
        *,
        expected_revision: int | None = None,
        actor: str | None = None,
    ) -> Applied:
        """Make the content of an earlier version the newest version; nothing is lost.

        Args:
            tenant_id: Whose definition.
            definition: Its id or its ref.
            revision: The version.
            expected_revision: The revision that was read; the newest one when left out.
            actor: Who does it.

        Raises:
            NotFound: If there is no such definition or version.
            InvalidDefinition: If its content is not valid any more, as what is around it changed.
            InvalidInput: If it is a draft's.
            RevisionMismatch: As `apply`.
        """
        found = await self.find(tenant_id, definition)
        version = await self._store.definitions.version(tenant_id, found.id, revision)
        name = f"revision {revision} of {found.ref!r}"
        if version.draft:
            raise InvalidInput(f"{name} is a draft", hint="correct its errors and apply it")
        problems: list[Problem] = []
        if version.spec:
            known = InLedger(self._store, tenant_id, visible_to=self._sight)
            report = await examine_document(Document(version.spec), name=name, known=known)
            problems = report.problems
            if report.errors:
                raise InvalidDefinition(name, problems)
        fields = {**rolled_back(version), "draft": False, "errors": []}
        writer = Writer(self._store, tenant_id, actor=actor, expected_revision=expected_revision)
        return await writer.change(found.id, fields, problems)

    async def set_enabled(
        self, tenant_id: str, definition: UUID | str, enabled: bool, *, actor: str | None = None
    ) -> Applied:
        """Let runs of a definition start, or refuse them; those that are open go on.

        Raises:
            NotFound: If there is no such definition.
            RevisionMismatch: As `apply`.
        """
        found = await self.find(tenant_id, definition)
        writer = Writer(self._store, tenant_id, actor=actor)
        return await writer.change(found.id, {"enabled": enabled}, [])

    async def delete(
        self,
        tenant_id: str,
        definition: UUID | str,
        *,
        force: bool = False,
        expected_revision: int | None = None,
    ) -> tuple[UUID, Deleted]:
        """Remove a definition, or hide it while runs pin it.

        Args:
            tenant_id: Whose definition.
            definition: Its id, which a hidden one has too, or its ref.
            force: Unlink the actions that stand for it.
            expected_revision: The revision that was read; any when left out.

        Returns:
            Its id, and what became of it.

        Raises:
            Conflict: If actions of the tenant stand for it and are not unlinked.
            NotFound: If there is no such definition.
            RevisionMismatch: If somebody changed it since.
        """
        try:
            found_id = UUID(str(definition))
        except ValueError:
            found_id = (await self.find(tenant_id, definition)).id
        while force:
            page = await self._store.actions.find_by_definition(tenant_id, found_id, limit=_PAGE)
            for one in page.data:
                await self._store.actions.link_definition(tenant_id, one.id, None)
            force = page.has_more
        delete = self._store.definitions.delete
        return found_id, await delete(tenant_id, found_id, expected_revision=expected_revision)

    async def find(self, tenant_id: str, definition: UUID | str) -> Definition:
        """Return a definition by its id or its ref.

        Raises:
            NotFound: If there is none.
        """
        try:
            return await self._store.definitions.get(tenant_id, UUID(str(definition)))
        except (ValueError, NotFound):
            return await self._store.definitions.get_by_ref(tenant_id, str(definition))


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
