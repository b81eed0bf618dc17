"""When executions are compared with Temporal, why runs do not move, which requests are waiting."""

from alembic import op

from flowkeep.statestore.migrations import online

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


CHANGES = [
    "ALTER TABLE run ADD COLUMN IF NOT EXISTS stuck JSONB",
    # What ended before is taken as it is: Temporal may have forgotten it. So no default yet.
    "ALTER TABLE run_segment ADD COLUMN IF NOT EXISTS reconcile_at TIMESTAMP WITH TIME ZONE",
    "ALTER TABLE run_segment ADD COLUMN IF NOT EXISTS reconcile_tries SMALLINT DEFAULT 0 NOT NULL",
    "ALTER TABLE run_segment ALTER COLUMN reconcile_at SET DEFAULT now() + interval '1 minute'",
]
OPEN_ONES = """
UPDATE run_segment SET reconcile_at = now() WHERE closed_at IS NULL AND reconcile_at IS NULL
AND run_id IN (SELECT id FROM run WHERE status IN ('pending', 'running', 'waiting'))
"""
INDEXES = {
    "run_pending_ix": """
        CREATE INDEX CONCURRENTLY run_pending_ix ON run (created_at) WHERE status = 'pending'
    """,
    "run_stuck_ix": """
        CREATE INDEX CONCURRENTLY run_stuck_ix ON run (tenant_id, created_at, id)
        WHERE stuck IS NOT NULL
    """,
    "run_segment_due_ix": """
        CREATE INDEX CONCURRENTLY run_segment_due_ix ON run_segment (namespace, reconcile_at)
        WHERE reconcile_at IS NOT NULL
    """,
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for statement in CHANGES:
            online.alter(statement)
        op.execute(OPEN_ONES)
        online.build(INDEXES)
