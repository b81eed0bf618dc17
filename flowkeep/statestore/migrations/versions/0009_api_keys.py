"""Keys that say who calls the service."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

NEW_TABLE = """
CREATE TABLE IF NOT EXISTS api_key (
    id UUID NOT NULL,
    tenant_id TEXT NOT NULL,
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    prefix TEXT NOT NULL,
    hash BYTEA NOT NULL,
    role TEXT,
    app_roles JSONB DEFAULT '{}'::jsonb NOT NULL,
    system BOOLEAN DEFAULT false NOT NULL,
    created_by TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    revoked_by TEXT,
    last_used_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT api_key_pk PRIMARY KEY (id)
)
"""
INDEXES = (
    "CREATE UNIQUE INDEX IF NOT EXISTS api_key_uq ON api_key (prefix)",
    "CREATE INDEX IF NOT EXISTS api_key_by_tenant_ix ON api_key (tenant_id, id)",
    "CREATE INDEX IF NOT EXISTS api_key_by_owner_ix ON api_key (tenant_id, subject, id)",
)


def upgrade() -> None:
    op.execute(NEW_TABLE)
    for index in INDEXES:
        op.execute(index)
