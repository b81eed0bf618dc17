"""Contents that Temporal's history refers to, and what in Temporal needs them."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
)
from sqlalchemy.dialects.postgresql import BYTEA

from flowkeep.statestore.tables.base import metadata, text, time

# The tenant is part of the key, so that nobody learns from a hash what another tenant stores.
large_payload = Table(
    "large_payload",
    metadata,
    text("tenant_id"),
    Column("hash", BYTEA, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("stored", BigInteger, nullable=False),
    text("encoding"),
    text("key_id", null=True),
    text("object_key", null=True),
    Column("chunks", Integer, nullable=False),
    time("created_at", null=False),
    PrimaryKeyConstraint("tenant_id", "hash"),
)

Index(
    "large_payload_object_ix",
    large_payload.c.object_key,
    postgresql_where=large_payload.c.object_key.isnot(None),
)

# In pieces, so that neither side holds a big value twice.
large_payload_chunk = Table(
    "large_payload_chunk",
    metadata,
    text("tenant_id"),
    Column("hash", BYTEA, nullable=False),
    Column("number", Integer, nullable=False),
    Column("data", BYTEA, nullable=False),
    PrimaryKeyConstraint("tenant_id", "hash", "number"),
    ForeignKeyConstraint(
        ["tenant_id", "hash"],
        ["large_payload.tenant_id", "large_payload.hash"],
        ondelete="CASCADE",
    ),
)

large_payload_need = Table(
    "large_payload_need",
    metadata,
    text("tenant_id"),
    Column("hash", BYTEA, nullable=False),
    text("namespace"),
    text("kind"),
    text("needed_by"),
    time("needed_at", null=False),
    time("check_at", null=False),
    time("gone_at"),
    PrimaryKeyConstraint("tenant_id", "hash", "namespace", "kind", "needed_by"),
    ForeignKeyConstraint(["tenant_id", "hash"], ["large_payload.tenant_id", "large_payload.hash"]),
)
Index(
    "large_payload_need_due_ix",
    large_payload_need.c.namespace,
    large_payload_need.c.check_at,
)
Index(
    "large_payload_need_by_id_ix",
    large_payload_need.c.namespace,
    large_payload_need.c.kind,
    large_payload_need.c.needed_by,
)
