"""What a run of retention is asked for, and what it tells."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from flowkeep.contracts.record import Record
from flowkeep.contracts.retention import RetentionCursor

RETENTION_TYPE = "flowkeep.Retention"
"""Workflow type of the run that applies retention policies."""

APPLY_RETENTION = "flowkeep.apply_retention"
"""Activity that does a slice of its work."""

_NAMED = 20


class RetentionArguments(BaseModel):
    """Arguments of a run of retention.

    Attributes:
        all_tenants: Apply the policies of every tenant, each to its own runs; else only those of
            the tenant the run belongs to.
        batch_size: Most runs per transaction.
        max_runs_per_second: Throttle; null for none.
        slice_seconds: Longest an activity works before it hands over to the next, 1 to 3600.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    all_tenants: bool = False
    batch_size: int = Field(default=500, ge=1, le=10_000)
    max_runs_per_second: float | None = Field(default=None, gt=0)
    slice_seconds: float = Field(default=60.0, ge=1, le=3600)


class RetentionProgress(Record):
    """How far a run of retention is.

    Attributes:
        after: The last tenant that is done; null before the first one is.
        resume: Where the tenant behind it goes on; null where it begins.
        tenants: Tenants that are done.
        runs: Runs deleted so far.
        archived: Runs moved to the archive so far.
        failures: Tenants that could not be done; the others are done all the same.
        failed: The first of them, and why.
        more: Whether there is more to do.
    """

    after: str | None = None
    resume: RetentionCursor | None = None
    tenants: int = 0
    runs: int = 0
    archived: int = 0
    failures: int = 0
    failed: dict[str, str] = Field(default_factory=dict)
    more: bool = True

    def without(self, tenant_id: str, why: str) -> Self:
        """Return the progress after a tenant that could not be done."""
        named = {**self.failed, tenant_id: why} if len(self.failed) < _NAMED else self.failed
        return self.model_copy(
            update={
                "failures": self.failures + 1,
                "failed": named,
                "resume": None,
                "more": False,
            }
        )
