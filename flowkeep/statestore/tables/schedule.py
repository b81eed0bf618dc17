"""Schedules: what Temporal starts at times, and as whom."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Table, Uuid
from sqlalchemy import text as sql

from flowkeep.statestore.tables.base import json, metadata, text, time

schedule = Table(
    "schedule",
    metadata,
    Column("id", Uuid, primary_key=True),
    text("tenant_id"),
    text("app_id", null=True),
    text("name"),
    # Its id in Temporal, and the key of its arguments in the state store.
    text("temporal_id"),
    text("workflow_type"),
    text("task_queue"),
    # No reference: a definition may go, and then the firings say so.
    Column("definition_id", Uuid),
    Column("definition_revision", BigInteger),
    json("labels", null=False),
    json("spec", null=False),
    json("policy", null=False),
    # How often it fires still, at the last write; Temporal counts.
    Column("remaining_actions", BigInteger),
    Column("paused", Boolean, nullable=False, server_default=sql("false")),
    text("note", null=True),
    text("owner", null=True),
    text("created_by", null=True),
    # What the owner may do, as far as it is known; null where nobody asks.
    json("rights"),
    text("last_error", null=True),
    Column("revision", BigInteger, nullable=False),
    # The revision that Temporal has.
    Column("applied_revision", BigInteger),
    time("created_at", null=False),
    time("updated_at", null=False),
    # Kept for a while, for firings that nobody has reported yet.
    time("deleted_at"),
)
Index(
    "schedule_name_uq",
    schedule.c.tenant_id,
    schedule.c.name,
    unique=True,
    postgresql_where=sql("deleted_at IS NULL"),
)
Index("schedule_by_tenant_ix", schedule.c.tenant_id, schedule.c.id)
