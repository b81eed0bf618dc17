"""What belongs to one run: its tasks, events, executions, pauses and values."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from flowkeep.clients.direct.access_runs import RunNoun
from flowkeep.clients.direct.looking import look
from flowkeep.contracts import Event, Pause, Segment, Task
from flowkeep.contracts.api.listing import Listing, listed
from flowkeep.contracts.progress import RunProgress
from flowkeep.contracts.tasks import TaskLists
from flowkeep.errors import InvalidInput, NotFound

_MOST = 1000
RunValue = Literal["inputs", "outputs", "state"]


class RunDetails(RunNoun):
    """Part of `client.runs`: what belongs to one run.

    Everything here raises NotFound for a run that the caller does not see.
    """

    async def tasks(
        self, run_id: UUID, *, steps: bool = True, limit: int = 100, cursor: str | None = None
    ) -> Listing[Task]:
        """Return a page of the run's tasks, each by its newest attempt, as they were scheduled.

        Args:
            run_id: The run.
            steps: Whether the steps of activities are among them.
            limit: Rows per page, 1 to 100.
            cursor: `next` of the page before.
        """
        await self._seen(run_id)
        page = await self._store.tasks.list_tasks(
            self._tenant, run_id, limit=limit, cursor=cursor, steps=steps
        )
        return listed(page, lambda task: task.key)

    async def attempts(
        self,
        run_id: UUID,
        activity_id: str | None = None,
        *,
        temporal_run_id: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Listing[Task]:
        """Return a page of attempts, by (temporal_run_id, activity_id, attempt).

        Args:
            run_id: The run.
            activity_id: Only this task's.
            temporal_run_id: Only those of this execution.
            limit: Rows per page, 1 to 100.
            cursor: `next` of the page before.
        """
        await self._seen(run_id)
        page = await self._store.tasks.list_attempts(
            self._tenant,
            run_id,
            activity_id,
            temporal_run_id=temporal_run_id,
            limit=limit,
            cursor=cursor,
        )
        return listed(page, lambda task: task.attempt_key)

    async def attempt(
        self,
        run_id: UUID,
        activity_id: str,
        attempt: int,
        *,
        temporal_run_id: str | None = None,
    ) -> Task:
        """Return one attempt of a task with its input and output.

        Args:
            run_id: The run.
            activity_id: The task.
            attempt: From 1.
            temporal_run_id: The execution; the last one that has such an attempt when left out.

        Raises:
            NotFound: If there is no such attempt.
        """
        await self._seen(run_id)
        found: Task | None = None
        cursor: str | None = None
        while True:
            page = await self._store.tasks.list_attempts(
                self._tenant, run_id, activity_id, temporal_run_id=temporal_run_id, cursor=cursor
            )
            for task in page:
                if task.attempt == attempt and (found is None or _later(task, found)):
                    found = task
            if not page.has_more:
                break
            cursor = page.data[-1].attempt_key
        if found is None:
            raise NotFound(
                f"run {run_id} has no attempt {attempt} of {activity_id!r}",
                hint="list its attempts",
            )
        return found

    async def task_names(self, run_id: UUID) -> TaskLists:
        """Return the names of the run's tasks by where they stand."""
        await self._seen(run_id)
        return await self._store.tasks.names_by_state(self._tenant, run_id)

    async def events(
        self, run_id: UUID, *, limit: int = 50, cursor: str | None = None
    ) -> Listing[Event]:
        """Return a page of the run's audit events, newest first.

        Args:
            run_id: The run.
            limit: Most events, 1 to 1000.
            cursor: `next` of the page before: only events with a smaller number.
        """
        if not 1 <= limit <= _MOST:
            raise InvalidInput(f"limit is {limit}", hint=f"use 1 to {_MOST}")
        await self._seen(run_id)
        before = None if cursor is None else _number(cursor)
        found = await self._store.runs.list_events(self._tenant, run_id, limit, before)
        following = str(found[-1].seq) if len(found) == limit else None
        return Listing(
            data=tuple(found), limit=limit, has_more=following is not None, next=following
        )

    async def segments(self, run_id: UUID) -> Listing[Segment]:
        """Return the run's Temporal executions, oldest first; the newest 1000."""
        await self._seen(run_id)
        return _whole(await self._store.runs.list_segments(self._tenant, run_id))

    async def pauses(self, run_id: UUID) -> Listing[Pause]:
        """Return the run's pauses, newest first; at most 1000."""
        await self._seen(run_id)
        return _whole(await self._store.runs.list_pauses(self._tenant, run_id))

    async def progress(self, run_id: UUID) -> RunProgress:
        """Return how far the run is.

        What activities under way report is Temporal's to say; while it is away the snapshot shows
        what the ledger has.
        """
        run = await self._seen(run_id)
        return await look(self._client, run, datetime.now(UTC))

    async def value(self, run_id: UUID, name: RunValue) -> Any:
        """Return the inputs, outputs or state of a run, however big."""
        return getattr(await self._seen(run_id), name)


def _later(one: Task, other: Task) -> bool:
    return (one.scheduled_at or one.created_at) > (other.scheduled_at or other.created_at)


def _whole(rows: Sequence[Any]) -> Listing[Any]:
    return Listing(data=tuple(rows), limit=_MOST)


def _number(cursor: str) -> int:
    if cursor.isascii() and cursor.isdigit() and len(cursor) <= 18:
        return int(cursor)
    raise InvalidInput(
        f"cursor {cursor[:80]!r} is none of this list", hint="pass `next` of the page before"
    )
