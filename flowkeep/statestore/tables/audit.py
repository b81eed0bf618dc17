"""Who did what through the service, and answers to requests that may be repeated."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Uuid,
)
from sqlalchemy import text as sql

from flowkeep.statestore.tables.base import json, metadata, text, time

# No index holds what changes when a write ends well, so that its row is updated in its page.
audit_log = Table(
    "audit_log",
    metadata,
    # A UUIDv7 whose time is `at`: ranges of ids are ranges of time.
    Column("id", Uuid, primary_key=True),
    text("tenant_id"),
    time("at", null=False),
    text("subject"),
    text("via"),
    Column("key_id", Uuid),
    text("address", null=True),
    text("request_id"),
    text("action"),
    text("object_kind"),
    text("object_id", null=True),
    text("outcome"),
    text("code", null=True),
    text("before_digest", null=True),
    text("after_digest", null=True),
    # Denials beyond a rate share a row.
    Column("times", Integer, nullable=False, server_default="1"),
    time("ended_at"),
    CheckConstraint("outcome IN ('begun', 'done', 'failed', 'denied')", name="outcome"),
    postgresql_with={"fillfactor": "85"},
)
_c = audit_log.c
Index("audit_log_by_tenant_ix", _c.tenant_id, _c.id)
Index("audit_log_by_subject_ix", _c.tenant_id, _c.subject, _c.id)
Index("audit_log_by_action_ix", _c.tenant_id, _c.action, _c.id)
Index("audit_log_by_object_ix", _c.tenant_id, _c.object_kind, _c.object_id, _c.id)
Index("audit_log_bad_ix", _c.tenant_id, _c.id, postgresql_where=sql("code IS NOT NULL"))

idempotency = Table(
    "idempotency",
    metadata,
    text("tenant_id"),
    text("subject"),
    text("key"),
    # Method and path, and SHA-256 of query and body: what the key was used for.
    text("request"),
    text("digest"),
    text("state"),
    # Who carries the request out, and until when nobody else may.
    Column("holder", Uuid, nullable=False),
    time("lease_until", null=False),
    Column("status", Integer),
    json("headers"),
    Column("body", LargeBinary),
    time("created_at", null=False),
    PrimaryKeyConstraint("tenant_id", "subject", "key"),
    CheckConstraint("state IN ('running', 'answered', 'withheld')", name="state"),
)
Index("idempotency_created_ix", idempotency.c.created_at)
