"""Retention: what requests and answers have beside `flowkeep.contracts.retention`."""

from datetime import datetime
from uuid import UUID

from pydantic import ConfigDict, Field

from flowkeep.contracts.api.texts import Time
from flowkeep.contracts.record import Record
from flowkeep.contracts.retention import RetentionCursor

SLICE_SECONDS = 20.0
"""How long one call works when nobody says otherwise."""
MOST_SECONDS = 50.0
"""How long one call may work: proxies and clients give up after a minute."""


class PolicyContent(Record):
    """How long runs are kept; it replaces the policy of its scope as a whole.

    Attributes:
        days: Days after their creation in which ended runs are kept; null keeps them for ever.
        archive_first: Move them to the archive instead of deleting them.
        legal_hold: Remove nothing in this scope, whatever other policies say.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"days": 90}]})

    days: int | None = Field(ge=0, le=36_500)
    archive_first: bool = False
    legal_hold: bool = False


class RetentionSlice(Record):
    """One slice of applying the policies.

    Attributes:
        batch_size: Most runs per transaction.
        max_runs_per_second: Throttle; null for none.
        max_seconds: When to stop; a bundle that was begun is finished.
        resume: Where the slice before ended; null begins anew.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"max_seconds": 20}]})

    batch_size: int = Field(1000, ge=1, le=10_000)
    max_runs_per_second: float | None = Field(None, gt=0, le=1e9)
    max_seconds: float = Field(SLICE_SECONDS, gt=0, le=MOST_SECONDS)
    resume: RetentionCursor | None = None


class HoldRequest(Record):
    """How long a run is held.

    Attributes:
        until: When the hold ends by itself; null holds it until it is released.
    """

    until: Time | None = None


class RunHold(Record):
    """The hold of a run.

    Attributes:
        run_id: The run.
        hold_until: Until when nothing removes it; null: it is not held.
    """

    run_id: UUID
    hold_until: datetime | None
