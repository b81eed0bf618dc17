"""Webhooks with what is to be delivered, and log lines of tasks."""

from alembic import op

from flowkeep.statestore.migrations import online

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLES = [
    """
    CREATE TABLE IF NOT EXISTS webhook (
        id UUID NOT NULL,
        tenant_id TEXT NOT NULL,
        app_id TEXT,
        name TEXT NOT NULL,
        url TEXT NOT NULL,
        events JSONB NOT NULL,
        workflow_type TEXT,
        definition_id UUID,
        labels JSONB NOT NULL,
        run_owner TEXT,
        enabled BOOLEAN DEFAULT true NOT NULL,
        secret_id UUID NOT NULL,
        owner TEXT,
        created_by TEXT,
        last_delivery_at TIMESTAMP WITH TIME ZONE,
        last_error TEXT,
        revision BIGINT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT webhook_pk PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX IF NOT EXISTS webhook_by_tenant_ix ON webhook (tenant_id, id)",
    """
    CREATE TABLE IF NOT EXISTS webhook_delivery (
        id UUID DEFAULT gen_random_uuid() NOT NULL,
        seq BIGINT GENERATED ALWAYS AS IDENTITY,
        tenant_id TEXT NOT NULL,
        webhook_id UUID NOT NULL,
        run_id UUID,
        event_seq BIGINT,
        type TEXT NOT NULL,
        corrected BOOLEAN DEFAULT false NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER DEFAULT 0 NOT NULL,
        status_code INTEGER,
        error TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        next_at TIMESTAMP WITH TIME ZONE,
        finished_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT webhook_delivery_pk PRIMARY KEY (id),
        CONSTRAINT webhook_delivery_state_ck
            CHECK (state IN ('due', 'started', 'delivered', 'failed', 'dropped'))
    )
    """,
    "CREATE INDEX IF NOT EXISTS webhook_delivery_due_ix ON webhook_delivery (state, next_at)"
    " WHERE next_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS webhook_delivery_by_webhook_ix"
    " ON webhook_delivery (tenant_id, webhook_id, seq)",
    "CREATE INDEX IF NOT EXISTS webhook_delivery_finished_ix ON webhook_delivery (finished_at)"
    " WHERE finished_at IS NOT NULL",
    """
    CREATE TABLE IF NOT EXISTS task_log (
        run_id UUID NOT NULL,
        seq BIGINT GENERATED ALWAYS AS IDENTITY,
        tenant_id TEXT NOT NULL,
        temporal_run_id TEXT NOT NULL,
        activity_id TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        level SMALLINT NOT NULL,
        logger TEXT NOT NULL,
        message TEXT NOT NULL,
        fields JSONB,
        CONSTRAINT task_log_pk PRIMARY KEY (run_id, seq)
    )
    """,
]

# Written in the transaction of the event itself, whoever writes it. Events of restored runs are
# older than the transaction. Deliveries of webhooks are runs too, and nobody is told of them.
OUTBOX = """
CREATE OR REPLACE FUNCTION webhook_outbox() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook) THEN
        INSERT INTO webhook_delivery
            (tenant_id, webhook_id, run_id, event_seq, type, corrected, state, created_at, next_at)
        SELECT w.tenant_id, w.id, r.id, e.seq, 'run.' || r.status, e.kind = 'outcome_corrected',
            'due', now(), now()
        FROM fresh AS e
        JOIN webhook AS w ON w.tenant_id = e.tenant_id AND w.enabled
        JOIN run AS r ON r.id = e.run_id
        WHERE e.kind IN ('succeeded', 'failed', 'cancelled', 'timed_out', 'unknown', 'waiting',
                'outcome_corrected')
            AND e.at = now()
            AND r.kind = 'run' AND r.workflow_type <> 'flowkeep.Webhook'
            AND w.events @> to_jsonb(r.status)
            AND (w.app_id IS NULL OR w.app_id = r.app_id)
            AND (w.workflow_type IS NULL OR w.workflow_type = r.workflow_type)
            AND (w.definition_id IS NULL OR w.definition_id = r.definition_id)
            AND (w.run_owner IS NULL OR w.run_owner = r.owner)
            AND r.labels @> w.labels;
    END IF;
    RETURN NULL;
END
$$
"""
TRIGGER = """
CREATE OR REPLACE TRIGGER run_event_outbox AFTER INSERT ON run_event
REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION webhook_outbox()
"""


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for statement in TABLES:
            op.execute(statement)
        op.execute(OUTBOX)
        online.alter(TRIGGER)
