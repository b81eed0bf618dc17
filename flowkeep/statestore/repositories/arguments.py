"""Arguments of runs: one row per run that never changes, and an alias under the workflow_id."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func, null, select
from sqlalchemy.dialects.postgresql import insert

from flowkeep.contracts import StateType
from flowkeep.statestore.secrets import references
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import state_entry

KIND = "arguments"
"""Kind of the rows that never change; no `StateType`, so nobody writes there by name."""


async def write(
    session: Session, tenant_id: str, run_id: UUID, workflow_id: str, value: Mapping[str, Any]
) -> None:
    """Save the arguments of a new run and let its workflow_id lead to them.

    Args:
        session: The transaction that creates the run.
        tenant_id: Whose run.
        run_id: The run.
        workflow_id: Temporal's id; what users saved under it is replaced by the alias.
        value: Plain JSON.
    """
    row = {
        "tenant_id": tenant_id,
        "revision": 1,
        "created_at": func.now(),
        "updated_at": func.now(),
    }
    await session.execute(
        insert(state_entry)
        .values({**row, "kind": KIND, "key": str(run_id), "value": dict(value)})
        .on_conflict_do_nothing()
    )
    named = references(value)
    if named:
        bound = {"run_id": run_id, "secrets": sorted(named), "tenant_id": tenant_id}
        await session.execute(_REFER, bound)
    alias = insert(state_entry).values(
        {
            **row,
            "kind": StateType.WORKFLOWS.value,
            "key": workflow_id,
            "value": null(),
            "arguments_of": run_id,
        }
    )
    await session.execute(
        alias.on_conflict_do_update(
            index_elements=["tenant_id", "kind", "key"],
            set_={
                "value": null(),
                "arguments_of": run_id,
                "revision": state_entry.c.revision + 1,
                "updated_at": func.now(),
            },
        )
    )


# Only those that are to go with runs; one that is just being removed is not waited for in vain.
_REFER = """
INSERT INTO {schema}.secret_ref (run_id, secret_id)
SELECT :run_id, id FROM {schema}.secret
WHERE id = ANY(:secrets) AND tenant_id = :tenant_id AND run_scoped ORDER BY id FOR KEY SHARE
ON CONFLICT DO NOTHING
"""


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
