"""Deliveries on their way are counted by webhook; schedules know what their owner may do."""

from alembic import op

from flowkeep.statestore.migrations import online

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

RIGHTS = "ALTER TABLE schedule ADD COLUMN IF NOT EXISTS rights JSONB"
INDEXES = {
    "webhook_delivery_open_ix": """
        CREATE INDEX CONCURRENTLY webhook_delivery_open_ix
        ON webhook_delivery (state, tenant_id, webhook_id, next_at) WHERE next_at IS NOT NULL
    """,
    "webhook_delivery_sent_ix": """
        CREATE INDEX CONCURRENTLY webhook_delivery_sent_ix
        ON webhook_delivery (next_at) WHERE state = 'started'
    """,
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        online.alter(RIGHTS)
        online.build(INDEXES)
        online.drop("webhook_delivery_due_ix")
