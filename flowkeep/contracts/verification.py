"""What the ledger tells a verification, and what a verification counts."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from flowkeep.contracts.record import Record
from flowkeep.contracts.status import RunStatus
from flowkeep.contracts.truth import DifferenceKind


class Skipped(StrEnum):
    """Why an execution could not be compared, or did not have to be."""

    PAST_RETENTION = "past_retention"
    """Temporal has forgotten it, and the ledger has its end: not comparable any more."""
    NOT_ADOPTED = "not_adopted"
    """Nobody recorded it, and the setting `adopt` leaves such executions alone."""
    GONE = "gone"
    """Its run was deleted from the ledger, or lies in the archive."""
    OTHER_TENANT = "other_tenant"
    """It belongs to a tenant that was not asked for."""
    JUST_STARTED = "just_started"
    """It began, or was requested, moments ago: its first record may be on its way."""


@dataclass
class VerificationCounts:
    """What a verification has looked at so far.

    Attributes:
        compared: Executions of the ledger that were compared with Temporal.
        listed: Executions that Temporal listed and that were looked up in the ledger.
        requests: Requests in the ledger that Temporal had not accepted.
        skipped: Executions that were not compared, by why.
        differences: Differences that lasted, by kind.
        repaired: How many of these the ledger was corrected for.
        waiting: Executions that looked different and are looked at again.
    """

    compared: int = 0
    listed: int = 0
    requests: int = 0
    skipped: Counter[Skipped] = field(default_factory=Counter)
    differences: Counter[DifferenceKind] = field(default_factory=Counter)
    repaired: int = 0
    waiting: int = 0

    @property
    def agree(self) -> bool:
        """Whether ledger and Temporal say the same, after repairs."""
        return self.differences.total() == self.repaired


class ListedExecution(Record):
    """One Temporal execution as the ledger has it, with what its run says.

    Attributes:
        status: Of the execution; `running` also where it continued as new.
        closed_at: When it ended; null while the ledger has it open.
        run_status: Of the run.
        newest: Whether the ledger knows no later execution of the run.
    """

    tenant_id: str
    run_id: UUID
    workflow_id: str
    temporal_run_id: str
    status: RunStatus
    closed_at: datetime | None
    run_status: RunStatus
    newest: bool


class ListedExecutions(Record):
    """A page of executions.

    Attributes:
        data: Those that were asked for.
        after: Where the next page begins; null after the last one.
    """

    data: list[ListedExecution]
    after: str | None


class OpenRequest(Record):
    """A run that was recorded and that nobody has told to be running."""

    id: UUID
    tenant_id: str
    workflow_id: str
    created_at: datetime


class RunCounters(Record):
    """Counters of a run that its rows contradict.

    Attributes:
        stored: Tasks, finished tasks and failed attempts as the run has them.
        counted: The same, counted from the rows.
    """

    run_id: UUID
    tenant_id: str
    workflow_id: str
    stored: tuple[int, int, int]
    counted: tuple[int, int, int]

    @property
    def words(self) -> str:
        """Both, for people."""
        shown = "{} tasks, {} finished, {} failed attempts"
        return f"{shown.format(*self.stored)}; its rows: {shown.format(*self.counted)}"


class OpenAttempt(Record):
    """An attempt that is open although its run has ended."""

    run_id: UUID
    tenant_id: str
    workflow_id: str
    temporal_run_id: str
    activity_id: str
    attempt: int
    status: str
    run_status: RunStatus
