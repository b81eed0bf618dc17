"""Specs of definitions keep the order of their keys."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# jsonb sorts keys, and variables are set in their order. The table is small: one row per version.
KEEP_ORDER = "ALTER TABLE definition_version ALTER COLUMN spec TYPE json USING spec::json"


def upgrade() -> None:
    op.execute(KEEP_ORDER)
