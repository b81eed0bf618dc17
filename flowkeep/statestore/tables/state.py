"""Named state and encrypted secrets."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    Table,
    Uuid,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import BYTEA

from flowkeep.statestore.tables.base import json, metadata, text, time

# Arguments of a run lie under the kind `arguments` and the run's id, and never change. Under the
# kind `workflows` and a workflow_id lies either what users save or an alias: `arguments_of` names
# the newest run that was started with arguments. So users may write there without touching what
# a run was started with.
state_entry = Table(
    "state_entry",
    metadata,
    text("tenant_id"),
    text("kind"),
    text("key"),
    json("value"),
    Column("arguments_of", Uuid),
    Column("revision", BigInteger, nullable=False),
    time("created_at", null=False),
    time("updated_at", null=False),
    PrimaryKeyConstraint("tenant_id", "kind", "key"),
    CheckConstraint("(value IS NULL) <> (arguments_of IS NULL)", name="value"),
)

secret = Table(
    "secret",
    metadata,
    Column("id", Uuid, primary_key=True),
    text("tenant_id"),
    text("key_id"),
    Column("ciphertext", BYTEA, nullable=False),
    # What it is called, where it was stored under a name; its id follows from it.
    text("name", null=True),
    # Taken out of the arguments of a run: it goes with the last run that refers to it.
    Column("run_scoped", Boolean, nullable=False, server_default=sql("false")),
    time("created_at", null=False),
    time("updated_at", null=False),
)
Index("secret_by_tenant_ix", secret.c.tenant_id, secret.c.id)
Index(
    "secret_by_name_ix",
    secret.c.tenant_id,
    secret.c.name,
    postgresql_where=secret.c.name.is_not(None),
)

secret_ref = Table(
    "secret_ref",
    metadata,
    Column("run_id", Uuid, nullable=False),
    Column("secret_id", Uuid, ForeignKey("secret.id", ondelete="CASCADE"), nullable=False),
    PrimaryKeyConstraint("run_id", "secret_id"),
)
Index("secret_ref_by_secret_ix", secret_ref.c.secret_id)
