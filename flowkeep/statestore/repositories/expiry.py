"""Which runs are old enough to go, read oldest first in windows of an index."""

# ruff: noqa: S608 - only constants of ours are put into statements

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from flowkeep.contracts import RunStatus
from flowkeep.statestore.repositories.holds import Holds
from flowkeep.statestore.session import Scope, Session
from flowkeep.statestore.tables.base import OPEN

ENDED = [status.value for status in RunStatus if status.terminal]
"""Statuses of runs that may go."""
Position = tuple[str | datetime, UUID]
START: Position = ("-infinity", UUID(int=0))
"""Before the oldest run."""


@dataclass(frozen=True)
class Selection:
    """Runs of a tenant, by age.

    Attributes:
        tenant_id: Whose.
        before: Only runs older than this; None for all.
        app_id: Only this app's.
        definition_id: Only this definition's.
        status: Only with this status, by their last change instead of their creation.
        without_apps: Apps that are left out.
        without_definitions: Definitions that are left out.
    """

    tenant_id: str
    before: datetime | None = None
    app_id: str | None = None
    definition_id: UUID | None = None
    status: str | None = None
    without_apps: tuple[str, ...] = field(default=())
    without_definitions: tuple[UUID, ...] = field(default=())

    def statement(self) -> str:
        """Return the SQL of a window; every form of it is an ordered range of one index."""
        age = "created_at" if self.status is None else "updated_at"
        conditions = ["kind = 'run'", "tenant_id = :tenant", f"({age}, id) > (:at, :id)"]
        equal = ("app_id", "definition_id", "status")
        conditions += [f"{name} = :{name}" for name in equal if getattr(self, name) is not None]
        if self.before is not None:
            conditions.append(f"{age} < :before")
        return f"""
        SELECT r.id, r.at, r.status, r.app_id, r.definition_id,
               r.hold_until > now() IS TRUE OR k.held IS TRUE AS held, k.open IS TRUE AS is_needed
        FROM (
            SELECT id, {age} AS at, status, app_id, definition_id, hold_until
            FROM {{schema}}.run WHERE {" AND ".join(conditions)}
            ORDER BY {age}, id LIMIT :limit
        ) AS r CROSS JOIN LATERAL (
            SELECT bool_or(k.{OPEN}) AS open,
                   bool_or(k.kind = 'chunk' AND k.hold_until > now()) AS held
            FROM {{schema}}.run AS k WHERE k.parent_run_id = r.id
        ) AS k
        """

    def bound(self, after: Position, limit: int) -> dict[str, Any]:
        """Return the parameters of `statement`."""
        return {
            "tenant": self.tenant_id,
            "app_id": self.app_id,
            "definition_id": self.definition_id,
            "status": self.status,
            "before": self.before,
            "at": after[0],
            "id": after[1],
            "limit": limit,
        }


@dataclass(frozen=True)
class Window:
    """A stretch of the index.

    Attributes:
        rows: What decides about each run in it.
        last: Where it ends.
        full: Whether more may follow.
    """

    rows: Sequence[RowMapping]
    last: Position
    full: bool

    def may_go(self, selection: Selection, holds: Holds) -> list[UUID]:
        """Return the runs that ended, without hold and without a child that is still open."""
        return [
            row["id"]
            for row in self.rows
            if row["status"] in ENDED
            and not row["is_needed"]
            and not holds.cover(row)
            and row["app_id"] not in selection.without_apps
            and row["definition_id"] not in selection.without_definitions
        ]

    def stay(self, holds: Holds, *, force: bool) -> dict[UUID, str]:
        """Return the runs that cannot be deleted and why, `open` or `held`."""
        found: dict[UUID, str] = {}
        for row in self.rows:
            if holds.cover(row):
                found[row["id"]] = "held"
            elif not force and (row["status"] not in ENDED or row["is_needed"]):
                found[row["id"]] = "open"
        return found


async def window(session: Session, selection: Selection, after: Position, limit: int) -> Window:
    """Read the next stretch of a selection; nothing is locked."""
    found = await session.execute(selection.statement(), selection.bound(after, limit))
    rows = found.mappings().all()
    last = (rows[-1]["at"], rows[-1]["id"]) if rows else after
    return Window(rows, last, full=len(rows) == limit)


async def windows(
    scope: Scope, selection: Selection, limit: int, after: Position | None = None
) -> AsyncIterator[Window]:
    """Read a selection behind a position, window by window, each statement for itself."""
    after, full = after or START, True
    while full:
        async with scope.read() as session:
            found = await window(session, selection, after, limit)
        after, full = found.last, found.full
        yield found
