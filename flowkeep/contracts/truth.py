"""What `ledger verify` and the reconciler find: differences between ledger and Temporal."""

from enum import StrEnum
from uuid import UUID

from flowkeep.contracts.record import Record


class DifferenceKind(StrEnum):
    """Every way in which ledger and Temporal can disagree."""

    RUN_MISSING = "run_missing"
    """Temporal has a run that the ledger does not know."""
    SEGMENT_MISSING = "segment_missing"
    """Temporal has an execution (continued, retried, reset) that the ledger does not know."""
    NEVER_STARTED = "never_started"
    """The ledger has a request that Temporal never heard of, older than the sweeper's patience."""
    NOT_ENDED = "not_ended"
    """Temporal says that an execution ended; the ledger has it open."""
    ENDED_TOO_EARLY = "ended_too_early"
    """The ledger says that a run ended; Temporal has it open."""
    STATUS_DIFFERS = "status_differs"
    """Both say that it ended, but how."""
    OUTCOME_DIFFERS = "outcome_differs"
    """The same status, but another result, error or reason."""
    FORGOTTEN = "forgotten"
    """The ledger has a run open that Temporal no longer knows."""
    ATTEMPT_MISSING = "attempt_missing"
    """Temporal's history shows an attempt that the ledger lacks."""
    ATTEMPT_DIFFERS = "attempt_differs"
    """Both have an attempt, with another status."""
    ATTEMPT_NOT_ENDED = "attempt_not_ended"
    """An attempt is open in the ledger although it, or its run, has ended."""
    ATTEMPT_INVENTED = "attempt_invented"
    """The ledger has an attempt that Temporal's history rules out."""
    NOT_SUPERSEDED = "not_superseded"
    """An attempt that a reset undid is not marked so, or the reverse."""
    COUNT_DIFFERS = "count_differs"
    """A counter of the run differs from its rows."""
    UNREADABLE = "unreadable"
    """The history could not be read or understood, so nothing is proven."""


class Difference(Record):
    """One difference between ledger and Temporal.

    Attributes:
        kind: Which.
        tenant_id: Whose run; null where only Temporal knows it and it does not say.
        ledger: What the ledger says, in a few words; null for nothing.
        temporal: What Temporal says, in a few words; null for nothing.
        repaired: Whether the ledger has been corrected.
    """

    kind: DifferenceKind
    namespace: str
    workflow_id: str
    tenant_id: str | None = None
    run_id: UUID | None = None
    temporal_run_id: str | None = None
    activity_id: str | None = None
    attempt: int | None = None
    ledger: str | None = None
    temporal: str | None = None
    repaired: bool = False
