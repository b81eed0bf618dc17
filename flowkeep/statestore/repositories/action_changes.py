"""Actions written: recorded, registered by workers, changed, removed."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import case, func, or_, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy.dialects.postgresql import insert

from flowkeep.contracts import ActionPatch, NewAction
from flowkeep.errors import Conflict, Forbidden, InvalidInput, NotFound, RevisionMismatch
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import definition_rows, inputs, names
from flowkeep.statestore.repositories.definition_content import schema
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import action, definition

_MOST_REGISTERED = 1000
_SERVED = ("app_id", "label", "description", "param_schema", "out_schema")


async def create(session: Session, tenant_id: str, new: NewAction) -> dict[str, Any]:
    """Record an action, or return the stored one if it is the same; see the Protocol."""
    values = {
        **_columns(tenant_id, new),
        "id": new.id or uuid_utils.compat.uuid7(),
        "definition_id": new.definition_id,
    }
    if new.definition_id is not None:
        await hold_definition(session, tenant_id, new.definition_id)
    inserted = await session.execute(
        insert(action)
        .values(**values, created_at=func.now(), updated_at=func.now())
        .on_conflict_do_nothing()
        .returning(action)
    )
    row = inserted.mappings().one_or_none()
    return dict(row) if row is not None else await _same(session, values, new)


async def register(
    session: Session, tenant_id: str, actions: Sequence[NewAction], worker: str
) -> list[dict[str, Any]]:
    """Insert or refresh what a worker serves, in one statement; see the Protocol."""
    rows = {new.ref: _columns(tenant_id, new) for new in actions}
    if len(rows) < len(actions):
        raise InvalidInput("actions name a ref twice", hint="give each ref once")
    if len(rows) > _MOST_REGISTERED:
        raise InvalidInput(
            f"actions are {len(rows)}", hint=f"register at most {_MOST_REGISTERED} at once"
        )
    for new in actions:
        if new.id is not None or new.definition_id is not None:
            raise InvalidInput(
                f"action {new.ref!r} is registered with an id or a definition",
                hint="leave both out; `create` and `link_definition` set them",
            )
    if not rows:
        return []
    now = {"created_at": func.now(), "updated_at": func.now(), "last_seen_at": func.now()}
    # Ordered, so that two workers that register the same actions lock them in the same order.
    statement = insert(action).values(
        [
            {**row, "id": uuid_utils.compat.uuid7(), "registered_by": worker, **now}
            for _, row in sorted(rows.items())
        ]
    )
    told = statement.excluded
    differs = or_(*(action.c[name].is_distinct_from(told[name]) for name in _SERVED))
    written = await session.execute(
        statement.on_conflict_do_update(
            index_elements=[action.c.tenant_id, action.c.ref],
            set_={
                **{name: told[name] for name in (*_SERVED, "registered_by", "last_seen_at")},
                "revision": action.c.revision + case((differs, 1), else_=0),
                "updated_at": case((differs, told.updated_at), else_=action.c.updated_at),
            },
        ).returning(action)
    )
    stored = {row["ref"]: dict(row) for row in written.mappings()}
    return [stored[ref] for ref in rows]


async def lock(
    session: Session, tenant_id: str, action_id: UUID, expected_revision: int | None
) -> dict[str, Any]:
    """Lock an action until the transaction ends, and return its row.

    Raises:
        NotFound: If it does not exist.
        Forbidden: If it belongs to another tenant.
        RevisionMismatch: If somebody changed it since it was read.
    """
    found = await session.execute(select(action).where(action.c.id == action_id).with_for_update())
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFound(f"action {action_id} does not exist", hint="create or register it")
    if row["tenant_id"] != tenant_id:
        raise Forbidden(f"action {action_id} belongs to another tenant")
    if expected_revision is not None and row["revision"] != expected_revision:
        raise RevisionMismatch(
            f"action {action_id}", expected=expected_revision, actual=row["revision"]
        )
    return dict(row)


def patched(patch: ActionPatch) -> dict[str, Any]:
    """Return the columns that a patch gives, checked."""
    values = {name: getattr(patch, name) for name in patch.model_fields_set}
    for name in {"param_schema", "out_schema"} & values.keys():
        values[name] = schema(values[name] or {}, name)
    if values.get("app_id") is not None:
        values["app_id"] = inputs.name(values["app_id"], "app_id")
    if "label" in values:
        values["label"] = names.label(values["label"], "label")
    if "description" in values:
        values["description"] = encoding.strict(values["description"], "description")
    return values


async def change(
    session: Session, row: dict[str, Any], wanted: Mapping[str, Any]
) -> dict[str, Any]:
    """Set what differs in a locked action, and bump its revision; nothing differs, nothing done."""
    values = {n: v for n, v in wanted.items() if not encoding.same(row[n], v)}
    if not values:
        return row
    changed = await session.execute(
        update(action)
        .where(action.c.id == row["id"])
        .values(**values, revision=action.c.revision + 1, updated_at=func.now())
        .returning(action)
    )
    return dict(changed.mappings().one())


async def hold_definition(session: Session, tenant_id: str, definition_id: UUID) -> None:
    """Make sure that a tenant sees a definition, and that it stays until the transaction ends.

    Raises:
        NotFound: If it does not.
    """
    seen = definition_rows.stored(tenant_id, shared=True)
    found = await session.execute(
        select(definition.c.id)
        .where(definition.c.id == definition_id, *seen)
        .with_for_update(key_share=True, read=True)
    )
    if found.first() is None:
        raise definition_rows.absent(definition_id)


async def delete(session: Session, tenant_id: str, action_id: UUID) -> bool:
    """Remove an action; returns whether it existed."""
    try:
        await lock(session, tenant_id, action_id, None)
    except NotFound:
        return False
    await session.execute(delete_from(action).where(action.c.id == action_id))
    return True


def _columns(tenant_id: str, new: NewAction) -> dict[str, Any]:
    ref = names.ref(new.ref)
    return {
        "tenant_id": tenant_id,
        "ref": ref,
        "label": names.label(new.label if new.label is not None else ref, "label"),
        "app_id": None if new.app_id is None else inputs.name(new.app_id, "app_id"),
        "description": encoding.strict(new.description, "description"),
        "param_schema": schema(new.param_schema, "param_schema"),
        "out_schema": schema(new.out_schema, "out_schema"),
    }


async def _same(session: Session, values: dict[str, Any], new: NewAction) -> dict[str, Any]:
    """Return the action that is stored already, if it is the one that is to be created."""
    by_ref = (action.c.tenant_id == values["tenant_id"]) & (action.c.ref == values["ref"])
    found = await session.execute(
        select(action).where(or_(by_ref, action.c.id == values["id"])).order_by(by_ref.desc())
    )
    row = found.mappings().first()
    if row is None:
        raise Conflict(f"action {values['ref']!r} was removed at this moment", hint="try again")
    if row["tenant_id"] != values["tenant_id"]:
        raise Forbidden(f"action {row['id']} belongs to another tenant")
    given = values.keys() - ({"id"} if new.id is None else set())
    differing = sorted(name for name in given if not encoding.same(row[name], values[name]))
    if differing:
        raise Conflict(
            f"action {row['ref']!r} exists already with other {', '.join(differing)}",
            hint="update it, or choose another ref",
        )
    return dict(row)
