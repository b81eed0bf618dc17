"""Webhooks, and what is to be delivered to them; a trigger on `run_event` writes deliveries."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    Table,
    Uuid,
)
from sqlalchemy import text as sql

from flowkeep.statestore.tables.base import json, metadata, text, time

webhook = Table(
    "webhook",
    metadata,
    Column("id", Uuid, primary_key=True),
    text("tenant_id"),
    text("app_id", null=True),
    text("name"),
    text("url"),
    # Statuses of runs.
    json("events", null=False),
    text("workflow_type", null=True),
    Column("definition_id", Uuid),
    json("labels", null=False),
    # Only runs of this owner.
    text("run_owner", null=True),
    Column("enabled", Boolean, nullable=False, server_default=sql("true")),
    Column("secret_id", Uuid, nullable=False),
    text("owner", null=True),
    text("created_by", null=True),
    time("last_delivery_at"),
    text("last_error", null=True),
    Column("revision", BigInteger, nullable=False),
    time("created_at", null=False),
    time("updated_at", null=False),
)
Index("webhook_by_tenant_ix", webhook.c.tenant_id, webhook.c.id)

webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=sql("gen_random_uuid()")),
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    text("tenant_id"),
    Column("webhook_id", Uuid, nullable=False),
    # Null for a test.
    Column("run_id", Uuid),
    Column("event_seq", BigInteger),
    text("type"),
    Column("corrected", Boolean, nullable=False, server_default=sql("false")),
    text("state"),
    Column("attempts", Integer, nullable=False, server_default=sql("0")),
    Column("status_code", Integer),
    text("error", null=True),
    time("created_at", null=False),
    # Due: when its workflow is started; started: when it is sent next.
    time("next_at"),
    time("finished_at"),
    CheckConstraint("state IN ('due', 'started', 'delivered', 'failed', 'dropped')", name="state"),
)
Index(
    "webhook_delivery_sent_ix",
    webhook_delivery.c.next_at,
    postgresql_where=sql("state = 'started'"),
)
# What is on its way, and what is due, by webhook. What is due has no index by time alone: it would
# be walked through for the first one of a webhook that comes late.
Index(
    "webhook_delivery_open_ix",
    webhook_delivery.c.state,
    webhook_delivery.c.tenant_id,
    webhook_delivery.c.webhook_id,
    webhook_delivery.c.next_at,
    postgresql_where=sql("next_at IS NOT NULL"),
)
Index(
    "webhook_delivery_by_webhook_ix",
    webhook_delivery.c.tenant_id,
    webhook_delivery.c.webhook_id,
    webhook_delivery.c.seq,
)
Index(
    "webhook_delivery_finished_ix",
    webhook_delivery.c.finished_at,
    postgresql_where=sql("finished_at IS NOT NULL"),
)
