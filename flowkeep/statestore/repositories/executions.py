"""How often definitions were executed.

Starts of one definition must not wait for each other, so each only appends a row; folding adds the
rows to the definition's count later. What is read is always both together.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import FromClause, func, insert, select

from flowkeep.statestore.repositories.pins import Pin
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import definition_execution

MOST_FOLDED = 10_000
"""Most rows that one transaction folds."""

# Whoever folds at the same time takes other rows. Definitions are locked in one order, so that two
# that fold rows of the same definitions wait for each other instead of for ever.
_FOLD = """
WITH taken AS (
    DELETE FROM {schema}.definition_execution AS e
    WHERE e.ctid = ANY(ARRAY(
        SELECT ctid FROM {schema}.definition_execution
        WHERE WHOSE
        ORDER BY tenant_id, definition_id, seq
        LIMIT :most FOR UPDATE SKIP LOCKED
    ))
    RETURNING e.definition_id, e.at
),
added AS (
    SELECT definition_id, count(*) AS runs, max(at) AS latest FROM taken GROUP BY definition_id
),
locked AS MATERIALIZED (
    SELECT d.id, a.runs, a.latest FROM added AS a
    JOIN {schema}.definition AS d ON d.id = a.definition_id
    ORDER BY d.id FOR NO KEY UPDATE OF d
),
folded AS (
    UPDATE {schema}.definition AS d
    SET execution_count = d.execution_count + l.runs,
        last_executed_at = GREATEST(d.last_executed_at, l.latest)
    FROM locked AS l WHERE d.id = l.id
)
SELECT COALESCE(sum(runs), 0) FROM added
"""
_FOLD_OWN = _FOLD.replace("WHOSE", "tenant_id = :tenant_id")
_FOLD_ALL = _FOLD.replace("WHOSE", "true")


async def note(session: Session, pinned: Pin, at: datetime) -> None:
    """Count one run of a definition; waits for nobody.

    Args:
        session: The transaction that creates the run.
        pinned: What the run pins; the definition may be another tenant's.
        at: When the run was created.
    """
    row = {"tenant_id": pinned.tenant_id, "definition_id": pinned.definition_id, "at": at}
    await session.execute(insert(definition_execution).values(row))


async def fold(session: Session, tenant_id: str | None, most: int) -> int:
    """Add up to `most` rows to their definitions; returns how many.

    Neither revision nor updated_at of a definition moves by it.

    Args:
        session: A transaction, best one of its own.
        tenant_id: Whose definitions; None for all tenants.
        most: Most rows to take.
    """
    if tenant_id is None:
        folded = await session.execute(_FOLD_ALL, {"most": most})
    else:
        folded = await session.execute(_FOLD_OWN, {"tenant_id": tenant_id, "most": most})
    return int(folded.scalar_one())


def unfolded(rows: FromClause) -> FromClause:
    """Return, for each row of definitions, the count and the latest of what is not folded yet."""
    columns = definition_execution.c
    return (
        select(func.count().label("runs"), func.max(columns.at).label("latest"))
        .where(columns.tenant_id == rows.c.tenant_id, columns.definition_id == rows.c.id)
        .lateral("unfolded")
    )


def counted(rows: FromClause, pending: FromClause) -> list[Any]:
    """Return the columns of definitions with what is not folded yet added to the counts."""
    exact = {
        "execution_count": rows.c.execution_count + pending.c.runs,
        "last_executed_at": func.greatest(rows.c.last_executed_at, pending.c.latest),
    }
    return [exact[c.name].label(c.name) if c.name in exact else c for c in rows.c]
