"""Counts of runs, kept after the runs are gone: what statistics read."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Uuid,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY

from flowkeep.statestore.tables.base import metadata, text, time

# One row per quarter of an hour in which runs were created: the finest step in which time zones
# differ, so that days of any zone are sums of rows. Where a run has no app or definition, '' and
# the nil UUID stand, because a key cannot hold null.
run_rollup = Table(
    "run_rollup",
    metadata,
    text("tenant_id"),
    # Each run is counted three times: among `all` of its tenant, of its `app`, and in `each`
    # detail. Most questions need but the first two: few rows, however many details there are.
    text("grain"),
    time("bucket_at", null=False),
    text("app_id"),
    Column("definition_id", Uuid, nullable=False),
    text("workflow_type"),
    text("status"),
    # Runs that were deleted: counted on leaving, where all others are counted anew.
    Column("gone", Boolean, nullable=False),
    Column("runs", BigInteger, nullable=False),
    # How many took how long, in logarithmic steps.
    Column("durations", ARRAY(BigInteger), nullable=False),
    PrimaryKeyConstraint(
        "tenant_id",
        "grain",
        "bucket_at",
        "app_id",
        "definition_id",
        "workflow_type",
        "status",
        "gone",
    ),
)
Index("run_rollup_by_time_ix", run_rollup.c.grain, run_rollup.c.bucket_at)

# One row.
run_rollup_mark = Table(
    "run_rollup_mark",
    metadata,
    Column("id", SmallInteger, primary_key=True, server_default=sql("1")),
    # All changes of runs before this time are counted; null until everything was counted once.
    time("folded_to"),
    # Where counting everything has come to, and what the mark will be when it is through.
    time("rebuild_from"),
    text("rebuild_tenant", null=True),
    time("rebuild_at"),
)
