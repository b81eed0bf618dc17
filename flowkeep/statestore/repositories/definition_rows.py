"""Rows of definitions: looked up, locked, and made into frozen records."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, insert, or_, select, true
from sqlalchemy import delete as delete_from

from flowkeep.contracts import Component, Definition, DefinitionSummary, Visibility
from flowkeep.errors import Forbidden, NotFound
from flowkeep.statestore.repositories import executions
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import definition, definition_component, definition_version

SUMMARY = [definition.c[name] for name in DefinitionSummary.model_fields]
"""The columns lists select: no schema, spec or canvas among them."""

CONTENT = ("spec", "canvas", "param_schema", "out_schema")
"""What makes a version: a change of anything else makes none."""


def stored(tenant_id: str, *, shared: bool = False) -> list[ColumnElement[bool]]:
    """Return the conditions for what a tenant sees: its own, and what others share."""
    own = definition.c.tenant_id == tenant_id
    seen = or_(own, definition.c.visibility == Visibility.SHARED.value) if shared else own
    return [definition.c.deleted_at.is_(None), seen]


async def read(session: Session, where: list[ColumnElement[bool]]) -> Definition | None:
    """Return a definition with its newest content, or None."""
    rows = select(*SUMMARY, definition.c.errors).where(*where).subquery("d")
    pending, version = executions.unfolded(rows), definition_version
    found = await session.execute(
        select(*executions.counted(rows, pending), *(version.c[name] for name in CONTENT))
        .select_from(rows)
        .join(
            version,
            (version.c.definition_id == rows.c.id)
            & (version.c.revision == rows.c.version_revision),
        )
        .join(pending, true())
    )
    row = found.mappings().one_or_none()
    if row is None:
        return None
    components = await read_components(session, row["id"])
    return Definition.model_validate(
        {**row, "errors": row["errors"] or (), "components": components}
    )


async def read_components(session: Session, definition_id: UUID) -> list[Component]:
    """Return what a definition uses, in order."""
    columns = definition_component.c
    found = await session.execute(
        select(*(columns[name] for name in Component.model_fields))
        .where(columns.definition_id == definition_id)
        .order_by(columns.position)
    )
    return [Component.model_validate(dict(row)) for row in found.mappings()]


async def replace_components(
    session: Session, tenant_id: str, definition_id: UUID, components: Iterable[Component]
) -> None:
    """Write what a locked or new definition uses, in place of what it used before."""
    owner = {"tenant_id": tenant_id, "definition_id": definition_id}
    rows = [{**owner, **component.model_dump()} for component in components]
    columns = definition_component.c
    await session.execute(
        delete_from(definition_component).where(columns.definition_id == definition_id)
    )
    if rows:
        await session.execute(insert(definition_component), rows)


async def lock(
    session: Session, tenant_id: str, definition_id: UUID, *, removing: bool = False
) -> dict[str, Any]:
    """Lock a definition until the transaction ends, and return its row.

    Args:
        session: A transaction.
        tenant_id: Whose it must be.
        definition_id: The definition.
        removing: Wait, too, for runs that are being created with it.

    Raises:
        NotFound: If it does not exist.
        Forbidden: If it belongs to another tenant.
    """
    statement = select(definition).where(definition.c.id == definition_id)
    found = await session.execute(statement.with_for_update(key_share=not removing))
    row = found.mappings().one_or_none()
    if row is None:
        raise absent(definition_id)
    if row["tenant_id"] != tenant_id:
        raise Forbidden(f"definition {definition_id} belongs to another tenant")
    return dict(row)


async def content(session: Session, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the newest version of a definition's row, whole."""
    version = definition_version
    found = await session.execute(
        select(version).where(
            version.c.definition_id == row["id"], version.c.revision == row["version_revision"]
        )
    )
    return dict(found.mappings().one())


def absent(name: UUID | str) -> NotFound:
    """Return the error for a definition that a tenant does not see."""
    shown = name if isinstance(name, UUID) else repr(name)
    return NotFound(f"definition {shown} does not exist", hint="look it up with `definition list`")
