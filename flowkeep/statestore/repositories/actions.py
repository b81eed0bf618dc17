"""What tasks can call."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, tuple_

from flowkeep.contracts import Action, ActionPatch, NewAction, Page
from flowkeep.errors import InvalidInput, NotFound
from flowkeep.statestore.repositories import action_changes, inputs
from flowkeep.statestore.repositories.sights import among
from flowkeep.statestore.session import Scope
from flowkeep.statestore.tables import action


class Actions:
    """Actions; see the Protocol `ActionRepository`.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def create(self, tenant_id: str, new: NewAction) -> Action:
        """Record an action, or return the one recorded under its ref with the same content."""
        async with self._scope.write() as session:
            return _action(await action_changes.create(session, inputs.tenant(tenant_id), new))

    async def register(
        self, tenant_id: str, actions: Sequence[NewAction], *, worker: str
    ) -> Sequence[Action]:
        """Record what a worker serves: new actions, new schemas, and that it was seen now."""
        tenant_id, worker = inputs.tenant(tenant_id), inputs.name(worker, "worker")
        async with self._scope.write() as session:
            rows = await action_changes.register(session, tenant_id, actions, worker)
            return [_action(row) for row in rows]

    async def get(self, tenant_id: str, action_id: UUID) -> Action:
        """Return an action."""
        wanted = inputs.run_id(action_id, "action_id")
        return await self._one(tenant_id, action.c.id == wanted, str(wanted))

    async def get_by_ref(self, tenant_id: str, ref: str) -> Action:
        """Return an action by its ref."""
        return await self._one(tenant_id, action.c.ref == inputs.text(ref, "ref"), repr(ref))

    async def update(
        self, tenant_id: str, action_id: UUID, patch: ActionPatch, *, expected_revision: int
    ) -> Action:
        """Change the fields that the patch gives; one with nothing to do writes nothing."""
        wanted, values = inputs.run_id(action_id, "action_id"), action_changes.patched(patch)
        async with self._scope.write() as session:
            row = await action_changes.lock(
                session, inputs.tenant(tenant_id), wanted, expected_revision
            )
            return _action(await action_changes.change(session, row, values))

    async def link_definition(
        self,
        tenant_id: str,
        action_id: UUID,
        definition_id: UUID | None,
        *,
        expected_revision: int | None = None,
    ) -> Action:
        """Let an action stand for a definition, or for none."""
        wanted, tenant_id = inputs.run_id(action_id, "action_id"), inputs.tenant(tenant_id)
        linked = definition_id and inputs.run_id(definition_id, "definition_id")
        async with self._scope.write() as session:
            row = await action_changes.lock(session, tenant_id, wanted, expected_revision)
            if linked is not None and row["definition_id"] != linked:
                await action_changes.hold_definition(session, tenant_id, linked)
            return _action(await action_changes.change(session, row, {"definition_id": linked}))

    async def delete(self, tenant_id: str, action_id: UUID) -> bool:
        """Remove an action; returns whether it existed."""
        wanted = inputs.run_id(action_id, "action_id")
        async with self._scope.write() as session:
            return await action_changes.delete(session, inputs.tenant(tenant_id), wanted)

    async def find_workflows(
        self, tenant_id: str, *, limit: int = 20, last_id: UUID | None = None
    ) -> Page[Action]:
        """Return a page of the actions that stand for a definition, newest first."""
        return await self._page(tenant_id, [action.c.definition_id.is_not(None)], limit, last_id)

    async def find_by_definition(
        self,
        tenant_id: str,
        definition_id: UUID,
        *,
        limit: int = 20,
        last_id: UUID | None = None,
    ) -> Page[Action]:
        """Return a page of the tenant's actions that stand for this definition, newest first."""
        linked = action.c.definition_id == inputs.run_id(definition_id, "definition_id")
        return await self._page(tenant_id, [linked], limit, last_id)

    async def list(
        self,
        tenant_id: str,
        *,
        app_id: str | None = None,
        apps: Sequence[str] | None = None,
        limit: int = 20,
        last_id: UUID | None = None,
    ) -> Page[Action]:
        """Return a page of actions, newest first; see the Protocol."""
        of_app = [] if app_id is None else [action.c.app_id == inputs.text(app_id, "app_id")]
        if apps is not None:
            of_app.append(or_(action.c.app_id.is_(None), among(action.c.app_id, apps)))
        return await self._page(tenant_id, of_app, limit, last_id)

    async def _one(self, tenant_id: str, which: ColumnElement[bool], name: str) -> Action:
        own = action.c.tenant_id == inputs.tenant(tenant_id)
        async with self._scope.read() as session:
            found = await session.execute(select(action).where(own, which))
            row = found.mappings().one_or_none()
        if row is None:
            raise NotFound(f"action {name} does not exist", hint="create or register it")
        return _action(dict(row))

    async def _page(
        self,
        tenant_id: str,
        where: Sequence[ColumnElement[bool]],
        limit: int,
        last_id: UUID | None,
    ) -> Page[Action]:
        own, limit = action.c.tenant_id == inputs.tenant(tenant_id), inputs.page_limit(limit)
        place = (action.c.created_at, action.c.id)
        statement = select(action).where(own, *where)
        async with self._scope.read() as session:
            if last_id is not None:
                last = inputs.run_id(last_id, "last_id")
                found = await session.execute(select(*place).where(own, action.c.id == last))
                at = found.one_or_none()
                if at is None:
                    raise InvalidInput(
                        f"last_id {last} names no action of this tenant",
                        hint="pass the id of the last action of the page before",
                    )
                statement = statement.where(tuple_(*place) < (at.created_at, at.id))
            newest = statement.order_by(*(column.desc() for column in place)).limit(limit + 1)
            rows = (await session.execute(newest)).mappings().all()
        data = [_action(dict(row)) for row in rows[:limit]]
        return Page(data=data, limit=limit, has_more=len(rows) > limit)


def _action(row: dict[str, Any]) -> Action:
    return Action.model_validate(row)
