"""Questions about the tasks of one run."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, tuple_

from flowkeep.contracts import Page, Task, TaskKey
from flowkeep.errors import InvalidInput, NotFound
from flowkeep.statestore.repositories import inputs
from flowkeep.statestore.repositories.rows import TASK, tasks
from flowkeep.statestore.session import Scope, Session
from flowkeep.statestore.tables import task


class TaskReads:
    """Tasks of one run; see the Protocol of the same name.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def get(self, tenant_id: str, key: TaskKey) -> Task:
        """Return one attempt with its input and output, or raise NotFound."""
        inputs.tenant(tenant_id)
        async with self._scope.read() as session:
            row = await find(session, tenant_id, key)
            if row is None:
                raise missing(key)
            return (await tasks(session, tenant_id, [row]))[0]

    async def list_tasks(
        self, tenant_id: str, run_id: UUID, limit: int = 100, cursor: str | None = None
    ) -> Page[Task]:
        """Return the highest attempt of each task, by (scheduled_at, key)."""
        other = task.alias("other")
        highest = task.c.attempt == (
            select(func.max(other.c.attempt))
            .where(
                other.c.run_id == task.c.run_id,
                other.c.temporal_run_id == task.c.temporal_run_id,
                other.c.activity_id == task.c.activity_id,
            )
            .scalar_subquery()
        )
        order = (task.c.scheduled_at, task.c.temporal_run_id, task.c.activity_id)
        statement = select(*TASK).where(*_of(tenant_id, run_id), highest).order_by(*order)
        async with self._scope.read() as session:
            if cursor is not None:
                at = await _time_at(session, _of(tenant_id, run_id), cursor, highest)
                statement = statement.where(tuple_(*order) > (at, *_key(cursor)))
            return await _page(session, statement, tenant_id, limit)

    async def list_attempts(
        self,
        tenant_id: str,
        run_id: UUID,
        activity_id: str | None = None,
        *,
        temporal_run_id: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[Task]:
        """Return every attempt, by (temporal_run_id, activity_id, attempt)."""
        order = (task.c.temporal_run_id, task.c.activity_id, task.c.attempt)
        statement = select(*TASK).where(*_of(tenant_id, run_id)).order_by(*order)
        if activity_id is not None:
            statement = statement.where(task.c.activity_id == activity_id)
        if temporal_run_id is not None:
            statement = statement.where(task.c.temporal_run_id == temporal_run_id)
        if cursor is not None:
            key, _, number = cursor.rpartition("/")
            if not number.isdecimal() or len(number) > 9:
                raise _bad_cursor(cursor)
            statement = statement.where(tuple_(*order) > (*_key(key), int(number)))
        async with self._scope.read() as session:
            return await _page(session, statement, tenant_id, limit)


def _of(tenant_id: str, run_id: UUID) -> list[ColumnElement[bool]]:
    return [
        task.c.run_id == inputs.run_id(run_id),
        task.c.tenant_id == inputs.tenant(tenant_id),
    ]


def _key(cursor: str) -> tuple[str, str]:
    """Split `Task.key`; activity ids may hold slashes, Temporal's run ids do not."""
    temporal_run_id, _, activity_id = cursor.partition("/")
    if not temporal_run_id or not activity_id or "\x00" in cursor:
        raise _bad_cursor(cursor)
    return temporal_run_id, activity_id


def _bad_cursor(cursor: str) -> InvalidInput:
    return InvalidInput(
        f"cursor {cursor[:100]!r} names no task of this run",
        hint="pass the key of the last row of the page before",
    )


async def find(session: Session, tenant_id: str, key: TaskKey) -> dict[str, Any] | None:
    """Return the row of an attempt, or None."""
    statement = select(*TASK).where(
        *_of(tenant_id, key.run_id),
        task.c.temporal_run_id == inputs.text(key.temporal_run_id, "temporal_run_id"),
        task.c.activity_id == inputs.text(key.activity_id, "activity_id"),
    )
    if key.attempt is not None:
        statement = statement.where(task.c.attempt == inputs.attempt(key.attempt))
    found = await session.execute(statement.order_by(task.c.attempt.desc()).limit(1))
    row = found.mappings().one_or_none()
    return None if row is None else dict(row)


def missing(key: TaskKey) -> NotFound:
    """Return the error that says that there is no such attempt."""
    return NotFound(f"{key} does not exist", hint="look it up with `run tasks`")


async def _time_at(
    session: Session, where: list[ColumnElement[bool]], cursor: str, highest: ColumnElement[bool]
) -> datetime:
    temporal_run_id, activity_id = _key(cursor)
    found = await session.execute(
        select(task.c.scheduled_at).where(
            *where,
            task.c.temporal_run_id == temporal_run_id,
            task.c.activity_id == activity_id,
            highest,
        )
    )
    at: datetime | None = found.scalar_one_or_none()
    if at is None:
        raise _bad_cursor(cursor)
    return at


async def _page(session: Session, statement: Select[Any], tenant_id: str, limit: int) -> Page[Task]:
    limit = inputs.page_limit(limit)
    found = (await session.execute(statement.limit(limit + 1))).mappings().all()
    data = await tasks(session, tenant_id, [dict(row) for row in found[:limit]])
    return Page(data=data, limit=limit, has_more=len(found) > limit)
