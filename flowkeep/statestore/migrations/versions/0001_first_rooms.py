"""First rooms: runs, segments, tasks, events, pauses, payloads, state and secrets."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


STATEMENTS = [
    """
    CREATE TABLE payload (
        tenant_id TEXT NOT NULL,
        hash BYTEA NOT NULL,
        size BIGINT NOT NULL,
        encoding TEXT NOT NULL,
        data BYTEA NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT payload_pk PRIMARY KEY (tenant_id, hash)
    )
    """,
    """
    CREATE TABLE run (
        id UUID NOT NULL,
        tenant_id TEXT NOT NULL,
        app_id TEXT,
        namespace TEXT NOT NULL,
        workflow_id TEXT NOT NULL,
        workflow_type TEXT NOT NULL,
        task_queue TEXT NOT NULL,
        start_options JSONB NOT NULL,
        start_attempts INTEGER DEFAULT '0' NOT NULL,
        kind TEXT NOT NULL,
        labels JSONB NOT NULL,
        definition_id UUID,
        definition_revision BIGINT,
        parent_run_id UUID,
        root_run_id UUID,
        retry_of UUID,
        triggered_from TEXT NOT NULL,
        owner TEXT,
        created_by TEXT,
        origin TEXT,
        goal TEXT,
        status TEXT NOT NULL,
        current_step TEXT,
        state JSONB NOT NULL,
        wait JSONB,
        cancel_requested BOOLEAN DEFAULT false NOT NULL,
        pause_reason TEXT,
        failure_reason TEXT,
        error JSONB,
        inputs JSONB,
        inputs_hash BYTEA,
        outputs JSONB,
        outputs_hash BYTEA,
        exceptions_count BIGINT DEFAULT '0' NOT NULL,
        tasks_total BIGINT DEFAULT '0' NOT NULL,
        tasks_finished BIGINT DEFAULT '0' NOT NULL,
        revision BIGINT DEFAULT '0' NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE,
        finished_at TIMESTAMP WITH TIME ZONE,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        source SMALLINT NOT NULL,
        hold_until TIMESTAMP WITH TIME ZONE,
        CONSTRAINT run_pk PRIMARY KEY (id),
        CONSTRAINT run_status_ck CHECK (status IN ('pending', 'running', 'waiting', 'succeeded',
            'failed', 'cancelled', 'timed_out', 'unknown'))
    )
     WITH (fillfactor = 80)
    """,
    "CREATE INDEX run_by_app_ix ON run (tenant_id, app_id, created_at, id) WHERE kind = 'run'",
    """
    CREATE INDEX run_by_status_ix ON run (tenant_id, status, created_at, id) WHERE kind = 'run'
    """,
    "CREATE INDEX run_by_tenant_ix ON run (tenant_id, created_at, id) WHERE kind = 'run'",
    """
    CREATE INDEX run_by_trigger_ix
    ON run (tenant_id, app_id, triggered_from, created_at, id)
    WHERE kind = 'run'
    """,
    "CREATE INDEX run_by_workflow_id_ix ON run (tenant_id, workflow_id, created_at, id)",
    "CREATE INDEX run_chunk_ix ON run (tenant_id, created_at, id) WHERE kind = 'chunk'",
    """
    CREATE UNIQUE INDEX run_open_uq
    ON run (namespace, workflow_id)
    WHERE status IN ('pending', 'running', 'waiting')
    """,
    """
    CREATE TABLE secret (
        id UUID NOT NULL,
        tenant_id TEXT NOT NULL,
        key_id TEXT NOT NULL,
        ciphertext BYTEA NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT secret_pk PRIMARY KEY (id)
    )
    """,
    """
    CREATE TABLE state_entry (
        tenant_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        value JSONB,
        arguments_of UUID,
        revision BIGINT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT state_entry_pk PRIMARY KEY (tenant_id, kind, key),
        CONSTRAINT state_entry_value_ck CHECK ((value IS NULL) <> (arguments_of IS NULL))
    )
    """,
    """
    CREATE TABLE task (
        run_id UUID NOT NULL,
        tenant_id TEXT NOT NULL,
        temporal_run_id TEXT NOT NULL,
        activity_id TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        task_name TEXT NOT NULL,
        task_index INTEGER DEFAULT '-1' NOT NULL,
        batch TEXT,
        type TEXT NOT NULL,
        external_id TEXT,
        child_run_id UUID,
        status TEXT NOT NULL,
        max_attempts BIGINT,
        next_retry_at TIMESTAMP WITH TIME ZONE,
        timeout_seconds DOUBLE PRECISION,
        deadline_at TIMESTAMP WITH TIME ZONE,
        input JSONB,
        input_hash BYTEA,
        output JSONB,
        output_hash BYTEA,
        error JSONB,
        worker TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        scheduled_at TIMESTAMP WITH TIME ZONE NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE,
        finished_at TIMESTAMP WITH TIME ZONE,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        source SMALLINT NOT NULL,
        superseded BOOLEAN DEFAULT false NOT NULL,
        CONSTRAINT task_pk PRIMARY KEY (run_id, temporal_run_id, activity_id, attempt),
        CONSTRAINT task_status_ck CHECK (status IN ('pending', 'running', 'waiting', 'succeeded',
            'failed', 'cancelled', 'timed_out', 'skipped'))
    )
    """,
    """
    CREATE INDEX task_by_time_ix
    ON task (run_id, scheduled_at, temporal_run_id, activity_id, attempt)
    """,
    """
    CREATE INDEX task_pending_ix ON task (run_id)
    WHERE status IN ('pending', 'running', 'waiting') OR next_retry_at IS NOT NULL
    """,
    """
    CREATE TABLE payload_ref (
        run_id UUID NOT NULL,
        hash BYTEA NOT NULL,
        tenant_id TEXT NOT NULL,
        CONSTRAINT payload_ref_pk PRIMARY KEY (run_id, hash),
        CONSTRAINT payload_ref_tenant_id_fk FOREIGN KEY(tenant_id, hash)
            REFERENCES payload (tenant_id, hash),
        CONSTRAINT payload_ref_run_id_fk FOREIGN KEY(run_id) REFERENCES run (id)
    )
    """,
    """
    CREATE TABLE run_event (
        seq BIGINT GENERATED ALWAYS AS IDENTITY,
        run_id UUID NOT NULL,
        tenant_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        payload JSONB NOT NULL,
        actor TEXT,
        revision BIGINT NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT run_event_pk PRIMARY KEY (run_id, seq),
        CONSTRAINT run_event_run_id_fk FOREIGN KEY(run_id) REFERENCES run (id)
    )
    """,
    """
    CREATE TABLE run_pause (
        id UUID NOT NULL,
        run_id UUID NOT NULL,
        tenant_id TEXT NOT NULL,
        reason TEXT,
        payload JSONB,
        paused_at TIMESTAMP WITH TIME ZONE NOT NULL,
        paused_by TEXT,
        resumed_at TIMESTAMP WITH TIME ZONE,
        resumed_by TEXT,
        CONSTRAINT run_pause_pk PRIMARY KEY (id),
        CONSTRAINT run_pause_run_id_fk FOREIGN KEY(run_id) REFERENCES run (id)
    )
    """,
    "CREATE INDEX run_pause_by_run_ix ON run_pause (run_id, paused_at)",
    "CREATE UNIQUE INDEX run_pause_open_uq ON run_pause (run_id) WHERE resumed_at IS NULL",
    """
    CREATE TABLE run_segment (
        namespace TEXT NOT NULL,
        temporal_run_id TEXT NOT NULL,
        run_id UUID NOT NULL,
        tenant_id TEXT NOT NULL,
        seq BIGINT GENERATED ALWAYS AS IDENTITY,
        kind TEXT NOT NULL,
        status TEXT NOT NULL,
        expected_tasks BIGINT,
        error JSONB,
        failure_reason TEXT,
        started_at TIMESTAMP WITH TIME ZONE,
        closed_at TIMESTAMP WITH TIME ZONE,
        source SMALLINT NOT NULL,
        CONSTRAINT run_segment_pk PRIMARY KEY (namespace, temporal_run_id),
        CONSTRAINT run_segment_run_id_fk FOREIGN KEY(run_id) REFERENCES run (id)
    )
    """,
    "CREATE INDEX run_segment_by_run_ix ON run_segment (run_id, seq)",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
