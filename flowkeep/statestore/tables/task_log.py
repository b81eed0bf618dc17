"""Log lines of the attempts of tasks."""

from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Uuid,
)

from flowkeep.statestore.tables.base import json, metadata, text, time

task_log = Table(
    "task_log",
    metadata,
    Column("run_id", Uuid, nullable=False),
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    text("tenant_id"),
    text("temporal_run_id"),
    text("activity_id"),
    Column("attempt", Integer, nullable=False),
    time("at", null=False),
    # As the standard library numbers levels.
    Column("level", SmallInteger, nullable=False),
    text("logger"),
    text("message"),
    json("fields"),
    PrimaryKeyConstraint("run_id", "seq"),
)
