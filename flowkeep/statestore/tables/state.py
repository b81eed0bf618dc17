"""Named state and encrypted secrets."""

from sqlalchemy import BigInteger, CheckConstraint, Column, PrimaryKeyConstraint, Table, Uuid
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
    time("created_at", null=False),
    time("updated_at", null=False),
)
