"""Activities that record steps, and which attempt of each may."""

from sqlalchemy import Column, PrimaryKeyConstraint, Table, Uuid

from flowkeep.statestore.tables.base import metadata, text, time

step_scope = Table(
    "step_scope",
    metadata,
    Column("run_id", Uuid, nullable=False),
    text("temporal_run_id"),
    text("activity_id"),
    text("tenant_id"),
    # When Temporal scheduled the attempt that holds it: a later one takes it, no earlier one can.
    time("fence", null=False),
    PrimaryKeyConstraint("run_id", "temporal_run_id", "activity_id"),
)
