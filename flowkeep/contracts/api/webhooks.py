"""Webhooks: who is told how runs end."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from flowkeep.contracts.record import Record
from flowkeep.contracts.records import RunSummary

WEBHOOK_TYPE = "flowkeep.Webhook"
"""Workflow type of the runs that deliver; nobody is told of these."""
DELIVER = "flowkeep.deliver_webhook"
"""Activity that sends."""
TEST_TYPE = "test"
"""Type of a message that nothing happened for."""
MOST_WEBHOOKS = 100
"""Most webhooks of a tenant: each of them is looked at for each end of a run."""

MOST_TESTS = 5
"""Most tests of a webhook that were not tried yet."""

_PLAIN = r"^[^\x00-\x1f\x7f]+$"
Short = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_PLAIN)]
LabelValue = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]


class RunOutcome(StrEnum):
    """What somebody may be told of: how runs end, and that they wait."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    UNKNOWN = "unknown"
    WAITING = "waiting"


class DeliveryState(StrEnum):
    """How far a delivery is."""

    DUE = "due"
    """Nobody has begun with it."""
    STARTED = "started"
    """Its workflow runs: it was not taken yet."""
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up."""
    DROPPED = "dropped"
    """Not sent: the webhook is disabled by now, or the run is gone."""


def _address(value: str) -> str:
    try:
        parts = urlsplit(value)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise ValueError("write https://host/path")
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("leave out user, password and fragment")
    return value


WebhookUrl = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2000, pattern=r"^[!-~]+$"),
    AfterValidator(_address),
]
"""http:// or https://, without a password, in ASCII."""

Outcomes = Annotated[tuple[RunOutcome, ...], Field(min_length=1, max_length=20)]
Labels = Annotated[dict[Short, LabelValue], Field(max_length=20)]


class NewWebhook(Record):
    """What it takes to make a webhook.

    Attributes:
        name: What people call it.
        url: Where messages are sent.
        events: Which statuses of runs are told; all ends when left out.
        app_id: Only runs of this app.
        workflow_type: Only runs of this type.
        definition_id: Only runs of this definition.
        labels: Only runs that have all of these.
        run_owner: Only runs of this owner; who is no staff is told of their own runs alone.
        enabled: Whether it is told at all.
    """

    name: Short
    url: WebhookUrl
    events: Outcomes = tuple(one for one in RunOutcome if one is not RunOutcome.WAITING)
    app_id: Short | None = None
    workflow_type: Short | None = None
    definition_id: UUID | None = None
    labels: Labels = Field(default_factory=dict)
    run_owner: Short | None = None
    enabled: bool = True


class WebhookPatch(Record):
    """What is to change about a webhook; fields that are left out stay. Its app never changes.

    Attributes:
        name: What people call it.
        url: Where messages are sent.
        events: Which statuses of runs are told.
        workflow_type: Only runs of this type; null for all.
        definition_id: Only runs of this definition; null for all.
        labels: Only runs that have all of these.
        enabled: Whether it is told at all.
    """

    name: Short | None = None
    url: WebhookUrl | None = None
    events: Outcomes | None = None
    workflow_type: Short | None = None
    definition_id: UUID | None = None
    labels: Labels | None = None
    enabled: bool | None = None

    @model_validator(mode="after")
    def _keeps_what_is_required(self) -> Self:
        for name in ("name", "url", "events", "labels", "enabled"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null; leave it out to keep it")
        return self

    def changes(self) -> dict[str, Any]:
        """Return the fields that were given, as JSON has them."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Webhook(Record):
    """A webhook, without its secret.

    Attributes:
        id: Names it.
        tenant_id: Whose runs it tells of.
        app_id: Only runs of this app; null for all.
        name: What people call it.
        url: Where messages are sent.
        events: Which statuses of runs are told.
        workflow_type: Only runs of this type; null for all.
        definition_id: Only runs of this definition; null for all.
        labels: Only runs that have all of these.
        run_owner: Only runs of this owner; null for everybody's.
        enabled: Whether it is told at all.
        owner: Whom it belongs to.
        created_by: Who made it.
        last_delivery_at: When a message was taken last.
        last_error: Why the last attempt failed; null once one was taken.
        revision: Rises with each change.
        created_at: When it was made.
        updated_at: When it was changed last.
    """

    id: UUID
    tenant_id: str
    app_id: str | None
    name: str
    url: str
    events: tuple[RunOutcome, ...]
    workflow_type: str | None
    definition_id: UUID | None
    labels: dict[str, str]
    run_owner: str | None
    enabled: bool
    owner: str | None
    created_by: str | None
    last_delivery_at: datetime | None
    last_error: str | None
    revision: int
    created_at: datetime
    updated_at: datetime


class IssuedWebhook(Webhook):
    """A new webhook with the secret that signs its messages, which is shown this once.

    Attributes:
        secret: `whsec_` and the key in base64.
    """

    secret: str = Field(repr=False)

    def shown(self) -> Webhook:
        """Return the webhook without its secret."""
        return Webhook.model_validate(self.model_dump(exclude={"secret"}))


class Delivery(Record):
    """One message to one webhook.

    Attributes:
        id: Names it; the header `webhook-id`, and the workflow id of what delivers it.
        seq: Its place among deliveries.
        webhook_id: To which.
        run_id: What it tells of; null for a test.
        event_seq: The event of the run that it tells of.
        type: `run.` and the status, or `test`.
        corrected: Whether it takes back what was told of the run before.
        state: How far it is.
        attempts: How often it was sent.
        status_code: What was answered last; null where nothing was.
        error: Why it was not taken yet.
        created_at: When it happened.
        finished_at: When it was taken or given up.
    """

    id: UUID
    seq: int
    webhook_id: UUID
    run_id: UUID | None
    event_seq: int | None
    type: str
    corrected: bool
    state: DeliveryState
    attempts: int
    status_code: int | None
    error: str | None
    created_at: datetime
    finished_at: datetime | None


class Message(Record):
    """What is sent.

    Attributes:
        type: `run.` and the status that the run had, or `test`.
        id: Alike in all attempts; the header `webhook-id`.
        at: When it happened.
        corrected: Whether it takes back what was told of the run before.
        run: The run as it is now, without inputs and outputs; null for a test.
    """

    type: str
    id: UUID
    at: AwareDatetime
    corrected: bool
    run: RunSummary | None
