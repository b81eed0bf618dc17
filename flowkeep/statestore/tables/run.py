"""Runs, their Temporal executions, their events and pauses."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Uuid,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import BYTEA

from flowkeep.statestore.tables.base import OPEN, json, metadata, text, time
from flowkeep.statestore.tables.run_indexes import add_list_indexes

run = Table(
    "run",
    metadata,
    Column("id", Uuid, primary_key=True),
    text("tenant_id"),
    text("app_id", null=True),
    text("namespace"),
    text("workflow_id"),
    text("workflow_type"),
    text("task_queue"),
    json("start_options", null=False),
    Column("start_attempts", Integer, nullable=False, server_default="0"),
    text("kind"),
    json("labels", null=False),
    Column("definition_id", Uuid),
    Column("definition_revision", BigInteger),
    Column("parent_run_id", Uuid),
    Column("root_run_id", Uuid),
    Column("retry_of", Uuid),
    text("triggered_from"),
    text("owner", null=True),
    text("created_by", null=True),
    text("origin", null=True),
    text("goal", null=True),
    text("status"),
    text("current_step", null=True),
    json("state", null=False),
    json("wait"),
    Column("cancel_requested", Boolean, nullable=False, server_default=sql("false")),
    text("pause_reason", null=True),
    text("failure_reason", null=True),
    json("error"),
    # A value lies either in the jsonb column or, when it is big, in `payload` under the hash.
    json("inputs"),
    Column("inputs_hash", BYTEA),
    json("outputs"),
    Column("outputs_hash", BYTEA),
    Column("exceptions_count", BigInteger, nullable=False, server_default="0"),
    Column("tasks_total", BigInteger, nullable=False, server_default="0"),
    Column("tasks_finished", BigInteger, nullable=False, server_default="0"),
    Column("revision", BigInteger, nullable=False, server_default="0"),
    time("created_at", null=False),
    time("started_at"),
    time("finished_at"),
    # Counters leave it alone: they are written with every flush, and later indexes hold it.
    time("updated_at", null=False),
    Column("source", SmallInteger, nullable=False),
    time("hold_until"),
    # Why an open run does not move, as Temporal tells it; empty as soon as it moves again.
    json("stuck"),
    CheckConstraint(
        "status IN ('pending', 'running', 'waiting', 'succeeded', 'failed', 'cancelled',"
        " 'timed_out', 'unknown')",
        name="status",
    ),
    # Room on each page for the next version of a row, so that counters touch no index.
    postgresql_with={"fillfactor": "80"},
)

Index(
    "run_open_uq",
    run.c.namespace,
    run.c.workflow_id,
    unique=True,
    postgresql_where=sql(OPEN),
)
add_list_indexes(run)
# Requests that nobody may have told Temporal of: few at any time, of all tenants.
Index("run_pending_ix", run.c.created_at, postgresql_where=sql("status = 'pending'"))
Index(
    "run_stuck_ix",
    run.c.tenant_id,
    run.c.created_at,
    run.c.id,
    postgresql_where=sql("stuck IS NOT NULL"),
)
# Chunks of a `map` may outnumber runs a hundred times, so they stay out of the other indexes.
Index(
    "run_chunk_ix",
    run.c.tenant_id,
    run.c.created_at,
    run.c.id,
    postgresql_where=sql("kind = 'chunk'"),
)
# Which runs changed lately, of all tenants: for the rollups. A few kilobytes, and no update of a
# row has to touch it.
Index(
    "run_changed_ix",
    run.c.updated_at,
    postgresql_using="brin",
    postgresql_with={"pages_per_range": "32", "autosummarize": "on"},
)

# One row per label, because no index of a jsonb column gives runs in the order of a list. Rows of
# archived runs stay, set apart by `archived`.
run_label = Table(
    "run_label",
    metadata,
    text("tenant_id"),
    text("key"),
    text("value"),
    Column("archived", Boolean, nullable=False, server_default=sql("false")),
    time("created_at", null=False),
    Column("run_id", Uuid, nullable=False),
    PrimaryKeyConstraint("tenant_id", "key", "value", "archived", "created_at", "run_id"),
)

run_segment = Table(
    "run_segment",
    metadata,
    text("namespace"),
    text("temporal_run_id"),
    Column("run_id", Uuid, nullable=False),
    text("tenant_id"),
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    text("kind"),
    text("status"),
    Column("expected_tasks", BigInteger),
    json("error"),
    text("failure_reason", null=True),
    time("started_at"),
    time("closed_at"),
    Column("source", SmallInteger, nullable=False),
    # When this is to be compared with Temporal next; null once it was found true and complete.
    time("reconcile_at", default="now() + interval '30 seconds'"),
    Column("reconcile_tries", SmallInteger, nullable=False, server_default=sql("0")),
    PrimaryKeyConstraint("namespace", "temporal_run_id"),
)
Index(
    "run_segment_due_ix",
    run_segment.c.namespace,
    run_segment.c.reconcile_at,
    postgresql_where=sql("reconcile_at IS NOT NULL"),
)
Index("run_segment_by_run_ix", run_segment.c.run_id, run_segment.c.seq)

# Like attempts, segments, events and pauses are written by who holds the run's lock, so no key is
# checked for each of them, nor are four tables for each run that is removed.
run_event = Table(
    "run_event",
    metadata,
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    Column("run_id", Uuid, nullable=False),
    text("tenant_id"),
    text("kind"),
    json("payload", null=False),
    text("actor", null=True),
    Column("revision", BigInteger, nullable=False),
    time("at", null=False),
    PrimaryKeyConstraint("run_id", "seq"),
)

run_pause = Table(
    "run_pause",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("run_id", Uuid, nullable=False),
    text("tenant_id"),
    text("reason", null=True),
    json("payload"),
    time("paused_at", null=False),
    text("paused_by", null=True),
    time("resumed_at"),
    text("resumed_by", null=True),
)
Index("run_pause_by_run_ix", run_pause.c.run_id, run_pause.c.paused_at)
Index(
    "run_pause_open_uq",
    run_pause.c.run_id,
    unique=True,
    postgresql_where=sql("resumed_at IS NULL"),
)
Index(
    "run_pause_open_ix",
    run_pause.c.tenant_id,
    run_pause.c.paused_at,
    run_pause.c.run_id,
    postgresql_where=sql("resumed_at IS NULL"),
)
