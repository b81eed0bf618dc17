"""Looking for tasks. Finders observe; they never schedule, retry or end anything."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from flowkeep.contracts import Page, Task, TaskKey, TaskStatus, TaskSummary
from flowkeep.contracts.sight import Sight
from flowkeep.contracts.tasks import TaskLists


class TaskFinders(Protocol):
    """Looking for tasks.

    Lists hold summaries: inputs, outputs and errors are read by `get`. Their rows' `cursor` names
    a place in the list's order, so a page can be asked for though the row has moved on since.
    Every list takes a limit of 1 to 100 and raises `InvalidInput` for any other, for a cursor
    that is none, and for a time without a zone.
    """

    async def get(self, tenant_id: str, key: TaskKey) -> Task:
        """Return one attempt with its input, output and error.

        Args:
            tenant_id: Whose run.
            key: The attempt; without a number the highest of its task.

        Raises:
            NotFound: If it does not exist for this tenant.
        """
        ...

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
        """Return attempts by status and name.

        Within a run: any of them, by (temporal_run_id, activity_id, attempt). Across runs: those
        of one status other than `succeeded` and `skipped`, the last recorded first.

        Args:
            tenant_id: Whose tasks.
            status: Only these; any common word for it.
            name: Only tasks of this name.
            run_id: Only this run's.
            limit: Rows per page.
            cursor: Of the last row of the page before.

        Raises:
            InvalidInput: Without `run_id`, if no status is named or one that almost all tasks
                have: that would be a list of everything.
        """
        ...

    async def find_by_name(
        self, tenant_id: str, run_id: UUID, name: str, limit: int = 100, cursor: str | None = None
    ) -> Page[TaskSummary]:
        """Return the attempts of a run's tasks of one name, all items and turns, by key."""
        ...

    async def find_by_external_id(
        self,
        tenant_id: str,
        external_id: str,
        *,
        run_id: UUID | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[TaskSummary]:
        """Return the attempts that another system knows under an id, by (run_id, key)."""
        ...

    async def find_by_child_run(
        self, tenant_id: str, child_run_id: UUID, limit: int = 100, cursor: str | None = None
    ) -> Page[TaskSummary]:
        """Return the attempts that a child run carries out, by (run_id, key)."""
        ...

    async def find_pending_retries(
        self, tenant_id: str, now: datetime, limit: int = 100, cursor: str | None = None
    ) -> Page[TaskSummary]:
        """Return last attempts whose retry is due, the longest due first.

        What already has a higher attempt is left out, and what a reset superseded. A run that
        ends takes its retries with it.

        Args:
            tenant_id: Whose tasks.
            now: Due until when.
            limit: Rows per page.
            cursor: Of the last row of the page before.
        """
        ...

    async def find_overdue(
        self, tenant_id: str, now: datetime, limit: int = 100, cursor: str | None = None
    ) -> Page[TaskSummary]:
        """Return open attempts whose `deadline_at` is before `now`, the longest overdue first."""
        ...

    async def find_timed_out(
        self, tenant_id: str, since: datetime, limit: int = 100, cursor: str | None = None
    ) -> Page[TaskSummary]:
        """Return attempts that ran out of time, recorded since a time, the last one first."""
        ...

    async def open_questions(
        self,
        tenant_id: str,
        *,
        run_id: UUID | None = None,
        name: str | None = None,
        visible_to: Sight | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[Task]:
        """Return the questions that wait for people, with what they ask, the last asked first.

        Args:
            tenant_id: Whose runs.
            run_id: Only this run's.
            name: Only that of the task with this `activity_id`.
            visible_to: Only what somebody is asked, or what runs ask that they see; all when left
                out.
            limit: Rows per page.
            cursor: Of the last row of the page before.
        """
        ...

    async def names_by_state(self, tenant_id: str, run_id: UUID) -> TaskLists:
        """Return the names of a run's tasks by where they stand, those of an archived run too.

        Left out are flowkeep's own activities, steps below activities, what a reset superseded, and
        what an execution did that Temporal tried again as a whole.
        """
        ...
