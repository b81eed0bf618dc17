"""How far Temporal's list was read, which task queues are ours, and an earlier first look."""

from alembic import op

from flowkeep.statestore.migrations import online

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


CHANGES = [
    """
    CREATE TABLE IF NOT EXISTS reconcile_mark (
        namespace TEXT NOT NULL,
        listed_to TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT reconcile_mark_pk PRIMARY KEY (namespace)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS served_queue (
        namespace TEXT NOT NULL,
        task_queue TEXT NOT NULL,
        served_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT served_queue_pk PRIMARY KEY (namespace, task_queue)
    )
    """,
    "ALTER TABLE run_segment ALTER COLUMN reconcile_at SET DEFAULT now() + interval '30 seconds'",
]


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for statement in CHANGES:
            online.alter(statement)
