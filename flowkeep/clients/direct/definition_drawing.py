"""Drawings as document 5 sends them, made into what is stored: app, names, content."""

import re
from typing import Any

from flowkeep.clients.authoring import InvalidDefinition
from flowkeep.clients.authoring_canvas import drawn
from flowkeep.clients.authoring_known import stored_under
from flowkeep.clients.direct.definition_rules import DefinitionRules
from flowkeep.contracts import App, AppPatch, NewApp, Problem
from flowkeep.contracts.api.definitions import Drawn
from flowkeep.errors import Conflict, NotFound
from flowkeep.statestore.repositories import names

_UNFIT = re.compile(r"[^a-z0-9_.-]+")
_MOST_TRIES = 1_000


class DefinitionDrawing(DefinitionRules):
    """What writes of drawings need."""

    async def _content(
        self, body: Drawn, *, ref: str, label: str | None, app_id: str | None, draft: bool
    ) -> tuple[dict[str, Any], list[Problem]]:
        """Return the fields of a stored definition that a drawing leads to, and its problems.

        Raises:
            InvalidDefinition: If it has errors and is no draft; lists them.
        """
        fields, problems = await drawn(
            self._store,
            self._tenant,
            {} if body.dag_spec is None else body.dag_spec,
            ref=ref,
            label=label,
            actions=body.actions,
            default_action=body.default_action,
            app_id=app_id,
            visible_to=self._sight,
        )
        errors = [one for one in problems if one.level == "error"]
        if errors and not draft:
            raise InvalidDefinition(ref, problems)
        return {**fields, "canvas": body.dag_spec, "draft": draft, "errors": errors}, problems

    async def _free_ref(self, name: str) -> str:
        """Return the first ref made from a name that is free."""
        base = _UNFIT.sub("-", names.slug_of(name)).strip("-.") or "definition"
        for _, ref in zip(range(_MOST_TRIES), names.candidates(base), strict=False):
            if await stored_under(self._store, self._tenant, ref) is None:
                return ref
        raise Conflict(f"{_MOST_TRIES} definitions are named {name!r}", hint="give a ref")

    async def _record_app(self, body: Drawn) -> None:
        """Record the app that a drawing names, or change its names where the caller may.

        Raises:
            Conflict: If it is recorded with other names, and the caller is not its admin.
        """
        words = {
            "name": body.project_name,
            "parent": body.app_name,
        }
        given = {key: value for key, value in words.items() if value is not None}
        if body.app is None or not given:
            return
        try:
            found = await self._store.apps.get(self._tenant, body.app)
        except NotFound:
            async with self._journal.writing("app.create", "app", body.app) as entry:
                new = NewApp(id=body.app, **given)
                entry.became(await self._store.apps.create(self._tenant, new))
            return
        if any(getattr(found, key) != value for key, value in given.items()):
            await self._rename_app(found, given)

    async def _rename_app(self, found: App, given: dict[str, str]) -> None:
        if not self._access.principal.is_staff(found.id):
            raise Conflict(
                f"app {found.id!r} is named {found.name!r} and belongs to {found.parent!r}",
                hint="leave project_name and app_name out, or ask an admin to rename it",
            )
        async with self._journal.writing("app.update", "app", found.id) as entry:
            entry.was(found)
            changed = await self._store.apps.update(self._tenant, found.id, AppPatch(**given))
            entry.became(changed)
