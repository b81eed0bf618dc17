"""What a history says, in a few words per task."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure

from flowkeep.contracts import ErrorInfo, RunRef, RunStatus, SegmentKind, TaskStatus, TaskType


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How an execution ended.

    Attributes:
        status: A terminal status; `running` where it continued as new.
        failure_reason: Why it did not succeed.
        result: What it returned, as Temporal keeps it.
        failure: Why it failed, as Temporal keeps it.
        successor: The execution that follows, by continue-as-new, a retry policy or a cron.
        outputs: The result, as the ledger keeps it.
        error: Why it failed or was terminated, as the ledger keeps it.
    """

    status: RunStatus
    closed_at: datetime
    failure_reason: str | None = None
    result: Payloads | None = None
    failure: Failure | None = None
    successor: str | None = None
    outputs: Any = None
    error: ErrorInfo | None = None


@dataclass(slots=True)
class TaskFacts:
    """One task, as far as the comparison needs it.

    Attributes:
        key: The activity id, or `id~2`, `id~3`, … where an id is used again, in schedule order.
        scheduled_id: Number of the event that scheduled it; of a local activity, its marker's.
        execution: The execution in whose part of the history it ended, or is open.
        status: How it ended; None while it is open.
        attempt: Number of the last attempt; None where history does not tell, because the task
            ended between two attempts or before its first, or is open.
        before: How the attempt before that one ended, where history says so.
        first: Number of its first attempt; a local activity without an id of its own gets another
            one after each long back-off, and goes on counting.
        goes_on: Whether it waits for another attempt.
        index: Which item it works on; -1 for a task without items.
        batch: The batch of items.
    """

    key: str
    activity_id: str
    name: str
    type: TaskType
    scheduled_id: int
    execution: str
    status: TaskStatus | None = None
    attempt: int | None = None
    before: TaskStatus | None = None
    first: int = 1
    goes_on: bool = False
    index: int = -1
    batch: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How an execution began.

    Attributes:
        run: Who it is.
        kind: Why it began.
        started_at: When.
        original: Temporal's id of the execution whose history this one was begun from; its own
            unless it was made by a reset.
        counted_before: Tasks that the earlier executions of its chain scheduled; None where
            nobody counted.
        expires_at: When the whole chain runs out of time.
        parent: Workflow id and Temporal's run id of the execution that started it.
    """

    run: RunRef
    kind: SegmentKind
    started_at: datetime
    original: str
    counted_before: int | None = None
    expires_at: datetime | None = None
    parent: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the history of one execution says.

    Attributes:
        end: How it ended; None while it is open.
        tasks: Every activity it scheduled, flowkeep's own left out, by key.
        flowkeep: Whether its workflow is one of flowkeep's, so that values are kept in full.
    """

    start: Start
    end: End | None
    tasks: dict[str, TaskFacts] = field(default_factory=dict)
    flowkeep: bool = False

    @property
    def own(self) -> list[TaskFacts]:
        """The tasks of this execution's own part: all, unless a reset made it."""
        mine = self.start.run.temporal_run_id
        return [task for task in self.tasks.values() if task.execution == mine]
