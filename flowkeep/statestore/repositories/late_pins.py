"""Child runs of definitions: they pin a version when they begin, for no client recorded them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from flowkeep.statestore.repositories import executions
from flowkeep.statestore.repositories.pins import pin
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import definition, run


async def pin_running(session: Session, row: Mapping[str, Any], definition_id: UUID) -> int:
    """Let a run that began without a client pin a definition's newest version; returns it.

    A run that pins one already keeps it.

    Args:
        session: The transaction that holds the run's lock.
        row: The run as locked.
        definition_id: The tenant's own definition, or a shared one.

    Raises:
        NotFound: If the tenant sees no such definition.
        InvalidInput: If the definition is disabled or a draft.
    """
    if row["definition_id"] is not None:
        return int(row["definition_revision"])
    pinned = await pin(session, row["tenant_id"], definition_id, None)
    await session.execute(
        update(run)
        .where(run.c.id == row["id"])
        .values(definition_id=pinned.definition_id, definition_revision=pinned.revision)
    )
    await executions.note(session, pinned, row["created_at"])
    return pinned.revision


async def owner_of(session: Session, definition_id: UUID) -> tuple[str, str | None] | None:
    """Return tenant and owner of a definition, whether or not it can still be seen."""
    wanted = select(definition.c.tenant_id, definition.c.owner).where(
        definition.c.id == definition_id
    )
    row = (await session.execute(wanted)).one_or_none()
    return None if row is None else (row.tenant_id, row.owner)
