"""How a definition comes to be: named, checked, stored with its first version."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import ColumnElement, Text, cast, func, literal_column, select
from sqlalchemy import insert as insert_into
from sqlalchemy.dialects.postgresql import ARRAY, insert

from flowkeep.contracts import NewDefinition, Problem
from flowkeep.errors import Conflict, LedgerUnavailable
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import definition_content, definition_rows, inputs, names
from flowkeep.statestore.repositories.definition_content import Content
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import definition, definition_version

_TRIES = 50


async def create(session: Session, tenant_id: str, new: NewDefinition) -> UUID:
    """Store a definition, its first version and what it uses; see the Protocol."""
    content = definition_content.check(
        {name: getattr(new, name) for name in definition_rows.CONTENT},
        new.modules_used,
        new.steps_in_modules,
    )
    problems = [*content.problems, *new.errors]
    if not new.draft:
        definition_content.refuse(problems)
    values = _columns(tenant_id, new, problems)
    if not await _insert(session, values, new):
        await _check_same(session, tenant_id, new, values, content)
        return UUID(str(values["id"]))
    await write_version(session, {**values, "revision": 0}, content.columns, new.created_by)
    await definition_rows.replace_components(session, tenant_id, values["id"], content.components)
    return UUID(str(values["id"]))


async def write_version(
    session: Session,
    row: Mapping[str, Any],
    content: Mapping[str, Any],
    created_by: str | None,
) -> None:
    """Write the version of a definition at its present revision."""
    await session.execute(
        insert_into(definition_version).values(
            definition_id=row["id"],
            tenant_id=row["tenant_id"],
            revision=row["revision"],
            version=row["version"],
            draft=row["draft"],
            created_by=created_by,
            created_at=func.now(),
            **content,
        )
    )


def problems_column(problems: list[Problem]) -> list[dict[str, Any]] | None:
    """Return what the column `errors` holds for some problems."""
    listed = [problem.model_dump() for problem in problems]
    return encoding.strict(listed, "errors") if listed else None


def _columns(tenant_id: str, new: NewDefinition, problems: list[Problem]) -> dict[str, Any]:
    return {
        "id": new.id or uuid_utils.compat.uuid7(),
        "tenant_id": tenant_id,
        "app_id": None if new.app_id is None else inputs.name(new.app_id, "app_id"),
        "name": names.label(new.name, "name"),
        "ref": None if new.ref is None else names.ref(new.ref),
        "slug": None if new.slug is None else names.slug(new.slug),
        "tags": names.tags(new.tags),
        "enabled": new.enabled,
        "draft": new.draft,
        "errors": problems_column(problems),
        "visibility": new.visibility.value,
        **texts(new.model_dump(include={"description", "version", "owner", "created_by"})),
    }


def texts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return free texts that can be stored.

    Raises:
        InvalidInput: If one holds what PostgreSQL cannot; names it.
    """
    short = ("owner", "version", "created_by")
    return {
        field: inputs.name(value, field)
        if field in short and value is not None
        else encoding.strict(value, field)
        for field, value in values.items()
    }


async def _insert(session: Session, values: dict[str, Any], new: NewDefinition) -> bool:
    """Insert the row under the first names that are free; False when its id is taken.

    Somebody else may take a name at the same time, so it tries again with the next one.
    """
    base = names.slug_of(new.name)
    for _ in range(_TRIES):
        values["ref"] = new.ref or await _free(session, values, "ref", base)
        values["slug"] = new.slug or await _free(session, values, "slug", base)
        inserted = await session.execute(
            insert(definition)
            .values(**values, created_at=func.now(), updated_at=func.now())
            .on_conflict_do_nothing()
            .returning(definition.c.id)
        )
        if inserted.first() is not None:
            return True
        found = await session.execute(
            select(definition.c.id).where(definition.c.id == values["id"])
        )
        if found.first() is not None:
            return False
        await refuse_taken(session, values, [n for n in ("ref", "slug") if getattr(new, n)])
    raise LedgerUnavailable(
        f"definitions named {new.name!r} are made faster than names can be found",
        hint="try again, or give ref and slug",
    )


async def refuse_taken(session: Session, values: Mapping[str, Any], given: list[str]) -> None:
    """Raise if another definition has one of the given names.

    Raises:
        Conflict: Naming it.
    """
    for name in given:
        found = await session.execute(
            select(definition.c.id).where(
                *_scope(values, name),
                definition.c[name] == values[name],
                definition.c.id != values["id"],
            )
        )
        other = found.scalar_one_or_none()
        if other is not None:
            where = "" if name == "ref" or values["app_id"] is None else " of this app"
            raise Conflict(
                f"{name} {values[name]!r} belongs to definition {other}{where}",
                hint="choose another one, or leave it out",
            )


def _scope(values: Mapping[str, Any], name: str) -> list[ColumnElement[bool]]:
    """Return within what a name is unique."""
    where = definition_rows.stored(values["tenant_id"])
    if name == "slug":
        # As the index has it: with a parameter in it, the expression would be another one.
        app = func.coalesce(definition.c.app_id, literal_column("''"))
        where.append(app == (values["app_id"] or ""))
    return where


async def _free(session: Session, values: Mapping[str, Any], name: str, base: str) -> str:
    """Return the first name of the series that nobody has."""
    series, block = names.candidates(base), 4
    while True:
        wanted = [next(series) for _ in range(block)]
        found = await session.execute(
            select(definition.c[name]).where(
                *_scope(values, name), definition.c[name] == func.any(cast(wanted, ARRAY(Text)))
            )
        )
        taken = set(found.scalars())
        free = next((one for one in wanted if one not in taken), None)
        if free is not None:
            return free
        block = min(block * 4, 4096)


async def _check_same(
    session: Session,
    tenant_id: str,
    new: NewDefinition,
    values: Mapping[str, Any],
    content: Content,
) -> None:
    """Raise unless the definition stored under this id is the one that is to be created."""
    row = await definition_rows.lock(session, tenant_id, values["id"])
    if row["deleted_at"] is not None or row["revision"]:
        raise Conflict(
            f"definition {row['id']} exists already and has changed since",
            hint="update it, or use a new id for a new definition",
        )
    stored = await definition_rows.content(session, row)
    made = {name for name in ("ref", "slug") if getattr(new, name) is None}
    differing = [
        *(n for n in values if n not in made and not encoding.same(row[n], values[n])),
        *(n for n, v in content.columns.items() if not definition_content.same(stored[n], v, n)),
    ]
    if content.components != await definition_rows.read_components(session, row["id"]):
        differing.append("modules or steps")
    if differing:
        raise Conflict(
            f"definition {row['id']} exists already with other {', '.join(differing)}",
            hint="use a new id for a new definition",
        )
