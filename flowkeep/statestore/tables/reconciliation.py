"""How far the ledger is compared with Temporal, per namespace; so no tenant leads to these."""

from sqlalchemy import PrimaryKeyConstraint, Table

from flowkeep.statestore.tables.base import metadata, text, time

# Up to when Temporal's list of executions was read; the next reader goes on there.
reconcile_mark = Table(
    "reconcile_mark",
    metadata,
    text("namespace"),
    time("listed_to", null=False),
    PrimaryKeyConstraint("namespace"),
)

# Which runs that nobody recorded are ours to take up: those of queues that our workers serve.
served_queue = Table(
    "served_queue",
    metadata,
    text("namespace"),
    text("task_queue"),
    time("served_at", null=False),
    PrimaryKeyConstraint("namespace", "task_queue"),
)
