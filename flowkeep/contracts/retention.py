"""How long runs are kept, and what their removal takes away."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import AwareDatetime, Field

from flowkeep.contracts.record import Record


class Removed(Record):
    """How many rows went with some runs; in a dry run, how many would go.

    Attributes:
        runs: Runs themselves, chunks of maps included.
        tasks: Attempts of their tasks.
        events: Their events.
        segments: Their Temporal executions.
        pauses: Their pauses.
        labels: Their labels.
        arguments: What they were started with, and the names that led to it.
        payloads: Big values that no other run needs.
        secrets: Credentials taken out of their arguments that no other run needs.
    """

    runs: int = 0
    tasks: int = 0
    events: int = 0
    segments: int = 0
    pauses: int = 0
    labels: int = 0
    arguments: int = 0
    payloads: int = 0
    secrets: int = 0

    def __add__(self, other: Self) -> Self:
        """Return the sums."""
        return self.model_copy(
            update={
                name: getattr(self, name) + getattr(other, name) for name in type(self).model_fields
            }
        )


class RetentionPolicy(Record):
    """How long runs of a tenant, of one of its apps or of one definition are kept.

    Attributes:
        app_id: The app it is for.
        definition_id: The definition it is for; with neither, it is the tenant's.
        days: Days after their creation in which ended runs are kept; null keeps them for ever.
        archive_first: Move them to the archive instead of deleting them.
        legal_hold: Remove nothing in this scope, whatever other policies say.
    """

    id: UUID
    tenant_id: str
    app_id: str | None
    definition_id: UUID | None
    days: int | None
    archive_first: bool
    legal_hold: bool
    revision: int
    created_by: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def scope(self) -> str:
        """What it is for, in words."""
        if self.definition_id is not None:
            return f"definition {self.definition_id}"
        return "tenant" if self.app_id is None else f"app {self.app_id}"


class RetentionStep(Record):
    """What a policy removes, or removed.

    Attributes:
        policy: The policy.
        before: Runs created before this time; null where it keeps everything.
        removed: The rows; for `archive_first` the rows that leave the tables.
        archived: Runs that went to the archive instead of being deleted.
        done: Whether nothing is left to remove; false where time ran out.
    """

    policy: RetentionPolicy
    before: datetime | None
    removed: Removed = Removed()
    archived: int = 0
    done: bool = True


class RetentionCursor(Record):
    """How far a run of retention came when its time was up.

    Attributes:
        policies: Digest of the policies; when they have changed, everything begins anew.
        policy_id: The policy it came to; null where all of them are through.
        position: The last run it looked at, by creation and id; null before the first.
        payload: The last value it looked at, as hexadecimal digits.
        done: Whether nothing before it was left to others who were writing.
    """

    policies: str
    policy_id: UUID | None = None
    position: tuple[AwareDatetime, UUID] | None = None
    payload: str = Field(default="", pattern=r"^([0-9a-f]{2})*$")
    done: bool = True

    def of(self, policy_id: UUID | None) -> Self:
        """Return the cursor at a policy: this one, or the beginning of another."""
        if policy_id == self.policy_id:
            return self
        return self.model_copy(update={"policy_id": policy_id, "position": None, "payload": ""})


class RetentionReport(Record):
    """What a run of retention did, or would do.

    Attributes:
        tenant_id: Whose runs.
        steps: One per policy, the most specific first.
        payloads: Values that nobody referred to any more, from interrupted work.
        tombstones: Marks of runs that were deleted long ago.
        resume: Where the next call goes on; null unless time ran out.
    """

    tenant_id: str
    steps: tuple[RetentionStep, ...]
    payloads: int = 0
    tombstones: int = 0
    resume: RetentionCursor | None = None

    @property
    def removed(self) -> Removed:
        """Sum of all steps."""
        return sum((step.removed for step in self.steps), Removed())

    @property
    def done(self) -> bool:
        """Whether nothing is left to remove."""
        return self.resume is None and all(step.done for step in self.steps)
