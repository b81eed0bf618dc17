"""Keys that say who calls the service."""

from sqlalchemy import Boolean, Column, Index, Table, Uuid
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

from flowkeep.statestore.tables.base import metadata, text, time

api_key = Table(
    "api_key",
    metadata,
    Column("id", Uuid, primary_key=True),
    text("tenant_id"),
    text("name"),
    text("subject"),
    # The part of the secret that everybody may see; it finds the row.
    text("prefix"),
    Column("hash", BYTEA, nullable=False),
    text("role", null=True),
    Column("app_roles", JSONB, nullable=False, server_default=sql("'{}'::jsonb")),
    Column("system", Boolean, nullable=False, server_default=sql("false")),
    text("created_by", null=True),
    time("created_at", null=False),
    time("expires_at"),
    time("revoked_at"),
    text("revoked_by", null=True),
    time("last_used_at"),
)
Index("api_key_uq", api_key.c.prefix, unique=True)
Index("api_key_by_tenant_ix", api_key.c.tenant_id, api_key.c.id)
Index("api_key_by_owner_ix", api_key.c.tenant_id, api_key.c.subject, api_key.c.id)
