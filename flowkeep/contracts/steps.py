"""Checkpointed steps: what one activity commits before it goes on."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flowkeep.contracts.records import ErrorInfo
from flowkeep.contracts.status import TaskStatus


@dataclass(frozen=True, slots=True)
class StepScope:
    """One activity whose steps are recorded, as one attempt of it sees it.

    Attributes:
        run_id: The run.
        tenant_id: Whose it is.
        temporal_run_id: Temporal's id of the execution.
        activity_id: The task that the steps belong to, as the ledger names it.
        fence: When Temporal scheduled this attempt. The latest attempt that opened the scope holds
            it; records of an earlier one are refused.
    """

    run_id: UUID
    tenant_id: str
    temporal_run_id: str
    activity_id: str
    fence: datetime


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One attempt of one step, on its way to the ledger.

    Attributes:
        scope: The activity it belongs to.
        ordinal: Its place among the steps of the activity, from 1.
        name: What it is called.
        attempt: From 1, over all attempts of the activity.
        status: How it stands.
        function: Module and name of what it calls.
        digest: Hash of the arguments.
        behind: Places of steps that had failed when this one was called: the code went on.
        output: The result as JSON text, exactly as it is read back; null without one.
        error: Why it failed.
        next_retry_at: When the step itself tries again.
        worker: Who executed it.
    """

    scope: StepScope
    ordinal: int
    name: str
    attempt: int
    status: TaskStatus
    function: str
    digest: str
    started_at: datetime
    behind: tuple[int, ...] = ()
    finished_at: datetime | None = None
    output: str | None = None
    error: ErrorInfo | None = None
    next_retry_at: datetime | None = None
    worker: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """The last attempt of a step, as an attempt of its activity finds it.

    Attributes:
        behind: Places of steps that had failed when this one was called.
        error: Why it failed.
        output: The result as JSON text; null without one, and where it lies apart.
        output_hash: Names a result that is too big for a row.
        lasted_seconds: How long it took.
    """

    ordinal: int
    name: str
    attempt: int
    status: TaskStatus
    function: str
    digest: str
    behind: tuple[int, ...]
    error: ErrorInfo | None
    output: str | None
    output_hash: bytes | None
    lasted_seconds: float


RecordSteps = Callable[[Sequence[StepRecord]], Awaitable[set[int]]]
"""Commits a group; returns the places in it of steps that were refused."""


def step_key(activity_id: str, name: str, ordinal: int) -> str:
    """Return the id of a step as a task of its own, below its activity's."""
    return f"{activity_id}/{name}#{ordinal}"
