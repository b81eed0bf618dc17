"""Archived runs answer through the ordinary reads: asked for when the tables know no such run."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from flowkeep.contracts import Event, Page, Pause, Run, Segment, Task
from flowkeep.contracts.archive import ArchivedRun
from flowkeep.errors import Conflict, Forbidden, InvalidInput
from flowkeep.statestore.archive.reading import RunReader
from flowkeep.statestore.session import Scope, Session
from flowkeep.storage import Storage

T = TypeVar("T")

_LINE = """
SELECT a.app_id, a.bundle_id, a.archived_at, b.prefix
FROM {schema}.run_archive AS a JOIN {schema}.archive_bundle AS b ON b.id = a.bundle_id
WHERE a.id = :run AND a.tenant_id = :tenant
"""


@dataclass(frozen=True)
class Line:
    """Where an archived run lies.

    Attributes:
        app_id: The run's app.
        bundle_id: Its bundle.
        archived_at: Since when.
        reader: Reads it, in a thread.
    """

    app_id: str | None
    bundle_id: UUID
    archived_at: datetime
    reader: RunReader


async def find(
    session: Session, storage: Callable[[], Storage], tenant_id: str, run_id: UUID
) -> Line | None:
    """Return where an archived run of a tenant lies, or None.

    Args:
        session: Where to read.
        storage: Gives the storage of bundles when it is needed.
        tenant_id: Whose run.
        run_id: The run.
    """
    found = await session.execute(_LINE, {"run": run_id, "tenant": tenant_id})
    row = found.one_or_none()
    if row is None:
        return None
    reader = RunReader(storage(), row.prefix, run_id)
    return Line(row.app_id, row.bundle_id, row.archived_at, reader)


async def archived_run(
    session: Session, storage: Callable[[], Storage], tenant_id: str, run_id: UUID
) -> ArchivedRun | None:
    """Return everything of an archived run, or None when there is no such run."""
    line = await find(session, storage, tenant_id, run_id)
    return None if line is None else await asyncio.to_thread(_whole, line)


def _whole(line: Line) -> ArchivedRun:
    reader = line.reader
    return ArchivedRun(
        run=reader.run(),
        bundle_id=line.bundle_id,
        archived_at=line.archived_at,
        events=reader.events(),
        segments=reader.segments(),
        pauses=reader.pauses(),
        attempts=reader.attempts(),
        arguments=reader.arguments(),
    )


async def refuse_change(session: Session, run_id: UUID, tenant_id: str | None) -> None:
    """Raise when a run that a writer did not find lies in the archive.

    Args:
        session: The writer's transaction.
        run_id: The run.
        tenant_id: Whose it must be; None for the forms without a tenant.

    Raises:
        Forbidden: If it belongs to another tenant.
        Conflict: With the code RUN_ARCHIVED.
    """
    found = await session.execute(
        "SELECT tenant_id FROM {schema}.run_archive WHERE id = :run", {"run": run_id}
    )
    owner = found.scalar_one_or_none()
    if owner is not None and tenant_id not in (None, owner):
        raise Forbidden(f"run {run_id} belongs to another tenant")
    if owner is not None:
        raise Conflict(
            f"run {run_id} is archived: it can only be read",
            hint="restore it first: flowkeep archive restore",
            code="RUN_ARCHIVED",
        )


class ArchivedReads:
    """What repositories ask when the tables know nothing of a run.

    Args:
        scope: Where sessions come from.
        storage: Gives the storage of bundles when it is needed.
    """

    def __init__(self, scope: Scope, storage: Callable[[], Storage]) -> None:
        self._scope = scope
        self._storage = storage

    async def run(self, tenant_id: str, app_id: str | None, run_id: UUID) -> Run | None:
        """Return an archived run of an app (None: of any app), or None."""
        line = await self._line(tenant_id, run_id)
        if line is None or app_id not in (None, line.app_id):
            return None
        return await asyncio.to_thread(line.reader.run)

    async def events(self, tenant_id: str, run_id: UUID) -> list[Event]:
        """Return the events of an archived run, newest first; none for other runs."""
        return (await self._rows(tenant_id, run_id, RunReader.events))[::-1]

    async def segments(self, tenant_id: str, run_id: UUID) -> list[Segment]:
        """Return the segments of an archived run, oldest first; none for other runs."""
        return await self._rows(tenant_id, run_id, RunReader.segments)

    async def pauses(self, tenant_id: str, run_id: UUID) -> list[Pause]:
        """Return the pauses of an archived run, newest first; none for other runs."""
        return (await self._rows(tenant_id, run_id, RunReader.pauses))[::-1]

    async def attempts(self, tenant_id: str, run_id: UUID) -> list[Task]:
        """Return the attempts of an archived run, by (temporal_run_id, activity_id, attempt)."""
        return await self._rows(tenant_id, run_id, RunReader.attempts)

    async def tasks(self, tenant_id: str, run_id: UUID) -> list[Task]:
        """Return the highest attempt of each task of an archived run, by (scheduled_at, key)."""
        highest = {one.key: one for one in await self.attempts(tenant_id, run_id)}
        return sorted(
            highest.values(),
            key=lambda one: (one.scheduled_at, one.temporal_run_id, one.activity_id),
        )

    async def arguments(self, tenant_id: str, run_id: UUID) -> dict[str, Any] | None:
        """Return what an archived run was started with; None for other runs."""
        line = await self._line(tenant_id, run_id)
        return None if line is None else await asyncio.to_thread(line.reader.arguments)

    async def _line(self, tenant_id: str, run_id: UUID) -> Line | None:
        async with self._scope.read() as session:
            return await find(session, self._storage, tenant_id, run_id)

    async def _rows(
        self, tenant_id: str, run_id: UUID, read: Callable[[RunReader], list[T]]
    ) -> list[T]:
        line = await self._line(tenant_id, run_id)
        return [] if line is None else await asyncio.to_thread(read, line.reader)


def page_after(rows: list[T], limit: int, cursor: str | None, key: Callable[[T], str]) -> Page[T]:
    """Return the page of rows behind a cursor.

    Args:
        rows: All rows, in order.
        limit: Rows per page.
        cursor: Key of the last row of the page before.
        key: Returns the key of a row.

    Raises:
        InvalidInput: If the cursor is the key of no row.
    """
    keys = [key(row) for row in rows]
    if cursor is not None and cursor not in keys:
        raise InvalidInput(
            f"cursor {cursor[:100]!r} names no task of this run",
            hint="pass the key of the last row of the page before",
        )
    start = 0 if cursor is None else keys.index(cursor) + 1
    data = rows[start : start + limit]
    return Page(data=data, limit=limit, has_more=len(rows) > start + limit)
