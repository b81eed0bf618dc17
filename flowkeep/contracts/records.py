"""Frozen records that go into and come out of the repositories."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from flowkeep.contracts.identity import RunRef
from flowkeep.contracts.record import Record
from flowkeep.contracts.status import (
    RunKind,
    RunStatus,
    SegmentKind,
    Source,
    StateType,
)


class ErrorInfo(Record):
    """Why something failed, without secrets.

    Attributes:
        code: Stable code in UPPER_SNAKE.
        type: Class of the error.
        message: At most 4 KiB of text.
        retryable: Whether another attempt may help.
        cause: What led to it, nearest first.
        stack: At most 8 KiB of the traceback.
    """

    code: str
    type: str
    message: str
    retryable: bool = True
    cause: list[str] = Field(default_factory=list)
    stack: str | None = None


class Stuck(Record):
    """Why an open run does not move, as Temporal tells it.

    Attributes:
        code: `WORKFLOW_TASK_FAILING` (its code raises, or does not fit its history) or
            `NO_WORKER` (nobody polls its task queue).
        message: The reason, secrets redacted.
        attempts: How often the workflow task was tried.
        since: When this was first seen.
    """

    code: str
    message: str
    attempts: int = 0
    since: datetime


class NewRun(Record):
    """What it takes to record a run before Temporal hears of it.

    Attributes:
        id: Our id, a UUIDv7.
        arguments: Saved under the run id (and as an alias under `workflow_id`) in the same
            transaction; null when the run uses arguments that are already stored.
    """

    id: UUID
    namespace: str = "default"
    workflow_id: str
    workflow_type: str
    task_queue: str
    app_id: str | None = None
    kind: RunKind = RunKind.RUN
    labels: dict[str, str] = Field(default_factory=dict)
    start_options: dict[str, Any] = Field(default_factory=dict)
    definition_id: UUID | None = None
    definition_revision: int | None = None
    parent_run_id: UUID | None = None
    root_run_id: UUID | None = None
    retry_of: UUID | None = None
    triggered_from: str = "sdk"
    owner: str | None = None
    created_by: str | None = None
    origin: str | None = None
    goal: str | None = None
    inputs: Any = None
    state: dict[str, Any] = Field(default_factory=dict)
    arguments: dict[str, Any] | None = None
    created_at: datetime | None = None


class RunSummary(Record):
    """The columns of a run that lists show."""

    id: UUID
    tenant_id: str
    app_id: str | None
    namespace: str
    workflow_id: str
    workflow_type: str
    task_queue: str
    kind: RunKind
    labels: dict[str, str]
    definition_id: UUID | None
    parent_run_id: UUID | None
    root_run_id: UUID | None
    triggered_from: str
    owner: str | None
    status: RunStatus
    current_step: str | None
    cancel_requested: bool
    failure_reason: str | None
    exceptions_count: int
    revision: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime
    stuck: Stuck | None = None
    """Why it does not move although it is open; null while it does."""
    archived: bool = False
    """Whether the run lies in an archive bundle; then it can only be read."""


class Run(RunSummary):
    """One execution, of a workflow class or of a definition."""

    start_options: dict[str, Any]
    start_attempts: int
    definition_revision: int | None
    retry_of: UUID | None
    created_by: str | None
    origin: str | None
    goal: str | None
    state: dict[str, Any]
    wait: dict[str, Any] | None
    pause_reason: str | None
    error: ErrorInfo | None
    inputs: Any
    outputs: Any
    tasks_total: int
    tasks_finished: int
    source: Source
    hold_until: datetime | None
    temporal_run_id: str | None = None
    """Temporal's id of the newest segment."""


class PendingRun(RunSummary):
    """A request that Temporal may not have heard of, with what it takes to start it.

    Attributes:
        start_attempts: How often somebody has tried, this time included.
    """

    start_options: dict[str, Any]
    start_attempts: int


class Event(Record):
    """One audit event of a run; `seq` grows within a run but is not ordered across runs."""

    seq: int
    run_id: UUID
    tenant_id: str
    kind: str
    payload: dict[str, Any]
    actor: str | None
    revision: int
    at: datetime


class Pause(Record):
    """An open or past pause of a run."""

    id: UUID
    run_id: UUID
    tenant_id: str
    reason: str | None
    payload: dict[str, Any] | None
    paused_at: datetime
    paused_by: str | None
    resumed_at: datetime | None
    resumed_by: str | None


class StateEntry(Record):
    """One named value of the state store."""

    tenant_id: str
    kind: StateType
    key: str
    value: dict[str, Any]
    revision: int
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentClose:
    """How one Temporal execution of a run ended.

    Attributes:
        run: The execution.
        status: The terminal status; `running` when the run goes on in a new execution.
        expected_tasks: Tasks the workflow counted over the whole continue-as-new chain.
        tentative: A retry policy or a cron may follow, so the run itself is not closed.
        source: Who says so; the server corrects the workflow.
    """

    run: RunRef
    status: RunStatus
    closed_at: datetime
    kind: SegmentKind = SegmentKind.START
    outputs: Any = None
    error: ErrorInfo | None = None
    failure_reason: str | None = None
    expected_tasks: int | None = None
    tentative: bool = False
    source: Source = Source.WORKFLOW
    started_at: datetime | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """Temporal accepted a run that its client had recorded.

    Attributes:
        run: The execution that Temporal began.
        started_at: When Temporal accepted it.
    """

    run: RunRef
    started_at: datetime
