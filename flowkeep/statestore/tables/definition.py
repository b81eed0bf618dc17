"""Stored definitions, what they are made of, and the actions their tasks call."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY

from flowkeep.statestore.tables.base import json, metadata, text, time

app = Table(
    "app",
    metadata,
    text("tenant_id"),
    text("id"),
    text("ref"),
    text("name"),
    text("parent", null=True),
    time("created_at", null=False),
    time("updated_at", null=False),
    PrimaryKeyConstraint("tenant_id", "id"),
)
Index("app_ref_uq", app.c.tenant_id, app.c.ref, unique=True)

_STORED = sql("deleted_at IS NULL")

definition = Table(
    "definition",
    metadata,
    Column("id", Uuid, primary_key=True),
    text("tenant_id"),
    text("app_id", null=True),
    text("ref"),
    text("slug"),
    text("name"),
    text("description", null=True),
    text("version", null=True),
    Column("revision", BigInteger, nullable=False, server_default="0"),
    # The newest saved version.
    Column("version_revision", BigInteger, nullable=False, server_default="0"),
    Column("tags", ARRAY(Text), nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=sql("true")),
    Column("draft", Boolean, nullable=False, server_default=sql("false")),
    # What is wrong with a draft.
    json("errors"),
    text("owner", null=True),
    text("visibility"),
    text("created_by", null=True),
    time("created_at", null=False),
    time("updated_at", null=False),
    time("deleted_at"),
    # Folded from `definition_execution`: starts must not queue for one row.
    Column("execution_count", BigInteger, nullable=False, server_default="0"),
    time("last_executed_at"),
    CheckConstraint("visibility IN ('private', 'tenant', 'shared')", name="visibility"),
)
Index(
    "definition_ref_uq",
    definition.c.tenant_id,
    definition.c.ref,
    unique=True,
    postgresql_where=_STORED,
)
Index(
    "definition_slug_uq",
    definition.c.tenant_id,
    sql("coalesce(app_id, '')"),
    definition.c.slug,
    unique=True,
    postgresql_where=_STORED,
)
Index(
    "definition_by_tenant_ix",
    definition.c.tenant_id,
    definition.c.created_at,
    definition.c.id,
    postgresql_where=_STORED,
)
Index(
    "definition_by_app_ix",
    definition.c.tenant_id,
    definition.c.app_id,
    definition.c.created_at,
    definition.c.id,
    postgresql_where=_STORED,
)
Index("definition_by_tag_ix", definition.c.tags, postgresql_using="gin", postgresql_where=_STORED)
Index(
    "definition_shared_ix",
    definition.c.created_at,
    definition.c.id,
    postgresql_where=sql("deleted_at IS NULL AND visibility = 'shared'"),
)
Index(
    "definition_most_executed_ix",
    definition.c.tenant_id,
    definition.c.execution_count,
    definition.c.id,
    postgresql_where=_STORED,
)

definition_version = Table(
    "definition_version",
    metadata,
    Column("definition_id", Uuid, ForeignKey("definition.id"), nullable=False),
    Column("revision", BigInteger, nullable=False),
    text("tenant_id"),
    text("version", null=True),
    # json, not jsonb: both come back as they were written. Variables begin, and are published, in
    # their order, and a canvas is compared key by key.
    Column("spec", JSON(none_as_null=True), nullable=False),
    Column("canvas", JSON(none_as_null=True)),
    json("param_schema", null=False),
    json("out_schema", null=False),
    # Saved while the definition was a draft: no run may pin it, and the next save takes its place.
    Column("draft", Boolean, nullable=False, server_default=sql("false")),
    text("created_by", null=True),
    time("created_at", null=False),
    PrimaryKeyConstraint("definition_id", "revision"),
)

definition_component = Table(
    "definition_component",
    metadata,
    Column("definition_id", Uuid, ForeignKey("definition.id"), nullable=False),
    Column("position", Integer, nullable=False),
    text("tenant_id"),
    text("module", null=True),
    text("step", null=True),
    text("node_id", null=True),
    PrimaryKeyConstraint("definition_id", "position"),
)
Index(
    "definition_component_by_module_ix",
    definition_component.c.tenant_id,
    definition_component.c.module,
    definition_component.c.definition_id,
)
Index(
    "definition_component_by_step_ix",
    definition_component.c.tenant_id,
    definition_component.c.step,
    definition_component.c.module,
    definition_component.c.definition_id,
)

# One row per started run that is not yet added to the definition's count; the tenant is the
# definition's.
definition_execution = Table(
    "definition_execution",
    metadata,
    text("tenant_id"),
    Column("definition_id", Uuid, nullable=False),
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    time("at", null=False),
    PrimaryKeyConstraint("tenant_id", "definition_id", "seq"),
)

action = Table(
    "action",
    metadata,
    Column("id", Uuid, primary_key=True),
    text("tenant_id"),
    text("app_id", null=True),
    text("ref"),
    text("label"),
    text("description", null=True),
    json("param_schema", null=False),
    json("out_schema", null=False),
    Column("definition_id", Uuid, ForeignKey("definition.id")),
    Column("revision", BigInteger, nullable=False, server_default="0"),
    text("registered_by", null=True),
    time("last_seen_at"),
    time("created_at", null=False),
    time("updated_at", null=False),
)
Index("action_ref_uq", action.c.tenant_id, action.c.ref, unique=True)
Index("action_by_tenant_ix", action.c.tenant_id, action.c.created_at, action.c.id)
Index(
    "action_workflow_ix",
    action.c.tenant_id,
    action.c.created_at,
    action.c.id,
    postgresql_where=sql("definition_id IS NOT NULL"),
)
Index(
    "action_by_definition_ix",
    action.c.definition_id,
    action.c.tenant_id,
    action.c.created_at,
    action.c.id,
    postgresql_where=sql("definition_id IS NOT NULL"),
)
