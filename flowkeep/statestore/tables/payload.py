"""Values too big for a row, kept once per content, and the runs that need them."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    Uuid,
)
from sqlalchemy.dialects.postgresql import BYTEA

from flowkeep.statestore.tables.base import metadata, text, time

# The tenant is part of the key, so that nobody learns from a hash what another tenant stores.
payload = Table(
    "payload",
    metadata,
    text("tenant_id"),
    Column("hash", BYTEA, nullable=False),
    Column("size", BigInteger, nullable=False),
    text("encoding"),
    Column("data", BYTEA, nullable=False),
    time("created_at", null=False),
    PrimaryKeyConstraint("tenant_id", "hash"),
)

payload_ref = Table(
    "payload_ref",
    metadata,
    Column("run_id", Uuid, nullable=False),
    Column("hash", BYTEA, nullable=False),
    text("tenant_id"),
    PrimaryKeyConstraint("run_id", "hash"),
    ForeignKeyConstraint(["tenant_id", "hash"], ["payload.tenant_id", "payload.hash"]),
)
# Whether another run still needs a value.
Index("payload_ref_by_hash_ix", payload_ref.c.tenant_id, payload_ref.c.hash)
