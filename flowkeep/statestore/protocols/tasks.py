"""Tasks and their attempts."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from flowkeep.contracts import Attempt, NewTask, Page, Task
from flowkeep.statestore.protocols.task_finders import TaskFinders


class TaskRepository(TaskFinders, Protocol):
    """Tasks and their attempts.

    Most are reported by the recorder. A caller may add tasks of its own, for what Temporal does
    not carry out: their `temporal_run_id` is `NO_EXECUTION`, their `activity_id`
    `name[index]#iteration`, their type `step`. They count among the tasks of their run
    (`tasks_total`, `tasks_finished`, `exceptions_count`) like all others; the number of tasks
    that a workflow kept count of (`expected_tasks`) does not know them.

    Attempts are guarded by (source, status, recorded_at), source being client < worker < workflow
    < server: what is weaker or older never replaces what is stored.
    """

    async def upsert_attempts(self, tenant_id: str, attempts: Sequence[Attempt]) -> int:
        """Record attempts of one tenant; returns how many rows were written.

        What is weaker by (source, status, recorded_at) than the stored row changes nothing.

        Raises:
            Forbidden: If an attempt belongs to another tenant.
            InvalidInput: If an attempt names no Temporal execution, or cannot be stored.
        """
        ...

    async def insert(self, tenant_id: str, new: NewTask) -> Task:
        """Add an attempt to a run, or return the one that was added before.

        In a run that has ended, an attempt that is open is cancelled at once (code RUN_CLOSED).
        The run itself is not started by it.

        Args:
            tenant_id: Whose run.
            new: The attempt.

        Raises:
            NotFound: If there is no such run.
            Forbidden: If the run belongs to another tenant.
            Conflict: If the key is taken by an attempt with another name, index, type, batch,
                time-out or input.
            InvalidInput: If something cannot be stored; names it.
        """
        ...

    async def claim(
        self,
        tenant_id: str,
        run_id: UUID,
        name: str,
        index: int = -1,
        *,
        worker: str | None = None,
        timeout_seconds: float | None = None,
    ) -> tuple[Task, bool]:
        """Take a task for oneself: of all who ask, the first one gets True.

        A claim stays: who asks again after a crash gets False and the row. What then is to happen
        is the caller's to decide, by status, `worker` and `deadline_at`; to try again, `insert`
        another attempt.

        Args:
            tenant_id: Whose run.
            run_id: An open run.
            name: The task's name.
            index: Which item; -1 for a task without items.
            worker: Who claims it.
            timeout_seconds: After which `find_overdue` shows it.

        Returns:
            The first attempt, running unless it was there before, and whether this call made it.

        Raises:
            NotFound: If there is no such run.
            Forbidden: If the run belongs to another tenant.
            AlreadyTerminal: If the run has ended and nobody claimed the task before.
            Conflict: If another task has this key.
        """
        ...

    async def update(self, tenant_id: str, task: Task) -> Task:
        """Bring an attempt to the content of a record that was read and changed.

        What is equal is left, what is None is cleared, and where nothing differs nothing is
        written, so a repeat is harmless. Times of start and end follow from the move when they
        are left out, and are never cleared. Moves: pending to running, waiting, skipped, failed,
        cancelled or timed_out; running to waiting or an end; waiting to running or an end.

        An attempt that has ended may only get what it lacks: output, error, `external_id`,
        `child_run_id`; and `next_retry_at` may be cleared when nobody will try again. One that
        was cancelled with its run (code RUN_CLOSED) may still get its real end. One that a worker
        or the server recorded may only get `external_id` and `child_run_id` while it is open.

        Args:
            tenant_id: Whose run.
            task: A record from `get`, `insert`, `claim` or a list, with changes.

        Returns:
            The attempt as stored.

        Raises:
            NotFound: If there is no such run or attempt.
            Forbidden: If the run belongs to another tenant.
            Conflict: If the attempt changed since it was read (code STALE_TASK: re-read it), or
                is Temporal's to move (code RECORDED_TASK).
            AlreadyTerminal: If the attempt has ended.
            IllegalTransition: If it cannot move there.
            InvalidInput: If something changed that never does, or cannot be stored.
        """
        ...

    async def list_tasks(
        self,
        tenant_id: str,
        run_id: UUID,
        limit: int = 100,
        cursor: str | None = None,
        *,
        steps: bool = True,
    ) -> Page[Task]:
        """Return the highest attempt of each task, by (scheduled_at, key).

        Args:
            tenant_id: Whose run.
            run_id: The run; an unknown one has no tasks.
            limit: Rows per page, 1 to 100.
            cursor: `Task.key` of the last row of the page before.
            steps: Whether the steps of activities are among them.

        Raises:
            InvalidInput: If the limit is out of range or the cursor names no task of the run.
        """
        ...

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
        """Return every attempt, by (temporal_run_id, activity_id, attempt).

        Args:
            tenant_id: Whose run.
            run_id: The run.
            activity_id: Only this task's attempts.
            temporal_run_id: Only those of this execution.
            limit: Rows per page, 1 to 100.
            cursor: `Task.attempt_key` of the last row of the page before.
        """
        ...
