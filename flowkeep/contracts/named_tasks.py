"""Tasks with names of their own: what workflow code says of a task besides its activity.

A workflow that executes one activity type for many tasks, such as that of definitions, sets
`named_task` while it schedules one; the header carries it to the worker and into history, and the
ledger's row gets the task's name instead of the activity's.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from pydantic import Field

from flowkeep.contracts.record import Record
from flowkeep.contracts.records import ErrorInfo
from flowkeep.contracts.status import TaskStatus, TaskType


@dataclass(frozen=True, slots=True)
class NamedTask:
    """What a task is called.

    Attributes:
        name: Its name.
        index: Which item it works on, or the first of a batch; -1 for a task without items.
        batch: The batch of items.
    """

    name: str
    index: int = -1
    batch: str | None = None

    def to_header(self) -> dict[str, Any]:
        """Return the plain JSON object that travels; it travels with every task, so it is short."""
        told: dict[str, Any] = {"name": self.name}
        if self.index >= 0:
            told["index"] = self.index
        if self.batch is not None:
            told["batch"] = self.batch
        return told

    @classmethod
    def from_header(cls, value: Any) -> Self | None:
        """Read what travelled; None for what cannot have been written here."""
        if not isinstance(value, dict):
            return None
        name, index, batch = value.get("name"), value.get("index", -1), value.get("batch")
        if not isinstance(name, str) or not isinstance(index, int):
            return None
        return cls(name, index, batch if isinstance(batch, str) else None)


named_task: ContextVar[NamedTask | None] = ContextVar("flowkeep_named_task", default=None)
"""What the next activity is called that this context schedules; None for the activity's name."""

started_child: ContextVar[list[str] | None] = ContextVar("flowkeep_started_child", default=None)
"""Gets the run id of each child run that this context starts."""


class TaskNote(Record):
    """A task that no activity carries out, as workflow code sees it: a row of the ledger.

    It says everything that is known of the task by now, not only what is new.

    Attributes:
        activity_id: What names it in its run, `name[index]#iteration`.
        at: When it came to be so, by the workflow's clock.
        started_at: When it began; None for one that was skipped.
        child_workflow_id: The child run that carries it out.
        event: What is appended to the run's events, with `told`.
    """

    activity_id: str
    task_name: str
    task_index: int = -1
    batch: str | None = None
    type: TaskType
    status: TaskStatus
    at: datetime
    scheduled_at: datetime | None = None
    started_at: datetime | None = None
    input: Any = None
    output: Any = None
    error: ErrorInfo | None = None
    deadline_at: datetime | None = None
    timeout_seconds: float | None = None
    child_workflow_id: str | None = None
    child_run_id: str | None = None
    event: str | None = None
    told: dict[str, Any] = Field(default_factory=dict)


class TaskNotes(Record):
    """What workflow code reports in one go.

    Attributes:
        notes: In the order in which it happened.
        waits_for: What a run waits for that has nothing else to do, a person for example; empty
            when it no longer waits; None where nothing changed.
        execution: Temporal's id of the execution whose rows these are: the first one of those
            that continue each other as new. A retry or a reset begins rows of its own. None for
            the execution that reports.
        begins: Whether that is a retry or a reset, which tells for the first time: what earlier
            executions left open has ended with them.
        undone_after: Of a reset, the moment that it goes back to: what earlier executions told
            later does not count any more.
        unpaused_at: A moment at which the run was not paused, nor about to tell that it goes on: a
            pause that began before has ended.
    """

    notes: list[TaskNote] = Field(default_factory=list)
    waits_for: dict[str, Any] | None = None
    execution: str | None = None
    begins: bool = False
    undone_after: datetime | None = None
    unpaused_at: datetime | None = None
