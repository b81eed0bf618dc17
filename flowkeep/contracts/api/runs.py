"""Runs over the service: what is asked, and what is answered beside the ledger's records."""

from datetime import timedelta
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from flowkeep.contracts.api.texts import Prose, Span, TemporalName, Text, Time
from flowkeep.contracts.record import Record
from flowkeep.contracts.records import ErrorInfo

OnConflict = Literal["existing", "reject", "replace"]

OURS = ("schedule", "retry", "child", "external")
"""`triggered_from` of runs that nobody starts by a request of their own."""


def _not_ours(value: str) -> str:
    if value in OURS:
        raise ValueError(f"{value!r} is for the service to say")
    return value


Trigger = Annotated[Text, AfterValidator(_not_ours)]
"""What started a run, in the caller's words."""


class Retries(Record):
    """How often Temporal repeats a run that fails as a whole.

    Attributes:
        initial_interval: Wait before the first repeat.
        backoff_coefficient: Each wait is so many times the one before.
        maximum_interval: Longest wait; 100 times the first when left out.
        maximum_attempts: Attempts altogether; 0 for no limit.
        non_retryable_error_types: Types of errors that end it at once.
    """

    initial_interval: Span = timedelta(seconds=1)
    backoff_coefficient: float = Field(2.0, ge=1, le=1e6)
    maximum_interval: Span | None = None
    maximum_attempts: int = Field(0, ge=0, lt=2**31)
    non_retryable_error_types: list[Text] | None = Field(None, max_length=100)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.maximum_interval is not None and self.maximum_interval < self.initial_interval:
            raise ValueError("maximum_interval is below initial_interval")
        return self


class Urgency(Record):
    """A run's place among those that wait for a worker.

    Attributes:
        priority_key: From 1, the most urgent, to 5.
        fairness_key: Runs with the same key share what is their due.
        fairness_weight: Weight of that key.
    """

    priority_key: int | None = Field(None, ge=1, le=5)
    fairness_key: Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\x00]*$")] | None = (
        None
    )
    fairness_weight: float | None = Field(None, ge=0.001, le=1000)


class RunStart(Record):
    """A run to be started; with `external`, one to be recorded that lives outside Temporal.

    Attributes:
        workflow_type: Name of the workflow class, or of what runs elsewhere.
        arguments: What it is started with; left out, those stored under `workflow_id` are used.
        workflow_id: Temporal's id and the idempotency key; the run id when left out.
        task_queue: Where workers listen; the service's own when left out.
        app_id: Container inside the tenant.
        labels: For filters of lists.
        goal: What the run is meant to achieve, in words.
        owner: Whom it belongs to; only staff names somebody else.
        on_conflict: When a run with this workflow_id is open: `existing` answers with it, `reject`
            is a conflict, `replace` cancels it, waits for its end and starts.
        triggered_from: What started it.
        execution_timeout: Longest the run may take, retries and continue-as-new included.
        run_timeout: Longest one execution of it may take.
        task_timeout: Longest a workflow task may take.
        start_delay: How long Temporal waits before it begins.
        retry_policy: Repeats of the whole run; none when left out.
        priority: Its place among those that wait for a worker.
        external: Temporal is told nothing; callers move it by PATCH.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "workflow_type": "Nightly",
                    "arguments": {"day": "2026-01-31"},
                    "workflow_id": "nightly-2026-01-31",
                    "labels": {"team": "data"},
                }
            ]
        }
    )

    workflow_type: TemporalName
    arguments: dict[str, Any] | None = None
    workflow_id: TemporalName | None = None
    task_queue: TemporalName | None = None
    app_id: Text | None = None
    labels: dict[str, str] = Field(default_factory=dict, max_length=64)
    goal: Prose | None = None
    owner: Text | None = None
    on_conflict: OnConflict = "existing"
    triggered_from: Trigger = "api"
    execution_timeout: Span | None = None
    run_timeout: Span | None = None
    task_timeout: Span | None = None
    start_delay: Span | None = None
    retry_policy: Retries | None = None
    priority: Urgency | None = None
    external: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        useless = [name for name in self.options() if self.external]
        if useless:
            raise ValueError(f"an external run has no {', '.join(useless)}")
        return self

    def options(self) -> dict[str, Any]:
        """Return Temporal's options that are given, as plain values."""
        names = ("execution_timeout", "run_timeout", "task_timeout", "start_delay")
        given: dict[str, Any] = {name: getattr(self, name) for name in names}
        if self.retry_policy is not None:
            given["retry_policy"] = self.retry_policy.model_dump()
        if self.priority is not None:
            given["priority"] = self.priority.model_dump()
        return {name: value for name, value in given.items() if value is not None}


class StartedRun(Record):
    """A run that was accepted.

    Attributes:
        run_id: Our id.
        workflow_id: Temporal's id.
        temporal_run_id: Temporal's id of the execution; null for external runs.
        created: Whether this request started it; false where it was open already.
        message: The same in words.
    """

    run_id: UUID
    workflow_id: str
    temporal_run_id: str | None
    created: bool
    message: str


class Reason(Record):
    """Why a run is paused or ended.

    Attributes:
        reason: In words; kept with the run.
    """

    reason: Prose | None = None


class Resumption(Record):
    """How a paused run goes on.

    Attributes:
        patch: Merged into the run's state.
    """

    patch: dict[str, Any] | None = None


class RunPatch(Record):
    """What is to change of a run; what is left out stays.

    Attributes:
        labels: By key; null removes the label.
        state: Merged into the state key by key; null removes the key.
        owner: Whom it belongs to from now on; for staff.
        hold_until: Until when it must not be deleted; null lifts the hold; for staff.
        status: Of external runs: where it stands now, under the table of moves.
        outputs: Of external runs: what it gave.
        error: Of external runs: why it failed.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"labels": {"team": "data", "draft": None}}]}
    )

    labels: dict[str, str | None] = Field(default_factory=dict, max_length=64)
    state: dict[str, Any] = Field(default_factory=dict)
    owner: Text | None = None
    hold_until: Time | None = None
    status: Text | None = None
    outputs: Any = None
    error: ErrorInfo | None = None


class RerunRequest(Record):
    """How a run that has ended is repeated.

    Attributes:
        tasks: Tasks to begin with; those that did not succeed when left out.
        newest: Whether to run the newest version of the definition.
        everything: Whether to take nothing over.
    """

    tasks: list[Text] | None = Field(None, max_length=1000)
    newest: bool = False
    everything: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.everything and self.tasks:
            raise ValueError("everything leaves no choice of tasks")
        return self


class RerunPreview(Record):
    """What a rerun would do.

    Attributes:
        reused: Tasks and items whose outcomes are taken over, in the order of the run.
        again: Tasks of which something is done again, in the order of the definition.
    """

    reused: tuple[str, ...]
    again: tuple[str, ...]


class RunDeletion(Record):
    """Runs to be deleted, all or none.

    Attributes:
        run_ids: The runs; one that does not exist is passed over.
        force: Terminate open runs instead of refusing.
        dry_run: Only check and count.
    """

    run_ids: list[UUID] = Field(min_length=1, max_length=1000)
    force: bool = False
    dry_run: bool = False


class DeletedRuns(Record):
    """What a deletion did.

    Attributes:
        deleted: How many runs are gone, or would be.
        dry_run: Whether this only tells what would be.
    """

    deleted: int
    dry_run: bool = False
