"""Every room of the ledger: definitions, actions, archive, retention, rollups, list indexes."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


NEW_TABLES = [
    """
    CREATE TABLE app (
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        ref TEXT NOT NULL,
        name TEXT NOT NULL,
        parent TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT app_pk PRIMARY KEY (tenant_id, id)
    )
    """,
    "CREATE UNIQUE INDEX app_ref_uq ON app (tenant_id, ref)",
    """
    CREATE TABLE archive_bundle (
        id UUID NOT NULL,
        tenant_id TEXT NOT NULL,
        month DATE NOT NULL,
        shard INTEGER NOT NULL,
        url TEXT NOT NULL,
        prefix TEXT NOT NULL,
        status TEXT NOT NULL,
        manifest_sha256 TEXT,
        runs BIGINT DEFAULT '0' NOT NULL,
        rows BIGINT DEFAULT '0' NOT NULL,
        bytes BIGINT DEFAULT '0' NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        published_at TIMESTAMP WITH TIME ZONE,
        verified_at TIMESTAMP WITH TIME ZONE,
        deleted_at TIMESTAMP WITH TIME ZONE,
        restored_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT archive_bundle_pk PRIMARY KEY (id),
    CONSTRAINT archive_bundle_status_ck CHECK (status IN ('publishing', 'published',
        'verified', 'deleting', 'archived', 'restoring', 'restored'))
    )
    """,
    "CREATE INDEX archive_bundle_by_tenant_ix ON archive_bundle (tenant_id, created_at, id)",
    """
    CREATE TABLE archive_pending (
        run_id UUID NOT NULL,
        bundle_id UUID NOT NULL,
        CONSTRAINT archive_pending_pk PRIMARY KEY (run_id)
    )
    """,
    "CREATE INDEX archive_pending_by_bundle_ix ON archive_pending (bundle_id)",
    """
    CREATE TABLE definition (
        id UUID NOT NULL,
        tenant_id TEXT NOT NULL,
        app_id TEXT,
        ref TEXT NOT NULL,
        slug TEXT NOT NULL,
        name TEXT NOT NULL,
        description TEXT,
        version TEXT,
        revision BIGINT DEFAULT '0' NOT NULL,
        version_revision BIGINT DEFAULT '0' NOT NULL,
        tags TEXT[] NOT NULL,
        enabled BOOLEAN DEFAULT true NOT NULL,
        draft BOOLEAN DEFAULT false NOT NULL,
        errors JSONB,
        owner TEXT,
        visibility TEXT NOT NULL,
        created_by TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        deleted_at TIMESTAMP WITH TIME ZONE,
        execution_count BIGINT DEFAULT '0' NOT NULL,
        last_executed_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT definition_pk PRIMARY KEY (id),
    CONSTRAINT definition_visibility_ck CHECK (visibility IN ('private', 'tenant',
        'shared'))
    )
    """,
    """
    CREATE INDEX definition_by_app_ix ON definition (tenant_id, app_id, created_at, id)
        WHERE deleted_at IS NULL
    """,
    "CREATE INDEX definition_by_tag_ix ON definition USING gin (tags) WHERE deleted_at IS NULL",
    """
    CREATE INDEX definition_by_tenant_ix ON definition (tenant_id, created_at, id) WHERE
        deleted_at IS NULL
    """,
    """
    CREATE INDEX definition_most_executed_ix ON definition (tenant_id, execution_count,
        id) WHERE deleted_at IS NULL
    """,
    """
    CREATE UNIQUE INDEX definition_ref_uq ON definition (tenant_id, ref) WHERE deleted_at
        IS NULL
    """,
    """
    CREATE INDEX definition_shared_ix ON definition (created_at, id) WHERE deleted_at IS
        NULL AND visibility = 'shared'
    """,
    """
    CREATE UNIQUE INDEX definition_slug_uq ON definition (tenant_id, coalesce(app_id, ''),
        slug) WHERE deleted_at IS NULL
    """,
    """
    CREATE TABLE definition_execution (
        tenant_id TEXT NOT NULL,
        definition_id UUID NOT NULL,
        seq BIGINT GENERATED ALWAYS AS IDENTITY,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT definition_execution_pk PRIMARY KEY (tenant_id, definition_id, seq)
    )
    """,
    """
    CREATE TABLE retention_policy (
        id UUID NOT NULL,
        tenant_id TEXT NOT NULL,
        app_id TEXT,
        definition_id UUID,
        days INTEGER,
        archive_first BOOLEAN DEFAULT false NOT NULL,
        legal_hold BOOLEAN DEFAULT false NOT NULL,
        revision BIGINT DEFAULT '0' NOT NULL,
        created_by TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT retention_policy_pk PRIMARY KEY (id),
        CONSTRAINT retention_policy_days_ck CHECK (days >= 0)
    )
    """,
    """
    CREATE UNIQUE INDEX retention_policy_uq ON retention_policy (tenant_id,
        coalesce(app_id, ''), coalesce(definition_id,
        '00000000-0000-0000-0000-000000000000'::uuid))
    """,
    """
    CREATE TABLE run_label (
        tenant_id TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        archived BOOLEAN DEFAULT false NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        run_id UUID NOT NULL,
    CONSTRAINT run_label_pk PRIMARY KEY (tenant_id, key, value, archived, created_at,
        run_id)
    )
    """,
    """
    CREATE TABLE run_rollup (
        tenant_id TEXT NOT NULL,
        grain TEXT NOT NULL,
        bucket_at TIMESTAMP WITH TIME ZONE NOT NULL,
        app_id TEXT NOT NULL,
        definition_id UUID NOT NULL,
        workflow_type TEXT NOT NULL,
        status TEXT NOT NULL,
        gone BOOLEAN NOT NULL,
        runs BIGINT NOT NULL,
        durations BIGINT[] NOT NULL,
    CONSTRAINT run_rollup_pk PRIMARY KEY (tenant_id, grain, bucket_at, app_id,
        definition_id, workflow_type, status, gone)
    )
    """,
    "CREATE INDEX run_rollup_by_time_ix ON run_rollup (grain, bucket_at)",
    """
    CREATE TABLE run_rollup_mark (
        id SMALLINT DEFAULT 1 NOT NULL,
        folded_to TIMESTAMP WITH TIME ZONE,
        rebuild_from TIMESTAMP WITH TIME ZONE,
        rebuild_tenant TEXT,
        rebuild_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT run_rollup_mark_pk PRIMARY KEY (id)
    )
    """,
    """
    CREATE TABLE run_tombstone (
        run_id UUID NOT NULL,
        tenant_id TEXT NOT NULL,
        deleted_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT run_tombstone_pk PRIMARY KEY (run_id)
    )
    """,
    """
    CREATE INDEX run_tombstone_by_age_ix ON run_tombstone USING brin (deleted_at) WITH
        (autosummarize = on)
    """,
    """
    CREATE TABLE action (
        id UUID NOT NULL,
        tenant_id TEXT NOT NULL,
        app_id TEXT,
        ref TEXT NOT NULL,
        label TEXT NOT NULL,
        description TEXT,
        param_schema JSONB NOT NULL,
        out_schema JSONB NOT NULL,
        definition_id UUID,
        revision BIGINT DEFAULT '0' NOT NULL,
        registered_by TEXT,
        last_seen_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT action_pk PRIMARY KEY (id),
        CONSTRAINT action_definition_id_fk FOREIGN KEY(definition_id) REFERENCES definition (id)
    )
    """,
    """
    CREATE INDEX action_by_definition_ix ON action (definition_id, tenant_id, created_at, id)
        WHERE definition_id IS NOT NULL
    """,
    "CREATE INDEX action_by_tenant_ix ON action (tenant_id, created_at, id)",
    "CREATE UNIQUE INDEX action_ref_uq ON action (tenant_id, ref)",
    """
    CREATE INDEX action_workflow_ix ON action (tenant_id, created_at, id) WHERE definition_id
        IS NOT NULL
    """,
    """
    CREATE TABLE definition_component (
        definition_id UUID NOT NULL,
        position INTEGER NOT NULL,
        tenant_id TEXT NOT NULL,
        module TEXT,
        step TEXT,
        node_id TEXT,
        CONSTRAINT definition_component_pk PRIMARY KEY (definition_id, position),
    CONSTRAINT definition_component_definition_id_fk FOREIGN KEY(definition_id) REFERENCES
        definition (id)
    )
    """,
    """
    CREATE INDEX definition_component_by_module_ix ON definition_component (tenant_id,
        module, definition_id)
    """,
    """
    CREATE INDEX definition_component_by_step_ix ON definition_component (tenant_id, step,
        module, definition_id)
    """,
    """
    CREATE TABLE definition_version (
        definition_id UUID NOT NULL,
        revision BIGINT NOT NULL,
        tenant_id TEXT NOT NULL,
        version TEXT,
        spec JSONB NOT NULL,
        canvas JSON,
        param_schema JSONB NOT NULL,
        out_schema JSONB NOT NULL,
        draft BOOLEAN DEFAULT false NOT NULL,
        created_by TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT definition_version_pk PRIMARY KEY (definition_id, revision),
    CONSTRAINT definition_version_definition_id_fk FOREIGN KEY(definition_id) REFERENCES
        definition (id)
    )
    """,
    """
    CREATE TABLE run_archive (
        id UUID NOT NULL,
        tenant_id TEXT NOT NULL,
        app_id TEXT,
        namespace TEXT NOT NULL,
        workflow_id TEXT NOT NULL,
        workflow_type TEXT NOT NULL,
        task_queue TEXT NOT NULL,
        kind TEXT NOT NULL,
        labels JSONB NOT NULL,
        definition_id UUID,
        parent_run_id UUID,
        root_run_id UUID,
        triggered_from TEXT NOT NULL,
        owner TEXT,
        status TEXT NOT NULL,
        current_step TEXT,
        cancel_requested BOOLEAN DEFAULT false NOT NULL,
        failure_reason TEXT,
        exceptions_count BIGINT DEFAULT '0' NOT NULL,
        revision BIGINT DEFAULT '0' NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE,
        finished_at TIMESTAMP WITH TIME ZONE,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        bundle_id UUID NOT NULL,
        archived_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT run_archive_pk PRIMARY KEY (id)
    )
    """,
    """
    CREATE INDEX run_archive_by_app_ix ON run_archive (tenant_id, app_id, created_at, id)
        WHERE kind = 'run'
    """,
    """
    CREATE INDEX run_archive_by_app_status_ix ON run_archive (tenant_id, app_id, status,
        created_at, id) WHERE kind = 'run'
    """,
    """
    CREATE INDEX run_archive_by_app_trigger_ix ON run_archive (tenant_id, app_id,
        triggered_from, created_at, id) WHERE kind = 'run'
    """,
    "CREATE INDEX run_archive_by_bundle_ix ON run_archive (bundle_id, id)",
    """
    CREATE INDEX run_archive_by_definition_ix ON run_archive (definition_id, tenant_id,
        created_at, id) WHERE kind = 'run' AND definition_id IS NOT NULL
    """,
    """
    CREATE INDEX run_archive_by_owner_ix ON run_archive (tenant_id, owner, created_at, id)
        WHERE kind = 'run' AND owner IS NOT NULL
    """,
    """
    CREATE INDEX run_archive_by_parent_ix ON run_archive (parent_run_id, created_at, id)
        WHERE parent_run_id IS NOT NULL
    """,
    """
    CREATE INDEX run_archive_by_rest_ix ON run_archive (tenant_id, status, updated_at, id)
        WHERE kind = 'run'
    """,
    """
    CREATE INDEX run_archive_by_status_ix ON run_archive (tenant_id, status, created_at,
        id) WHERE kind = 'run'
    """,
    """
    CREATE INDEX run_archive_by_tenant_ix ON run_archive (tenant_id, created_at, id) WHERE
        kind = 'run'
    """,
    """
    CREATE INDEX run_archive_by_trigger_ix ON run_archive (tenant_id, triggered_from,
        created_at, id) WHERE kind = 'run'
    """,
    """
    CREATE INDEX run_archive_by_type_ix ON run_archive (tenant_id, workflow_type,
        created_at, id) WHERE kind = 'run'
    """,
    """
    CREATE INDEX run_archive_by_workflow_id_ix ON run_archive (tenant_id, workflow_id,
        created_at, id)
    """,
    """
    CREATE INDEX run_archive_chunk_ix ON run_archive (tenant_id, created_at, id) WHERE
        kind = 'chunk'
    """,
    """
    CREATE TABLE secret_ref (
        run_id UUID NOT NULL,
        secret_id UUID NOT NULL,
        CONSTRAINT secret_ref_pk PRIMARY KEY (run_id, secret_id),
    CONSTRAINT secret_ref_secret_id_fk FOREIGN KEY(secret_id) REFERENCES secret (id) ON
        DELETE CASCADE
    )
    """,
    "CREATE INDEX secret_ref_by_secret_ix ON secret_ref (secret_id)",
]


def upgrade() -> None:
    for statement in NEW_TABLES:
        op.execute(statement)
