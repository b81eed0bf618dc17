"""Saved versions of definitions."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, literal_column, or_, select

from flowkeep.contracts import DefinitionVersion, Page, VersionSummary, Visibility
from flowkeep.errors import InvalidInput, NotFound
from flowkeep.statestore.repositories.definition_rows import absent
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import definition, definition_version, run, run_archive

_FULL = [definition_version.c[name] for name in DefinitionVersion.model_fields]
_SUMMARY = [definition_version.c[name] for name in VersionSummary.model_fields]
_MOST = 2**63 - 1


async def page(
    session: Session, tenant_id: str, definition_id: UUID, limit: int, before: int | None
) -> Page[VersionSummary]:
    """Return a page of versions, newest first; see the Protocol."""
    found = await session.execute(
        select(definition.c.id).where(definition.c.id == definition_id, _seen(tenant_id))
    )
    if found.first() is None:
        raise absent(definition_id)
    revision = definition_version.c.revision
    statement = select(*_SUMMARY).where(definition_version.c.definition_id == definition_id)
    if before is not None:
        statement = statement.where(revision < _number(before, "before"))
    found = await session.execute(statement.order_by(revision.desc()).limit(limit + 1))
    rows = found.mappings().all()
    data = [VersionSummary.model_validate(dict(row)) for row in rows[:limit]]
    return Page(data=data, limit=limit, has_more=len(rows) > limit)


async def read(
    session: Session, tenant_id: str, definition_id: UUID, revision: int
) -> DefinitionVersion:
    """Return one version, whole; see the Protocol."""
    version = definition_version.c
    pinned = [
        exists().where(
            table.c.definition_id == definition_id,
            table.c.tenant_id == tenant_id,
            # Literal, so that a generic plan still matches the partial index.
            table.c.kind == literal_column("'run'"),
            *_pins(table, revision),
        )
        for table in (run, run_archive)
    ]
    statement = (
        select(*_FULL)
        .join(definition, definition.c.id == version.definition_id)
        .where(
            version.definition_id == definition_id,
            version.revision == _number(revision, "revision"),
            or_(_seen(tenant_id), *pinned),
        )
    )
    row = (await session.execute(statement)).mappings().one_or_none()
    if row is None:
        raise NotFound(
            f"definition {definition_id} has no version {revision}",
            hint="look them up with `definition versions`",
        )
    return DefinitionVersion.model_validate(dict(row))


def _pins(table: Any, revision: int) -> list[ColumnElement[bool]]:
    """Return the condition for the version; the line of an archived run does not tell it."""
    return [table.c.definition_revision == revision] if table is run else []


def _seen(tenant_id: str) -> ColumnElement[bool]:
    """Return the condition for definitions whose versions a tenant sees: hidden ones of its own."""
    shared = and_(
        definition.c.visibility == Visibility.SHARED.value, definition.c.deleted_at.is_(None)
    )
    return or_(definition.c.tenant_id == tenant_id, shared)


def _number(value: int, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
        raise InvalidInput(f"{field} is {value!r}", hint="it must be a number from 0")
    return value
