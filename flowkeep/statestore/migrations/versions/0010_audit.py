"""Who did what through the service, and answers to requests that may be repeated."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

NEW_TABLES = (
    """
CREATE TABLE IF NOT EXISTS audit_log (
    id UUID NOT NULL,
    tenant_id TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    subject TEXT NOT NULL,
    via TEXT NOT NULL,
    key_id UUID,
    address TEXT,
    request_id TEXT NOT NULL,
    action TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_id TEXT,
    outcome TEXT NOT NULL,
    code TEXT,
    before_digest TEXT,
    after_digest TEXT,
    times INTEGER DEFAULT 1 NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT audit_log_pk PRIMARY KEY (id),
    CONSTRAINT audit_log_outcome_ck CHECK (outcome IN ('begun', 'done', 'failed', 'denied'))
) WITH (fillfactor = 85)
""",
    """
CREATE TABLE IF NOT EXISTS idempotency (
    tenant_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    key TEXT NOT NULL,
    request TEXT NOT NULL,
    digest TEXT NOT NULL,
    state TEXT NOT NULL,
    holder UUID NOT NULL,
    lease_until TIMESTAMP WITH TIME ZONE NOT NULL,
    status INTEGER,
    headers JSONB,
    body BYTEA,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT idempotency_pk PRIMARY KEY (tenant_id, subject, key),
    CONSTRAINT idempotency_state_ck CHECK (state IN ('running', 'answered', 'withheld'))
)
""",
)
INDEXES = (
    "CREATE INDEX IF NOT EXISTS audit_log_by_tenant_ix ON audit_log (tenant_id, id)",
    "CREATE INDEX IF NOT EXISTS audit_log_by_subject_ix ON audit_log (tenant_id, subject, id)",
    "CREATE INDEX IF NOT EXISTS audit_log_by_action_ix ON audit_log (tenant_id, action, id)",
    "CREATE INDEX IF NOT EXISTS audit_log_by_object_ix"
    " ON audit_log (tenant_id, object_kind, object_id, id)",
    "CREATE INDEX IF NOT EXISTS audit_log_bad_ix ON audit_log (tenant_id, id)"
    " WHERE code IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS idempotency_created_ix ON idempotency (created_at)",
)


def upgrade() -> None:
    for statement in (*NEW_TABLES, *INDEXES):
        op.execute(statement)
