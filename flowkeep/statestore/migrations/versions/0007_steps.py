"""Steps below an activity, and which attempt of it may record them."""

from alembic import op

from flowkeep.statestore.migrations import online

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NEW_TABLE = """
CREATE TABLE IF NOT EXISTS step_scope (
    run_id UUID NOT NULL,
    temporal_run_id TEXT NOT NULL,
    activity_id TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    fence TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT step_scope_pk PRIMARY KEY (run_id, temporal_run_id, activity_id)
)
"""
INDEXES = {
    "task_step_ix": """
        CREATE INDEX CONCURRENTLY task_step_ix ON task (run_id, temporal_run_id, batch)
        WHERE type = 'step'
    """,
}
# What callers inserted was called so by default.
RENAME = "UPDATE task SET type = 'item' WHERE type = 'step'"


def upgrade() -> None:
    op.execute(NEW_TABLE)
    op.execute(RENAME)
    with op.get_context().autocommit_block():
        online.build(INDEXES)
