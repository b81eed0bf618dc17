"""What the ledger says of one Temporal execution, to be compared with Temporal."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flowkeep.contracts.status import RunStatus, SegmentKind, Source, TaskStatus, TaskType


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """The run an execution belongs to.

    Attributes:
        outputs: What it returned; null also where the value is too big for its row.
        has_outputs: Whether any value is stored.
        has_error: Whether it says why it failed.
        requested: Whether flowkeep's client requested it, with arguments that the ledger keeps.
    """

    id: UUID
    tenant_id: str
    status: RunStatus
    source: Source
    failure_reason: str | None
    has_error: bool
    outputs: Any
    has_outputs: bool
    requested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRecord:
    """One execution of the run; `status` stays `running` where it continued as new."""

    temporal_run_id: str
    kind: SegmentKind
    status: RunStatus
    failure_reason: str | None
    has_error: bool
    expected_tasks: int | None
    closed_at: datetime | None
    source: Source


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One attempt of an activity, remote or local.

    Attributes:
        waits: Whether it says that another attempt follows.
    """

    temporal_run_id: str
    activity_id: str
    attempt: int
    type: TaskType
    status: TaskStatus
    source: Source
    superseded: bool
    waits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRecord:
    """What the ledger says of one execution.

    Attributes:
        run: Its run; null when the ledger has none.
        gone: Whether the run was deleted or archived, so that nothing is to be said of it.
        segments: Every execution of the run that the ledger knows, in their order.
        attempts: Attempts of activities of this execution, by key and number.
    """

    temporal_run_id: str
    run: RunRecord | None = None
    gone: bool = False
    segments: tuple[SegmentRecord, ...] = ()
    attempts: tuple[AttemptRecord, ...] = ()

    @property
    def segment(self) -> SegmentRecord | None:
        """This execution, when the ledger knows it."""
        for segment in self.segments:
            if segment.temporal_run_id == self.temporal_run_id:
                return segment
        return None

    @property
    def newest(self) -> bool:
        """Whether no later execution of the run is known."""
        return not self.segments or self.segments[-1].temporal_run_id == self.temporal_run_id
