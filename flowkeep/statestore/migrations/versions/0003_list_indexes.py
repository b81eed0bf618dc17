"""Changes of the tables that are filled already: indexes of lists and finders, rows of labels."""

from alembic import op

from flowkeep.statestore.migrations import online

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


CHANGES = [
    # Whoever writes there holds the run's lock: as for attempts, no key needs to be checked.
    "ALTER TABLE payload_ref DROP CONSTRAINT IF EXISTS payload_ref_run_id_fk",
    "ALTER TABLE run_event DROP CONSTRAINT IF EXISTS run_event_run_id_fk",
    "ALTER TABLE run_pause DROP CONSTRAINT IF EXISTS run_pause_run_id_fk",
    "ALTER TABLE run_segment DROP CONSTRAINT IF EXISTS run_segment_run_id_fk",
    "ALTER TABLE secret ADD COLUMN IF NOT EXISTS run_scoped BOOLEAN DEFAULT false NOT NULL",
    # Its name goes to an index with other columns.
    """
    DO $$ BEGIN
        IF to_regclass('run_by_app_trigger_ix') IS NULL THEN
            ALTER INDEX run_by_trigger_ix RENAME TO run_by_app_trigger_ix;
        END IF;
    END $$
    """,
]

INDEXES = {
    "run_by_app_status_ix": """
        CREATE INDEX CONCURRENTLY run_by_app_status_ix ON run (tenant_id, app_id, status,
        created_at, id) WHERE kind = 'run'
    """,
    "run_by_definition_ix": """
        CREATE INDEX CONCURRENTLY run_by_definition_ix ON run (definition_id, tenant_id,
        created_at, id) WHERE kind = 'run' AND definition_id IS NOT NULL
    """,
    "run_by_owner_ix": """
        CREATE INDEX CONCURRENTLY run_by_owner_ix ON run (tenant_id, owner, created_at, id)
        WHERE kind = 'run' AND owner IS NOT NULL
    """,
    "run_by_parent_ix": """
        CREATE INDEX CONCURRENTLY run_by_parent_ix ON run (parent_run_id, created_at, id) WHERE
        parent_run_id IS NOT NULL
    """,
    "run_by_rest_ix": """
        CREATE INDEX CONCURRENTLY run_by_rest_ix ON run (tenant_id, status, updated_at, id)
        WHERE kind = 'run'
    """,
    "run_by_trigger_ix": """
        CREATE INDEX CONCURRENTLY run_by_trigger_ix ON run (tenant_id, triggered_from,
        created_at, id) WHERE kind = 'run'
    """,
    "run_by_type_ix": """
        CREATE INDEX CONCURRENTLY run_by_type_ix ON run (tenant_id, workflow_type, created_at,
        id) WHERE kind = 'run'
    """,
    "run_changed_ix": """
        CREATE INDEX CONCURRENTLY run_changed_ix ON run USING brin (updated_at) WITH
        (pages_per_range = 32, autosummarize = on)
    """,
    "secret_by_tenant_ix": """
        CREATE INDEX CONCURRENTLY secret_by_tenant_ix ON secret (tenant_id, id)
    """,
    "task_by_child_run_ix": """
        CREATE INDEX CONCURRENTLY task_by_child_run_ix ON task (child_run_id) WHERE child_run_id
        IS NOT NULL
    """,
    "task_by_external_id_ix": """
        CREATE INDEX CONCURRENTLY task_by_external_id_ix ON task (tenant_id, external_id,
        run_id) WHERE external_id IS NOT NULL
    """,
    "task_by_status_ix": """
        CREATE INDEX CONCURRENTLY task_by_status_ix ON task (tenant_id, status, updated_at,
        run_id, temporal_run_id, activity_id, attempt) WHERE status NOT IN ('succeeded',
        'skipped')
    """,
    "task_deadline_ix": """
        CREATE INDEX CONCURRENTLY task_deadline_ix ON task (tenant_id, deadline_at, run_id)
        WHERE (status IN ('pending', 'running', 'waiting')) AND deadline_at IS NOT NULL
    """,
    "task_retry_ix": """
        CREATE INDEX CONCURRENTLY task_retry_ix ON task (tenant_id, next_retry_at, run_id)
        WHERE next_retry_at IS NOT NULL
    """,
    "payload_ref_by_hash_ix": """
        CREATE INDEX CONCURRENTLY payload_ref_by_hash_ix ON payload_ref (tenant_id, hash)
    """,
    "run_pause_open_ix": """
        CREATE INDEX CONCURRENTLY run_pause_open_ix ON run_pause (tenant_id, paused_at, run_id)
        WHERE resumed_at IS NULL
    """,
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for statement in CHANGES:
            online.alter(statement)
        online.build(INDEXES)
        online.fill_labels()
