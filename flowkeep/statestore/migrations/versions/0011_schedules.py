"""Schedules: what Temporal starts at times, and as whom."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


NEW_TABLE = [
    """
    CREATE TABLE schedule (
        id UUID NOT NULL,
        tenant_id TEXT NOT NULL,
        app_id TEXT,
        name TEXT NOT NULL,
        temporal_id TEXT NOT NULL,
        workflow_type TEXT NOT NULL,
        task_queue TEXT NOT NULL,
        definition_id UUID,
        definition_revision BIGINT,
        labels JSONB NOT NULL,
        spec JSONB NOT NULL,
        policy JSONB NOT NULL,
        remaining_actions BIGINT,
        paused BOOLEAN DEFAULT false NOT NULL,
        note TEXT,
        owner TEXT,
        created_by TEXT,
        last_error TEXT,
        revision BIGINT NOT NULL,
        applied_revision BIGINT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        deleted_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT schedule_pk PRIMARY KEY (id)
    )
    """,
    "CREATE UNIQUE INDEX schedule_name_uq ON schedule (tenant_id, name) WHERE deleted_at IS NULL",
    "CREATE INDEX schedule_by_tenant_ix ON schedule (tenant_id, id)",
]


def upgrade() -> None:
    for statement in NEW_TABLE:
        op.execute(statement)
