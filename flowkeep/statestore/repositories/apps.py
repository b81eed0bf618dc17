"""Apps: containers inside a tenant."""

from typing import Any

from sqlalchemy import ColumnElement, Table, delete, exists, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert

from flowkeep.contracts import App, AppPatch, NewApp, Page
from flowkeep.errors import Conflict, NotFound
from flowkeep.statestore.repositories import inputs, names
from flowkeep.statestore.session import Scope, Session
from flowkeep.statestore.tables import action, app, definition, run, run_archive, schedule


class Apps:
    """Apps; see the Protocol `AppRepository`.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def create(self, tenant_id: str, new: NewApp) -> App:
        """Record an app, or return the one that was recorded with the same content."""
        values = {
            "tenant_id": inputs.tenant(tenant_id),
            "id": names.label(new.id, "id"),
            "ref": names.ref(new.ref if new.ref is not None else new.id),
            "name": names.label(new.name if new.name is not None else new.id, "name"),
            "parent": _parent(new.parent),
        }
        async with self._scope.write() as session:
            inserted = await session.execute(
                insert(app)
                .values(**values, created_at=func.now(), updated_at=func.now())
                .on_conflict_do_nothing()
                .returning(app)
            )
            row = inserted.mappings().one_or_none()
            return App.model_validate(dict(row or await _same(session, values)))

    async def get(self, tenant_id: str, app_id: str) -> App:
        """Return an app."""
        return await self._one(tenant_id, "id", app_id)

    async def get_by_ref(self, tenant_id: str, ref: str) -> App:
        """Return an app by its ref."""
        return await self._one(tenant_id, "ref", ref)

    async def update(self, tenant_id: str, app_id: str, patch: AppPatch) -> App:
        """Change the fields that the patch gives; one with nothing to do writes nothing."""
        given = patch.model_fields_set
        checks: dict[str, Any] = {
            "ref": names.ref,
            "name": lambda value: names.label(value, "name"),
            "parent": _parent,
        }
        wanted = {n: check(getattr(patch, n)) for n, check in checks.items() if n in given}
        async with self._scope.write() as session:
            row = await _locked(session, tenant_id, app_id)
            values = {name: value for name, value in wanted.items() if row[name] != value}
            if "ref" in values:
                await _refuse_taken(session, row["tenant_id"], values["ref"])
            if values:
                changed = await session.execute(
                    update(app)
                    .where(*_at(row["tenant_id"], row["id"]))
                    .values(**values, updated_at=func.now())
                    .returning(app)
                )
                row = dict(changed.mappings().one())
            return App.model_validate(row)

    async def delete(self, tenant_id: str, app_id: str) -> None:
        """Remove an app that is empty."""
        async with self._scope.write() as session:
            row = await _locked(session, tenant_id, app_id)
            await _refuse_filled(session, row["tenant_id"], row["id"])
            await session.execute(delete(app).where(*_at(row["tenant_id"], row["id"])))

    async def _one(self, tenant_id: str, column: str, value: str) -> App:
        where = [app.c.tenant_id == inputs.tenant(tenant_id), app.c[column] == value]
        inputs.text(value, column)
        async with self._scope.read() as session:
            row = (await session.execute(select(app).where(*where))).mappings().one_or_none()
        if row is None:
            raise _absent(value)
        return App.model_validate(dict(row))

    async def list(
        self,
        tenant_id: str,
        *,
        parent: str | None = None,
        limit: int = 20,
        last_id: str | None = None,
    ) -> Page[App]:
        """Return a page of apps, by id."""
        where = [app.c.tenant_id == inputs.tenant(tenant_id)]
        if parent is not None:
            where.append(app.c.parent == inputs.text(parent, "parent"))
        if last_id is not None:
            where.append(app.c.id > inputs.text(last_id, "last_id"))
        limit = inputs.page_limit(limit)
        statement = select(app).where(*where).order_by(app.c.id).limit(limit + 1)
        async with self._scope.read() as session:
            found = (await session.execute(statement)).mappings().all()
        data = [App.model_validate(dict(row)) for row in found[:limit]]
        return Page(data=data, limit=limit, has_more=len(found) > limit)


def _parent(value: str | None) -> str | None:
    return None if value is None else names.label(value, "parent")


def _at(tenant_id: str, app_id: str) -> tuple[Any, ...]:
    return app.c.tenant_id == tenant_id, app.c.id == app_id


def _absent(name: str) -> NotFound:
    return NotFound(f"app {name!r} does not exist", hint="create it, or check the name")


async def _locked(session: Session, tenant_id: str, app_id: str) -> dict[str, Any]:
    wanted = _at(inputs.tenant(tenant_id), inputs.text(app_id, "app_id"))
    found = await session.execute(select(app).where(*wanted).with_for_update())
    row = found.mappings().one_or_none()
    if row is None:
        raise _absent(app_id)
    return dict(row)


async def _same(session: Session, values: dict[str, Any]) -> dict[str, Any]:
    """Return the app that is stored under an id, if it is the one that is to be created."""
    found = await session.execute(select(app).where(*_at(values["tenant_id"], values["id"])))
    row = found.mappings().one_or_none()
    if row is None:
        await _refuse_taken(session, values["tenant_id"], values["ref"])
        raise Conflict(f"app {values['id']!r} was removed at this moment", hint="try again")
    differing = [name for name, value in values.items() if row[name] != value]
    if differing:
        raise Conflict(
            f"app {values['id']!r} exists already with other {', '.join(differing)}",
            hint="update it, or choose another id",
        )
    return dict(row)


async def _refuse_taken(session: Session, tenant_id: str, ref: str) -> None:
    found = await session.execute(
        select(app.c.id).where(app.c.tenant_id == tenant_id, app.c.ref == ref)
    )
    other = found.scalar_one_or_none()
    if other is not None:
        raise Conflict(f"ref {ref!r} belongs to app {other!r}", hint="choose another one")


async def _refuse_filled(session: Session, tenant_id: str, app_id: str) -> None:
    """Raise while something lies in the app. Of millions of runs it matters that there is one."""
    held: dict[str, tuple[Table, list[ColumnElement[bool]]]] = {
        # Literal, so that a generic plan still matches the partial indexes.
        "runs": (run, [run.c.kind == literal_column("'run'")]),
        "archived runs": (run_archive, [run_archive.c.kind == literal_column("'run'")]),
        "definitions": (definition, [definition.c.deleted_at.is_(None)]),
        "actions": (action, []),
        "schedules": (schedule, [schedule.c.deleted_at.is_(None)]),
    }
    asked = [
        exists().where(table.c.tenant_id == tenant_id, table.c.app_id == app_id, *more).label(name)
        for name, (table, more) in held.items()
    ]
    row = (await session.execute(select(*asked))).mappings().one()
    found = [name for name in held if row[name]]
    if found:
        raise Conflict(
            f"app {app_id!r} still holds {', '.join(found)}",
            hint="delete its definitions and actions, and its runs with runs.delete_runs_by_app",
        )
