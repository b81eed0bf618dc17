"""Attempts of tasks: the table that grows fastest, so the one with the fewest extras."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
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

# No foreign key to `run`: every writer locks the run's row first, so a run cannot vanish under
# its tasks, and checking the key again would cost each attempt a look-up.
task = Table(
    "task",
    metadata,
    Column("run_id", Uuid, nullable=False),
    text("tenant_id"),
    text("temporal_run_id"),
    text("activity_id"),
    Column("attempt", Integer, nullable=False),
    text("task_name"),
    Column("task_index", Integer, nullable=False, server_default="-1"),
    text("batch", null=True),
    text("type"),
    text("external_id", null=True),
    Column("child_run_id", Uuid),
    text("status"),
    Column("max_attempts", BigInteger),
    time("next_retry_at"),
    Column("timeout_seconds", Double),
    time("deadline_at"),
    json("input"),
    Column("input_hash", BYTEA),
    json("output"),
    Column("output_hash", BYTEA),
    json("error"),
    text("worker", null=True),
    time("created_at", null=False),
    # Where nobody said when it was scheduled, the earliest time that is known of it.
    time("scheduled_at", null=False),
    time("started_at"),
    time("finished_at"),
    # When what is stored was observed: the younger of two records of one rank wins.
    time("updated_at", null=False),
    Column("source", SmallInteger, nullable=False),
    Column("superseded", Boolean, nullable=False, server_default=sql("false")),
    PrimaryKeyConstraint("run_id", "temporal_run_id", "activity_id", "attempt"),
    CheckConstraint(
        "status IN ('pending', 'running', 'waiting', 'succeeded', 'failed', 'cancelled',"
        " 'timed_out', 'skipped')",
        name="status",
    ),
)
Index(
    "task_by_time_ix",
    task.c.run_id,
    task.c.scheduled_at,
    task.c.temporal_run_id,
    task.c.activity_id,
    task.c.attempt,
)
# What is still to happen: few rows ever enter it, and closing a run reads nothing else.
PENDING_WORK = f"{OPEN} OR next_retry_at IS NOT NULL"
"""Condition of attempts that are open or wait for their retry."""
Index("task_pending_ix", task.c.run_id, postgresql_where=sql(PENDING_WORK))
# Across runs only what is not simply done can be listed: an index of all successes would cost each
# of them more than its row.
Index(
    "task_by_status_ix",
    task.c.tenant_id,
    task.c.status,
    task.c.updated_at,
    task.c.run_id,
    task.c.temporal_run_id,
    task.c.activity_id,
    task.c.attempt,
    postgresql_where=sql("status NOT IN ('succeeded', 'skipped')"),
)
# In the order of their finders up to the run: what is left to sort is one run's.
Index(
    "task_by_external_id_ix",
    task.c.tenant_id,
    task.c.external_id,
    task.c.run_id,
    postgresql_where=sql("external_id IS NOT NULL"),
)
# What an attempt of an activity finds of the steps before it; nothing else pays for it.
Index(
    "task_step_ix",
    task.c.run_id,
    task.c.temporal_run_id,
    task.c.batch,
    postgresql_where=sql("type = 'step'"),
)
Index("task_by_child_run_ix", task.c.child_run_id, postgresql_where=sql("child_run_id IS NOT NULL"))
Index(
    "task_retry_ix",
    task.c.tenant_id,
    task.c.next_retry_at,
    task.c.run_id,
    postgresql_where=sql("next_retry_at IS NOT NULL"),
)
Index(
    "task_deadline_ix",
    task.c.tenant_id,
    task.c.deadline_at,
    task.c.run_id,
    postgresql_where=sql(f"({OPEN}) AND deadline_at IS NOT NULL"),
)
