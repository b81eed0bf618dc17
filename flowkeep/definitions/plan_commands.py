"""What a plan asks for: commands, and the names of what they are about."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from flowkeep.contracts.status import TaskStatus
from flowkeep.contracts.tasks import task_activity_id
from flowkeep.definitions.spec import Task

REUSED = "reused"
"""Reason of a note: the outcome is one that was recorded before."""
CONDITION = "condition"
"""Reason of a note: the task's `when` does not hold."""
UNREACHED = "unreached"
"""Reason of a note: nothing led to the task."""
EMPTY = "empty"
"""Reason of a note: there was nothing to do, no item or no inner task."""
REFUSED = "refused"
"""Reason of a note: the task failed before anything was called, while it was rendered."""


class TaskRef(NamedTuple):
    """What names one thing that is begun: a task, or one item or batch of it, in one iteration.

    Attributes:
        name: The task.
        iteration: Which turn in a cycle, from 0; always 0 outside of cycles.
        index: Index of the (first) item; -1 for a task without items.
    """

    name: str
    iteration: int = 0
    index: int = -1  # type: ignore[assignment]  # hides tuple.index, which nobody needs here

    @property
    def text(self) -> str:
        """As the ledger writes it: `name[index]#iteration`; iteration 0 is left out."""
        return task_activity_id(self.name, self.index, self.iteration or None)

    @property
    def whole(self) -> "TaskRef":
        """The task that an item belongs to, in the same iteration."""
        return self if self.index < 0 else TaskRef(self.name, self.iteration)


@dataclass(frozen=True, slots=True)
class Reused:
    """The outcome that a task had in an earlier run.

    Attributes:
        status: How it ended.
        result: What it gave.
        input: What it was called with. An item is only taken over for the same input: another one
            may have its place by now.
    """

    status: TaskStatus
    result: Any = None
    input: Any = None


@dataclass(frozen=True, slots=True)
class CallAction:
    """Call an action.

    Attributes:
        ref: What is begun.
        task: Its description: which action, retries, timeout.
        input: Its rendered inputs by name.
        batch: Number of the batch, from 0; None without `batch_size`.
        calls: How many calls this iteration of the task has in all: one per item or batch.
    """

    ref: TaskRef
    task: Task
    input: dict[str, Any]
    batch: int | None = None
    calls: int = 1


@dataclass(frozen=True, slots=True)
class RunChild:
    """Run another definition.

    Attributes:
        ref: What is begun.
        task: Its description: which definition, retries, timeout.
        parameters: Its rendered parameters by name.
        batch: Number of the batch, from 0; None without `batch_size`.
    """

    ref: TaskRef
    task: Task
    parameters: dict[str, Any]
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class AskHuman:
    """Ask a person.

    Attributes:
        ref: What is begun.
        task: Its description.
        assignee: Who may answer; at least one.
        title: The question in a line.
        details: What the person needs to know.
        response: JSON Schema of the answer.
        deadline: Seconds there are to answer; None for any time.
        batch: Number of the batch, from 0; None without `batch_size`.
    """

    ref: TaskRef
    task: Task
    assignee: list[str]
    title: str
    details: Any
    response: dict[str, Any]
    deadline: float | None = None
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class CancelTask:
    """Cancel what was begun; how it ended is still to be told to the plan.

    Attributes:
        ref: What was begun.
    """

    ref: TaskRef


@dataclass(frozen=True, slots=True)
class Note:
    """Record a task that nothing is called for.

    Attributes:
        ref: What would have been begun.
        task: Its description.
        status: How it ended.
        input: Its rendered inputs, where there are any.
        output: What it gave.
        error: `{code, type, message}` of one that failed.
        batch: Number of the batch, from 0; None without `batch_size`.
        reason: Why nothing is called: `reused`, `condition`, `unreached`, `empty` or `refused`.
    """

    ref: TaskRef
    task: Task
    status: TaskStatus
    input: Any = None
    output: Any = None
    error: dict[str, Any] | None = None
    batch: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """End the run; nothing follows.

    Attributes:
        status: How.
        result: What `output_map` gave, by name; None unless it succeeded.
        error: `{code, message, task}` of a run that failed; `task` is null where no task is to
            blame.
    """

    status: Literal["succeeded", "failed", "cancelled"]
    result: Any = None
    error: dict[str, Any] | None = None


Call = CallAction | RunChild | AskHuman
"""What begins something."""


def given(call: Call) -> dict[str, Any]:
    """Return what a call hands over, as the ledger records it."""
    if isinstance(call, CallAction):
        return call.input
    if isinstance(call, RunChild):
        return call.parameters
    return {
        "assignee": call.assignee,
        "title": call.title,
        "details": call.details,
        "response": call.response,
    }


Command = CallAction | RunChild | AskHuman | CancelTask | Note | Finish
"""What a plan asks for."""
