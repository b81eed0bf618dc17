"""Schedules: what is to run when, and as whose."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, model_validator

from flowkeep.contracts.record import Record
from flowkeep.contracts.schedule_spec import Moment, Note, Overlap, SchedulePolicy, ScheduleSpec
from flowkeep.contracts.sight import Sight

SCHEDULE_LABEL = "schedule"
"""Label of a schedule's runs: its name."""
SCHEDULE_ID_LABEL = "schedule_id"
"""Label of a schedule's runs: its id."""
MOST_LABELS = 60

Short = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
ScheduleName = Annotated[str, Field(pattern=NAME_PATTERN)]
"""Letters, digits, `.`, `_` and `-`, at most 100."""
LabelValue = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]


class ScheduleContent(Record):
    """What a schedule is to be.

    Attributes:
        definition: Id or ref of the definition it runs; else `workflow_type`.
        definition_revision: The version it runs; the newest at each firing when left out.
        workflow_type: Name of the workflow class it runs; else `definition`.
        task_queue: Where workers listen; the setting when left out.
        app_id: Container of the runs; the definition's when left out.
        arguments: Parameters of the definition, or arguments of the workflow.
        labels: Labels of the runs, beside `schedule` and `schedule_id`.
        owner: Whom its runs belong to; who makes it when left out.
        spec: When it fires.
        policy: How it deals with overlaps and outages.
        remaining_actions: How often it fires still; without end when left out.
        paused: Whether it begins paused; one that exists stays as it is.
        note: Why.
    """

    definition: Short | None = None
    definition_revision: int | None = Field(default=None, ge=1, lt=2**63)
    workflow_type: Short | None = None
    task_queue: Short | None = None
    app_id: Short | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    labels: dict[Annotated[str, Field(min_length=1, max_length=100)], LabelValue] = Field(
        default_factory=dict, max_length=MOST_LABELS
    )
    owner: Short | None = None
    spec: ScheduleSpec
    policy: SchedulePolicy = SchedulePolicy()
    remaining_actions: int | None = Field(default=None, ge=1, lt=2**53)
    paused: bool = False
    note: Note | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.definition is None) == (self.workflow_type is None):
            raise ValueError("give either definition or workflow_type")
        if self.definition is None and self.definition_revision is not None:
            raise ValueError("definition_revision goes with definition")
        own = sorted({SCHEDULE_LABEL, SCHEDULE_ID_LABEL} & self.labels.keys())
        if own:
            raise ValueError(f"labels: {', '.join(own)} are set by the schedule itself")
        return self


class NewSchedule(ScheduleContent):
    """A schedule that is to be made.

    Attributes:
        name: Unique in the tenant; it never changes.
    """

    name: ScheduleName


class OwnerRights(Record):
    """What the owner of a schedule may do, as far as the ledger can know it.

    Attributes:
        keyed: Whether they showed an API key. Then their keys of each moment say what they may do.
        system: Whether such a key may be of another tenant: they are a system admin.
        sight: What they saw when they wrote the schedule, where they showed no key; null for
            everything in the tenant.
    """

    keyed: bool = False
    system: bool = False
    sight: Sight | None = None


class Schedule(Record):
    """A schedule as the ledger has it.

    Attributes:
        id: Its id; runs carry it as the label `schedule_id`.
        tenant_id: Owner boundary.
        app_id: Container of its runs.
        name: Unique in the tenant.
        temporal_id: Its id in Temporal; ids of its workflows begin with it.
        workflow_type: What Temporal starts.
        task_queue: Where workers listen.
        definition_id: The definition it runs.
        definition_revision: The version it runs; null for the newest at each firing.
        labels: Labels of its runs, beside `schedule` and `schedule_id`.
        spec: When it fires.
        policy: How it deals with overlaps and outages.
        remaining_actions: How often it was to fire still when it was written last.
        paused: Whether it fires.
        note: Why it is paused, or was resumed.
        owner: Whom its runs belong to.
        created_by: Who made it.
        last_error: Why its last firing could not run, or Temporal could not be told of it.
        applied: Whether Temporal has this revision.
        revision: Rises with each change.
        created_at: When it was made.
        updated_at: When it was changed last.
    """

    id: UUID
    tenant_id: str
    app_id: str | None
    name: str
    temporal_id: str
    workflow_type: str
    task_queue: str
    definition_id: UUID | None
    definition_revision: int | None
    labels: dict[str, str]
    spec: ScheduleSpec
    policy: SchedulePolicy
    remaining_actions: int | None
    paused: bool
    note: str | None
    owner: str | None
    created_by: str | None
    last_error: str | None
    applied: bool
    revision: int
    created_at: datetime
    updated_at: datetime


class KeptSchedule(Schedule):
    """A schedule as whoever compares it with Temporal sees it.

    Attributes:
        deleted_at: When it was deleted; it is kept for firings that nobody has reported yet.
    """

    deleted_at: datetime | None

    def plain(self) -> Schedule:
        """Return it as others see it."""
        return Schedule(**{name: getattr(self, name) for name in Schedule.model_fields})


class ScheduleWrite(Record):
    """A schedule as it is to be stored, with everything decided.

    Attributes:
        id: Its id, where there is none of that name yet.
        temporal_id: Its id in Temporal, likewise.
        arguments: What its runs get, with references in the place of secrets.
        owner: Whom its runs belong to; whom they belong to already when left out.
        rights: What the owner may do; what is known of the same owner already when left out.

    The others are those of `Schedule`.
    """

    id: UUID
    temporal_id: str
    name: str
    app_id: str | None
    workflow_type: str
    task_queue: str
    definition_id: UUID | None
    definition_revision: int | None
    labels: dict[str, str]
    spec: ScheduleSpec
    policy: SchedulePolicy
    remaining_actions: int | None
    paused: bool
    note: str | None
    owner: str | None
    created_by: str | None
    arguments: dict[str, Any]
    rights: OwnerRights | None = None


class ScheduleFiring(Record):
    """One firing, as Temporal remembers it.

    Attributes:
        scheduled_at: When it was due, jitter included.
        started_at: When the run began.
        workflow_id: Of the run.
    """

    scheduled_at: datetime
    started_at: datetime
    workflow_id: str


class ScheduleState(Record):
    """What Temporal tells of a schedule now.

    Attributes:
        paused: Whether it fires.
        note: Why.
        next_at: The next firings, at most ten; none while it is paused.
        recent: The last firings, oldest first.
        running: Workflow ids of its runs that are open, but for those that were started with
            `allow_all`, which Temporal does not follow.
        fired: How often it fired.
        missed: Firings that were older than `catchup_seconds` when the server came back.
        skipped: Firings that an open run stood in the way of.
        remaining_actions: How often it fires still; null for without end.
    """

    paused: bool
    note: str | None
    next_at: tuple[datetime, ...]
    recent: tuple[ScheduleFiring, ...]
    running: tuple[str, ...]
    fired: int
    missed: int
    skipped: int
    remaining_actions: int | None


class Backfill(Record):
    """Firings of a time that has passed, made up for now.

    Attributes:
        start_at: The first moment.
        end_at: The last moment.
        overlap: Instead of the schedule's own policy.
    """

    start_at: Moment
    end_at: Moment
    overlap: Overlap | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.end_at < self.start_at:
            raise ValueError("end_at lies before start_at")
        return self
