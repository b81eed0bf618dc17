"""Tasks of runs and their attempts: what is stored, what is reported, what a caller may add."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import Field

from flowkeep.contracts.identity import RunRef
from flowkeep.contracts.record import Record
from flowkeep.contracts.records import ErrorInfo
from flowkeep.contracts.status import Source, TaskStatus, TaskType
from flowkeep.errors import AlreadyTerminal, IllegalTransition

NO_EXECUTION = "-"
"""`temporal_run_id` of tasks that no Temporal execution carries out: external runs and claims."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def task_activity_id(name: str, index: int = -1, iteration: int | None = None) -> str:
    """Return the id of a task that Temporal gave none: `name[index]#iteration`.

    Args:
        name: The task's name.
        index: Which item it works on; -1 for a task without items leaves the part out.
        iteration: Which turn of a loop; None leaves the part out.
    """
    item = "" if index < 0 else f"[{index}]"
    turn = "" if iteration is None else f"#{iteration}"
    return f"{name}{item}{turn}"


class TaskKey(Record):
    """What names one attempt of one task.

    Attributes:
        run_id: The run.
        activity_id: Temporal's activity id, or the one made by `task_activity_id`.
        temporal_run_id: The execution; `NO_EXECUTION` where Temporal is not involved.
        attempt: From 1; None for the highest there is.
    """

    run_id: UUID
    activity_id: str
    temporal_run_id: str = NO_EXECUTION
    attempt: int | None = None

    def __str__(self) -> str:
        number = "" if self.attempt is None else f", attempt {self.attempt},"
        return f"task {self.activity_id!r}{number} of run {self.run_id}"


class NewTask(Record):
    """An attempt that a caller adds to a run.

    Attributes:
        iteration: Which turn of a loop in a definition; part of the default `activity_id`.
        activity_id: What names the task in its run; `name[index]#iteration` when left out.
        status: Where it stands from the beginning.
        deadline_at: Until when it should have ended; from start and `timeout_seconds` when left
            out.
    """

    run_id: UUID
    task_name: str
    task_index: int = Field(default=-1, ge=-1, lt=2**31)
    iteration: int | None = Field(default=None, ge=0)
    activity_id: str | None = None
    temporal_run_id: str = NO_EXECUTION
    attempt: int = Field(default=1, ge=1, lt=2**31)
    type: TaskType = TaskType.ITEM
    status: TaskStatus = TaskStatus.PENDING
    batch: str | None = None
    external_id: str | None = None
    child_run_id: UUID | None = None
    max_attempts: int | None = Field(default=None, ge=0, lt=2**63)
    timeout_seconds: float | None = Field(default=None, gt=0, le=1e9)
    deadline_at: datetime | None = None
    input: Any = None
    worker: str | None = None
    scheduled_at: datetime | None = None
    started_at: datetime | None = None

    @property
    def ref(self) -> TaskKey:
        """What names it."""
        made = task_activity_id(self.task_name, self.task_index, self.iteration)
        return TaskKey(
            run_id=self.run_id,
            activity_id=made if self.activity_id is None else self.activity_id,
            temporal_run_id=self.temporal_run_id,
            attempt=self.attempt,
        )


