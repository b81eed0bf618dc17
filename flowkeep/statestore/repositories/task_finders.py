"""Questions about tasks of many runs: each an ordered range of one index, without payloads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, literal_column, select, tuple_
from sqlalchemy import text as sql

from flowkeep.contracts import Page, TaskStatus, TaskSummary, task_status
from flowkeep.errors import InvalidInput
from flowkeep.statestore.repositories import inputs
from flowkeep.statestore.repositories.rows import TASK_SUMMARY
from flowkeep.statestore.repositories.task_reads import TaskReads
from flowkeep.statestore.session import Scope
from flowkeep.statestore.tables import task
from flowkeep.statestore.tables.base import OPEN

_KEY = (task.c.run_id, task.c.temporal_run_id, task.c.activity_id, task.c.attempt)
_TIMES = (task.c.updated_at, task.c.next_retry_at, task.c.deadline_at)
"""Columns that lists are ordered by, in the order in which a cursor names their values."""
_NEVER_ACROSS = (TaskStatus.SUCCEEDED, TaskStatus.SKIPPED)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TaskFinders(TaskReads):
    """Tasks of many runs; see the Protocol of the same name."""

    async def list(
        self,
        tenant_id: str,
        *,
        status: TaskStatus | str | None = None,
        name: str | None = None,
        run_id: UUID | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[TaskSummary]:
        """Return attempts by status and name; see the Protocol."""
        where = [] if name is None else [task.c.task_name == inputs.text(name, "name")]
        wanted = None if status is None else task_status(status)
        if wanted is not None:
            where.append(_in_status(wanted))
        if run_id is not None:
            return await self._of_run(tenant_id, run_id, where, limit, cursor)
        if wanted is None or wanted in _NEVER_ACROSS:
            asked = "tasks of any status" if wanted is None else f"tasks that are {wanted}"
            raise InvalidInput(
                f"{asked} are not listed across runs: almost all tasks would be",
                hint="name a run_id, or a status other than succeeded and skipped",
            )
        return await page(
            self._scope, tenant_id, where, by=task.c.updated_at, limit=limit, cursor=cursor
        )

    async def find_by_name(
        self, tenant_id: str, run_id: UUID, name: str, limit: int = 100, cursor: str | None = None
    ) -> Page[TaskSummary]:
        """Return the attempts of a run's tasks of one name, by key."""
        where = [task.c.task_name == inputs.text(name, "name")]
        return await self._of_run(tenant_id, run_id, where, limit, cursor)

    async def find_by_external_id(
        self,
        tenant_id: str,
        external_id: str,
        *,
        run_id: UUID | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[TaskSummary]:
        """Return the attempts that another system knows under an id, by key."""
        where = [task.c.external_id == inputs.text(external_id, "external_id")]
        if run_id is not None:
            where.append(task.c.run_id == inputs.run_id(run_id))
        return await page(self._scope, tenant_id, where, limit=limit, cursor=cursor)

    async def find_by_child_run(
        self, tenant_id: str, child_run_id: UUID, limit: int = 100, cursor: str | None = None
    ) -> Page[TaskSummary]:
        """Return the attempts that a child run carries out, by key."""
        where = [task.c.child_run_id == inputs.run_id(child_run_id, "child_run_id")]
        return await page(self._scope, tenant_id, where, limit=limit, cursor=cursor)

    async def find_pending_retries(
        self, tenant_id: str, now: datetime, limit: int = 100, cursor: str | None = None
    ) -> Page[TaskSummary]:
        """Return attempts whose retry should have begun, longest due first."""
        other = task.alias("other")
        later = exists().where(
            other.c.run_id == task.c.run_id,
            other.c.temporal_run_id == task.c.temporal_run_id,
            other.c.activity_id == task.c.activity_id,
            other.c.attempt > task.c.attempt,
        )
        due = task.c.next_retry_at <= _moment(now, "now")
        return await page(
            self._scope,
            tenant_id,
            [due, ~later, ~task.c.superseded],
            by=task.c.next_retry_at,
            oldest_first=True,
            limit=limit,
            cursor=cursor,
        )

    async def find_overdue(
        self, tenant_id: str, now: datetime, limit: int = 100, cursor: str | None = None
    ) -> Page[TaskSummary]:
        """Return open attempts past their deadline, longest overdue first."""
        over = task.c.deadline_at < _moment(now, "now")
        return await page(
            self._scope,
            tenant_id,
            [sql(f"({OPEN})"), over, ~task.c.superseded],
            by=task.c.deadline_at,
            oldest_first=True,
            limit=limit,
            cursor=cursor,
        )

    async def find_timed_out(
        self, tenant_id: str, since: datetime, limit: int = 100, cursor: str | None = None
    ) -> Page[TaskSummary]:
        """Return attempts that ran out of time, the last recorded first."""
        where = [
            _in_status(TaskStatus.TIMED_OUT),
            task.c.updated_at >= _moment(since, "since"),
        ]
        return await page(
            self._scope, tenant_id, where, by=task.c.updated_at, limit=limit, cursor=cursor
        )

    async def _of_run(
        self,
        tenant_id: str,
        run_id: UUID,
        where: Sequence[ColumnElement[bool]],
        limit: int,
        cursor: str | None,
    ) -> Page[TaskSummary]:
        run_id = inputs.run_id(run_id)
        if cursor is not None and _Place.read(cursor).key[0] != run_id:
            raise _bad(cursor)
        of_run = [task.c.run_id == run_id, *where]
        return await page(self._scope, tenant_id, of_run, limit=limit, cursor=cursor)


def _moment(value: datetime, field: str) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidInput(f"{field} is no time with a zone", hint="use datetime.now(UTC)")
    return value


def _in_status(status: TaskStatus) -> ColumnElement[bool]:
    # As a literal, so that even a prepared statement's generic plan matches the partial index.
    return task.c.status == literal_column(f"'{status.value}'")


async def page(
    scope: Scope,
    tenant_id: str,
    where: Sequence[Any],
    *,
    by: ColumnElement[Any] | None = None,
    oldest_first: bool = False,
    limit: int,
    cursor: str | None,
) -> Page[TaskSummary]:
    """Read a page of summaries.

    Args:
        scope: Where to read.
        tenant_id: Whose tasks.
        where: Which of them.
        by: One of `_TIMES` that comes before the key in the order; None orders by key alone.
        oldest_first: The order by time; keys alone always ascend.
        limit: Rows per page.
        cursor: `TaskSummary.cursor` of the last row of the page before.
    """
    limit = inputs.page_limit(limit)
    statement = behind(
        select(*TASK_SUMMARY).where(task.c.tenant_id == inputs.tenant(tenant_id), *where),
        cursor,
        by=by,
        oldest_first=oldest_first,
    )
    async with scope.read() as session:
        found = (await session.execute(statement.limit(limit + 1))).mappings().all()
    data = [TaskSummary.model_validate(dict(row)) for row in found[:limit]]
    return Page(data=data, limit=limit, has_more=len(found) > limit)


def behind(
    statement: Select[Any],
    cursor: str | None,
    *,
    by: ColumnElement[Any] | None = None,
    oldest_first: bool = False,
) -> Select[Any]:
    """Return a statement about tasks, in order and from the place of a cursor on; see `page`."""
    order = _KEY if by is None else (by, *_KEY)
    ascending = by is None or oldest_first
    if cursor is not None:
        values = _Place.read(cursor).values(by)
        row = tuple_(*order)
        statement = statement.where(row > values if ascending else row < values)
    return statement.order_by(*(order if ascending else [c.desc() for c in order]))


@dataclass(frozen=True, slots=True)
class _Place:
    """What `TaskSummary.cursor` says."""

    times: tuple[datetime | None, ...]
    key: tuple[UUID, str, str, int]
    text: str

    @classmethod
    def read(cls, cursor: str) -> "_Place":
        """Read a cursor; activity ids may hold slashes, what stands around them does not."""
        try:
            times, run_id, temporal_run_id, rest = inputs.text(cursor, "cursor").split("/", 3)
            activity_id, _, attempt = rest.rpartition("/")
            at = tuple(_time(value) for value in times.split("."))
            place = cls(at, (UUID(run_id), temporal_run_id, activity_id, int(attempt)), cursor)
            inputs.attempt(place.key[3])
        except (ValueError, OverflowError):
            raise _bad(cursor) from None
        if len(at) != len(_TIMES) or not temporal_run_id or not activity_id:
            raise _bad(cursor)
        return place

    def values(self, by: ColumnElement[Any] | None) -> tuple[Any, ...]:
        """Return what the columns of an order are at this place."""
        if by is None:
            return self.key
        at = next(time for column, time in zip(_TIMES, self.times, strict=True) if column is by)
        if at is None:
            raise _bad(self.text)
        return (at, *self.key)


def _time(micros: str) -> datetime | None:
    return None if micros == "-" else _EPOCH + timedelta(microseconds=int(micros))


def _bad(cursor: str) -> InvalidInput:
    return InvalidInput(
        f"cursor {str(cursor)[:100]!r} names no place in this list",
        hint="pass the `cursor` of the last row of the page before",
    )
