"""Runs that moved to object storage: the bundles they lie in and their summary lines."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    Table,
    Uuid,
)
from sqlalchemy import text as sql

from flowkeep.statestore.tables.base import json, metadata, text, time
from flowkeep.statestore.tables.run_indexes import add_list_indexes

archive_bundle = Table(
    "archive_bundle",
    metadata,
    Column("id", Uuid, primary_key=True),
    text("tenant_id"),
    Column("month", Date, nullable=False),
    Column("shard", Integer, nullable=False),
    # Where it lies: storage URL without credentials, and the folder under it.
    text("url"),
    text("prefix"),
    text("status"),
    text("manifest_sha256", null=True),
    Column("runs", BigInteger, nullable=False, server_default="0"),
    Column("rows", BigInteger, nullable=False, server_default="0"),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    time("created_at", null=False),
    time("published_at"),
    time("verified_at"),
    time("deleted_at"),
    time("restored_at"),
    CheckConstraint(
        "status IN ('publishing', 'published', 'verified', 'deleting', 'archived', 'restoring',"
        " 'restored')",
        name="status",
    ),
)
Index(
    "archive_bundle_by_tenant_ix",
    archive_bundle.c.tenant_id,
    archive_bundle.c.created_at,
    archive_bundle.c.id,
)

# Runs that lie in a bundle and still in `run`, so that none is published twice.
archive_pending = Table(
    "archive_pending",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    Column("bundle_id", Uuid, nullable=False),
)
Index("archive_pending_by_bundle_ix", archive_pending.c.bundle_id)

# A run is either here or in `run`, never in both: one transaction moves it.
run_archive = Table(
    "run_archive",
    metadata,
    Column("id", Uuid, primary_key=True),
    text("tenant_id"),
    text("app_id", null=True),
    text("namespace"),
    text("workflow_id"),
    text("workflow_type"),
    text("task_queue"),
    text("kind"),
    json("labels", null=False),
    Column("definition_id", Uuid),
    Column("parent_run_id", Uuid),
    Column("root_run_id", Uuid),
    text("triggered_from"),
    text("owner", null=True),
    text("status"),
    text("current_step", null=True),
    Column("cancel_requested", Boolean, nullable=False, server_default=sql("false")),
    text("failure_reason", null=True),
    Column("exceptions_count", BigInteger, nullable=False, server_default="0"),
    Column("revision", BigInteger, nullable=False, server_default="0"),
    time("created_at", null=False),
    time("started_at"),
    time("finished_at"),
    time("updated_at", null=False),
    # No foreign key: whoever writes a line holds the bundle's row.
    Column("bundle_id", Uuid, nullable=False),
    time("archived_at", null=False),
)
add_list_indexes(run_archive)
Index(
    "run_archive_chunk_ix",
    run_archive.c.tenant_id,
    run_archive.c.created_at,
    run_archive.c.id,
    postgresql_where=sql("kind = 'chunk'"),
)
Index("run_archive_by_bundle_ix", run_archive.c.bundle_id, run_archive.c.id)
