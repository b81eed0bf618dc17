"""Questions about the tasks of one run."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, tuple_

from flowkeep.contracts import Page, Task, TaskKey, TaskType
from flowkeep.errors import InvalidInput, NotFound
from flowkeep.statestore.repositories import inputs
from flowkeep.statestore.repositories.archive_reads import ArchivedReads, page_after
from flowkeep.statestore.repositories.rows import TASK, tasks
from flowkeep.statestore.session import Scope, Session
from flowkeep.statestore.tables import task
from flowkeep.storage import Storage


class TaskReads:
    """Tasks of one run; see the Protocol of the same name.

    Args:
        scope: Where sessions come from.
        storage: Gives the storage of archived runs when it is needed.
    """

    def __init__(self, scope: Scope, storage: Callable[[], Storage]) -> None:
        self._scope = scope
        self._archived = ArchivedReads(scope, storage)

    async def get(self, tenant_id: str, key: TaskKey) -> Task:
        """Return one attempt with its input and output, or raise NotFound."""
        inputs.tenant(tenant_id)
        async with self._scope.read() as session:
            row = await find(session, tenant_id, key)
            if row is not None:
                return (await tasks(session, tenant_id, [row]))[0]
        for one in reversed(await self._archived.attempts(tenant_id, key.run_id)):
            same = (one.temporal_run_id, one.activity_id) == (key.temporal_run_id, key.activity_id)
            if same and key.attempt in (None, one.attempt):
                return one
        raise missing(key)

    async def list_tasks(
        self,
        tenant_id: str,
        run_id: UUID,
        limit: int = 100,
        cursor: str | None = None,
        *,
        steps: bool = True,
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
        if not steps:
            statement = statement.where(task.c.type != TaskType.STEP)
        async with self._scope.read() as session:
            at = None
            if cursor is not None:
                at = await _time_at(session, _of(tenant_id, run_id), cursor, highest)
                statement = statement.where(tuple_(*order) > (at, *_key(cursor)))
            if cursor is None or at is not None:
                page = await _page(session, statement, tenant_id, limit)
                if page.data or at is not None:
                    return page
        archived = [
            one
            for one in await self._archived.tasks(tenant_id, inputs.run_id(run_id))
            if steps or one.type is not TaskType.STEP
        ]
        return page_after(archived, inputs.page_limit(limit), cursor, lambda one: one.key)

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
            page = await _page(session, statement, tenant_id, limit)
        if page.data:
            return page
        archived = [
            one
            for one in await self._archived.attempts(tenant_id, inputs.run_id(run_id))
            if activity_id in (None, one.activity_id)
            and temporal_run_id in (None, one.temporal_run_id)
        ]
        if not archived:
            return page
        return page_after(archived, page.limit, cursor, lambda one: one.attempt_key)


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
) -> datetime | None:
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
    return at


async def _page(session: Session, statement: Select[Any], tenant_id: str, limit: int) -> Page[Task]:
    limit = inputs.page_limit(limit)
    found = (await session.execute(statement.limit(limit + 1))).mappings().all()
    data = await tasks(session, tenant_id, [dict(row) for row in found[:limit]])
    return Page(data=data, limit=limit, has_more=len(found) > limit)
