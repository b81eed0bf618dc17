"""Arguments of runs: one row per run that never changes, and an alias under the workflow_id."""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from flowkeep.contracts import StateType
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import state_entry

KIND = "arguments"
"""Kind of the rows that never change; no `StateType`, so nobody writes there by name."""
ALIAS_KIND = StateType.WORKFLOWS.value
"""Kind of the rows that lead from a workflow_id to the arguments of its newest run."""


async def read(session: Session, tenant_id: str, run_id: UUID) -> dict[str, Any] | None:
    """Return what a run was started with, or None when it was started without arguments."""
    found = await session.execute(
        select(state_entry.c.value).where(
            state_entry.c.tenant_id == tenant_id,
            state_entry.c.kind == KIND,
            state_entry.c.key == str(run_id),
        )
    )
    value: dict[str, Any] | None = found.scalar_one_or_none()
    return value
