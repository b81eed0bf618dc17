"""Secrets keep the names they were stored under, so that they can be listed."""

from alembic import op

from flowkeep.statestore.migrations import online

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

NAME = "ALTER TABLE secret ADD COLUMN IF NOT EXISTS name TEXT"
INDEXES = {
    "secret_by_name_ix": """
        CREATE INDEX CONCURRENTLY secret_by_name_ix ON secret (tenant_id, name)
        WHERE name IS NOT NULL
    """,
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        online.alter(NAME)
        online.build(INDEXES)