class TaskSummary(Record):
    """The columns of an attempt that lists across runs show."""

    run_id: UUID
    tenant_id: str
    temporal_run_id: str
    activity_id: str
    attempt: int
    task_name: str
    task_index: int
    batch: str | None
    type: TaskType
    external_id: str | None
    child_run_id: UUID | None
    status: TaskStatus
    max_attempts: int | None
    next_retry_at: datetime | None
    timeout_seconds: float | None
    deadline_at: datetime | None
    worker: str | None
    created_at: datetime
    scheduled_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime
    source: Source
    superseded: bool

    @property
    def ref(self) -> TaskKey:
        """What names this attempt."""
        return TaskKey(
            run_id=self.run_id,
            activity_id=self.activity_id,
            temporal_run_id=self.temporal_run_id,
            attempt=self.attempt,
        )

    @property
    def key(self) -> str:
        """What all attempts of this task share; a cursor of `list_tasks`."""
        return f"{self.temporal_run_id}/{self.activity_id}"

    @property
    def attempt_key(self) -> str:
        """What names this attempt within its run; a cursor of `list_attempts`."""
        return f"{self.key}/{self.attempt}"

    @property
    def cursor(self) -> str:
        """Where it stands in `list` and in every finder; holds though the row moves on."""
        times = (self.updated_at, self.next_retry_at, self.deadline_at)
        places = (
            "-" if at is None else str((at - _EPOCH) // timedelta(microseconds=1)) for at in times
        )
        return f"{'.'.join(places)}/{self.run_id}/{self.attempt_key}"

    @property
    def duration_ms(self) -> float | None:
        """Milliseconds between start and end."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds() * 1000

    @property
    def retry_count(self) -> int:
        """How often the task was tried before this attempt."""
        return self.attempt - 1

    @property
    def timed_out(self) -> bool:
        """Whether this attempt ran out of time."""
        return self.status is TaskStatus.TIMED_OUT


class Task(TaskSummary):
    """One attempt of one task, as stored."""

    input: Any
    output: Any
    error: ErrorInfo | None


class TaskLists(Record):
    """The names of a run's tasks by where they stand, each once, in the order they were scheduled.

    The newest attempt of a task decides, in the newest execution that has it; of a task in a loop
    those of its last turn. Of a task with several items one that has not ended counts most, then
    one that did not succeed. An execution that Temporal tried again as a whole does not count.

    Attributes:
        current: What has not ended, or waits for another attempt.
        completed: What succeeded.
        failed: What failed, ran out of time or was cancelled.
        skipped: What was left out.
    """

    current: list[str] = Field(default_factory=list)
    completed: list[str] = Field(default_factory=list)
    failed: list[str] = Field(default_factory=list)
    skipped: list[str] = Field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt as the recorder reports it; a plain dataclass, because this is the hot path.

    Attributes:
        run: The execution it belongs to.
        activity_id: Temporal's activity id, stable over retries and replay.
        attempt: From 1, as Temporal counts.
        recorded_at: When it was observed; the youngest record of one rank wins.
    """

    run: RunRef
    activity_id: str
    attempt: int
    task_name: str
    status: TaskStatus
    recorded_at: datetime
    task_index: int = -1
    batch: str | None = None
    type: TaskType = TaskType.ACTIVITY
    external_id: str | None = None
    child_run_id: UUID | None = None
    max_attempts: int | None = None
    next_retry_at: datetime | None = None
    timeout_seconds: float | None = None
    deadline_at: datetime | None = None
    input: Any = None
    output: Any = None
    error: ErrorInfo | None = None
    worker: str | None = None
    scheduled_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    source: Source = Source.WORKER


_ENDS = frozenset(
    {TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.TIMED_OUT}
)
_CALLER_MOVES: dict[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.PENDING: (_ENDS - {TaskStatus.SUCCEEDED})
    | {TaskStatus.RUNNING, TaskStatus.WAITING, TaskStatus.SKIPPED},
    TaskStatus.RUNNING: _ENDS | {TaskStatus.WAITING},
    TaskStatus.WAITING: _ENDS | {TaskStatus.RUNNING},
}


def check_task_move(name: str, current: TaskStatus, target: TaskStatus) -> None:
    """Check a move asked for by a caller; the recorder's reports are not subject to this.

    Args:
        name: The task, for the message.
        current: The status now.
        target: The status asked for.

    Raises:
        AlreadyTerminal: If the attempt has ended.
        IllegalTransition: If the table of moves has no such move.
    """
    if current.terminal:
        raise AlreadyTerminal(f"{name} has already ended as {current}", hint="insert a new attempt")
    allowed = _CALLER_MOVES[current]
    if target not in allowed:
        moves = ", ".join(sorted(status.value for status in allowed))
        raise IllegalTransition(
            f"{name} cannot move from {current} to {target}", hint=f"allowed: {moves}"
        )
