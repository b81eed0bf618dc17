"""Contents that Temporal's history refers to, and what in Temporal needs them."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


NEW_TABLES = [
    """
    CREATE TABLE large_payload (
        tenant_id TEXT NOT NULL,
        hash BYTEA NOT NULL,
        size BIGINT NOT NULL,
        stored BIGINT NOT NULL,
        encoding TEXT NOT NULL,
        key_id TEXT,
        object_key TEXT,
        chunks INTEGER NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT large_payload_pk PRIMARY KEY (tenant_id, hash)
    )
    """,
    """
    CREATE INDEX large_payload_object_ix ON large_payload (object_key)
        WHERE object_key IS NOT NULL
    """,
    """
    CREATE TABLE large_payload_chunk (
        tenant_id TEXT NOT NULL,
        hash BYTEA NOT NULL,
        number INTEGER NOT NULL,
        data BYTEA NOT NULL,
        CONSTRAINT large_payload_chunk_pk PRIMARY KEY (tenant_id, hash, number),
        CONSTRAINT large_payload_chunk_tenant_id_fk FOREIGN KEY (tenant_id, hash)
            REFERENCES large_payload (tenant_id, hash) ON DELETE CASCADE
    )
    """,
    # It is compressed already, or cannot be.
    "ALTER TABLE large_payload_chunk ALTER COLUMN data SET STORAGE EXTERNAL",
    """
    CREATE TABLE large_payload_need (
        tenant_id TEXT NOT NULL,
        hash BYTEA NOT NULL,
        namespace TEXT NOT NULL,
        kind TEXT NOT NULL,
        needed_by TEXT NOT NULL,
        needed_at TIMESTAMP WITH TIME ZONE NOT NULL,
        check_at TIMESTAMP WITH TIME ZONE NOT NULL,
        gone_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT large_payload_need_pk
            PRIMARY KEY (tenant_id, hash, namespace, kind, needed_by),
        CONSTRAINT large_payload_need_tenant_id_fk FOREIGN KEY (tenant_id, hash)
            REFERENCES large_payload (tenant_id, hash)
    )
    """,
    "CREATE INDEX large_payload_need_due_ix ON large_payload_need (namespace, check_at)",
    """
    CREATE INDEX large_payload_need_by_id_ix ON large_payload_need (namespace, kind, needed_by)
    """,
]


def upgrade() -> None:
    for statement in NEW_TABLES:
        op.execute(statement)
