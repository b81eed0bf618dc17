"""What the reconciler reads and writes."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from flowkeep.contracts.status import RunStatus, SegmentKind
from flowkeep.contracts.truth import DifferenceKind


class Standing(StrEnum):
    """How an execution that Temporal has ended stands in the ledger."""

    PROVEN = "proven"
    """The same end, and everything of it is recorded."""
    CONTINUED = "continued"
    """It continued as new; it is proven together with the end of its chain."""
    INCOMPLETE = "incomplete"
    """The same end, but not everything of it is recorded, or that cannot be told by counting."""
    OPEN = "open"
    """The ledger has it open."""
    DIFFERS = "differs"
    """The ledger has another end."""
    UNKNOWN = "unknown"
    """The ledger has no such execution."""


@dataclass(frozen=True, slots=True)
class ClosedExecution:
    """An execution that has ended, as Temporal lists it.

    Attributes:
        status: `running` where it continued as new.
        terminated: Whether it was terminated; the status says `cancelled` then.
    """

    temporal_run_id: str
    status: RunStatus
    closed_at: datetime
    terminated: bool = False


@dataclass(frozen=True, slots=True)
class DueExecution:
    """An execution that the ledger has not proven, and whose turn it is.

    Attributes:
        closed_at: When it ended; null while the ledger has it open.
        due_at: What to compare and set with, so that no change in between is lost.
        tries: How often it was looked at without a decision.
        stuck: The code of why its run does not move, as found before.
    """

    run_id: UUID
    workflow_id: str
    temporal_run_id: str
    task_queue: str
    kind: SegmentKind
    status: RunStatus
    closed_at: datetime | None
    due_at: datetime
    tries: int
    stuck: str | None


@dataclass(frozen=True, slots=True)
class NextLook:
    """When an execution is looked at again.

    Attributes:
        due_at: What it was due at when it was read; if that has changed, nothing is written.
        after_seconds: None when it is proven and need not be looked at again.
    """

    temporal_run_id: str
    due_at: datetime
    after_seconds: float | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for the reconciler.

    Attributes:
        due: Executions whose turn it is; counted up to 10,000.
        oldest_seconds: How long the oldest of them has been due.
    """

    due: int
    oldest_seconds: float


@dataclass
class Reconciled:
    """What a pass did.

    Attributes:
        listed: Ended executions that Temporal listed.
        proven: Executions found right and complete, by counting.
        examined: Executions that were compared one by one.
        open: Executions that are still running.
        stuck: Those among them that do not move.
        adopted: Executions taken up that nobody had recorded.
        repaired: Differences that were corrected, by kind.
        undecided: Executions that could not be decided now and are looked at again later.
    """

    listed: int = 0
    proven: int = 0
    examined: int = 0
    open: int = 0
    stuck: int = 0
    adopted: int = 0
    repaired: Counter[DifferenceKind] = field(default_factory=Counter)
    undecided: int = 0
