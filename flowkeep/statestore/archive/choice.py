"""Which runs go into the next bundle."""

# ruff: noqa: S608 - only constants of ours are put into statements

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from flowkeep.statestore.archive.parts import CHOSEN
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables.base import OPEN

HELD = """(
    coalesce(r.hold_until > now(), false) OR EXISTS (
        SELECT FROM {schema}.retention_policy AS p
        WHERE p.tenant_id = r.tenant_id AND p.legal_hold
          AND (p.app_id IS NULL OR p.app_id = r.app_id)
          AND (p.definition_id IS NULL OR p.definition_id = r.definition_id)
    )
)"""
"""Condition of runs `r` that nobody may remove now."""

ENDED = f"""(
    r.status NOT IN ('pending', 'running', 'waiting')
    AND NOT EXISTS (
        SELECT FROM {{schema}}.run AS c WHERE c.parent_run_id = r.id
          AND (c.{OPEN} OR c.kind = 'chunk' AND coalesce(c.hold_until > now(), false))
    )
    AND NOT EXISTS (
        SELECT FROM {{schema}}.run AS c JOIN {{schema}}.run AS g ON g.parent_run_id = c.id
        WHERE c.parent_run_id = r.id AND c.kind = 'chunk' AND g.{OPEN}
    )
)"""
"""Condition of runs `r` that have ended with all that belongs to them."""


@dataclass(frozen=True)
class Scope:
    """Which runs `publish` was asked for.

    Attributes:
        tenant_id: Whose.
        before: Created before this time.
        app_id: Only this app's; None means every app.
        definition_id: Only runs of this definition.
        without_apps: Apps that are left out.
        without_definitions: Definitions that are left out.
    """

    tenant_id: str
    before: datetime
    app_id: str | None
    definition_id: UUID | None
    without_apps: tuple[str, ...] = ()
    without_definitions: tuple[UUID, ...] = ()

    @property
    def bound(self) -> dict[str, Any]:
        """Parameters of the statements."""
        return {
            "tenant": self.tenant_id,
            "before": self.before,
            "app": self.app_id,
            "definition": self.definition_id,
            "without_apps": list(self.without_apps),
            "without_definitions": list(self.without_definitions),
        }

    @property
    def where(self) -> str:
        """Condition of the runs `r`; the filters that were left out are left out here, too."""
        found = "r.tenant_id = :tenant AND r.kind = 'run' AND r.created_at < :before"
        if self.app_id is not None:
            found += " AND r.app_id = :app"
        if self.definition_id is not None:
            found += " AND r.definition_id = :definition"
        if self.without_apps:
            found += " AND COALESCE(r.app_id <> ALL(CAST(:without_apps AS text[])), true)"
        if self.without_definitions:
            found += (
                " AND COALESCE(r.definition_id <> ALL(CAST(:without_definitions AS uuid[])), true)"
            )
        return (
            f"{found} AND {ENDED} AND NOT {HELD} AND NOT EXISTS"
            " (SELECT FROM {schema}.archive_pending AS q WHERE q.run_id = r.id)"
        )


Position = tuple[datetime, UUID]
"""Where the bundle before ended, in the order of (created_at, id)."""


async def next_month(session: Session, scope: Scope, after: Position | None) -> date | None:
    """Return the month of the oldest run that can be published, or None."""
    found = await session.execute(
        f"SELECT r.created_at FROM {{schema}}.run AS r WHERE {scope.where}{_behind(after)}"
        " ORDER BY r.created_at, r.id LIMIT 1",
        {**scope.bound, **_position(after)},
    )
    oldest: datetime | None = found.scalar_one_or_none()
    return None if oldest is None else oldest.astimezone(UTC).date().replace(day=1)


async def choose(
    session: Session, scope: Scope, month: date, after: Position | None, most: int
) -> tuple[int, Position | None]:
    """Put the next runs of a month, and the chunks of their maps, into the temporary table.

    Args:
        session: The transaction that publishes.
        scope: Which runs.
        month: First day of the month.
        after: Where the bundle before ended.
        most: Most runs, chunks not counted.

    Returns:
        How many were chosen, chunks included, and where they end.
    """
    end = (
        month.replace(year=month.year + 1, month=1)
        if month.month == 12
        else month.replace(month=month.month + 1)
    )
    bound = {**scope.bound, **_position(after), "end": end, "most": most}
    await session.execute(
        f"""CREATE TEMPORARY TABLE {CHOSEN} ON COMMIT DROP AS
        WITH parents AS MATERIALIZED (
            SELECT r.id, r.tenant_id, r.created_at FROM {{schema}}.run AS r
            WHERE {scope.where}{_behind(after)}
              AND r.created_at < CAST(:end AS timestamp) AT TIME ZONE 'UTC'
            ORDER BY r.created_at, r.id LIMIT :most
        )
        SELECT id, id AS family, tenant_id, created_at FROM parents
        UNION ALL
        SELECT c.id, c.parent_run_id, c.tenant_id, NULL
        FROM parents AS p JOIN {{schema}}.run AS c ON c.parent_run_id = p.id
        WHERE c.kind = 'chunk' AND c.tenant_id = p.tenant_id
        ORDER BY 1""",
        bound,
    )
    await session.execute(f"ANALYZE {CHOSEN}")
    counted = await session.execute(f"SELECT count(*) FROM {CHOSEN}")
    last = await session.execute(
        f"SELECT created_at, id FROM {CHOSEN} WHERE created_at IS NOT NULL"
        " ORDER BY created_at DESC, id DESC LIMIT 1"
    )
    row = last.one_or_none()
    return int(counted.scalar_one()), None if row is None else (row.created_at, row.id)


def _behind(after: Position | None) -> str:
    return "" if after is None else " AND (r.created_at, r.id) > (:after_time, :after_id)"


def _position(after: Position | None) -> dict[str, Any]:
    return {} if after is None else {"after_time": after[0], "after_id": after[1]}
