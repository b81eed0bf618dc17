"""How long runs are kept, and which ones are gone for good."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, Integer, Table, Uuid
from sqlalchemy import text as sql

from flowkeep.statestore.tables.base import metadata, text, time

retention_policy = Table(
    "retention_policy",
    metadata,
    Column("id", Uuid, primary_key=True),
    text("tenant_id"),
    text("app_id", null=True),
    Column("definition_id", Uuid),
    # Null keeps runs for ever.
    Column("days", Integer),
    Column("archive_first", Boolean, nullable=False, server_default=sql("false")),
    Column("legal_hold", Boolean, nullable=False, server_default=sql("false")),
    Column("revision", BigInteger, nullable=False, server_default="0"),
    text("created_by", null=True),
    time("created_at", null=False),
    time("updated_at", null=False),
    CheckConstraint("days >= 0", name="days"),
)
Index(
    "retention_policy_uq",
    retention_policy.c.tenant_id,
    sql("coalesce(app_id, '')"),
    sql("coalesce(definition_id, '00000000-0000-0000-0000-000000000000'::uuid)"),
    unique=True,
)

# Late records of a deleted run must not bring it back.
run_tombstone = Table(
    "run_tombstone",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    text("tenant_id"),
    time("deleted_at", null=False),
)
Index(
    "run_tombstone_by_age_ix",
    run_tombstone.c.deleted_at,
    postgresql_using="brin",
    postgresql_with={"autosummarize": "on"},
)
