"""Definitions of other tenants that are called as children, by ref or by id."""

from uuid import UUID

import pytest

from flowkeep.contracts import NewDefinition, Task, TaskStatus, Visibility
from flowkeep.errors import RunFailed
from tests.definitions.runs.support import Stage

SECRET = "nobody_else_knows_this"
CHILD = {
    "ref": "theirs",
    "description": SECRET,
    "tasks": [{"name": SECRET, "action": "test.echo", "input": {"value": SECRET}}],
}


async def foreign(stage: Stage, visibility: Visibility) -> tuple[str, UUID]:
    """Store a definition in another tenant; returns the tenant and the definition's id."""
    tenant = stage.unique("other")
    new = NewDefinition(name=SECRET, ref="theirs", spec=CHILD, visibility=visibility)
    return tenant, (await stage.client.store.definitions.create(tenant, new)).id


async def call(stage: Stage, child: str) -> tuple[str, Task]:
    """Run a definition that calls a child and fails over it; returns the error and the row."""
    handle = await stage.start(f"{{ref: calls, tasks: [{{name: inner, workflow: {child}}}]}}")
    with pytest.raises(RunFailed) as caught:
        await stage.result(handle)
    return str(caught.value), await stage.row(handle, "inner")


@pytest.mark.parametrize("visibility", list(Visibility))
async def test_a_ref_means_ones_own(stage: Stage, visibility: Visibility) -> None:
    """A ref that only another tenant has does not exist, shared or not; nothing of it is seen."""
    tenant, definition_id = await foreign(stage, visibility)
    text, row = await call(stage, "theirs")
    assert "'theirs'" in text
    assert "does not exist" in text
    assert row.status is TaskStatus.FAILED
    assert row.error is not None
    assert row.error.code == "NOT_FOUND"
    await _nothing_leaked(stage, text, row, tenant, definition_id)


@pytest.mark.parametrize("visibility", [Visibility.PRIVATE, Visibility.TENANT])
async def test_an_id_opens_nothing(stage: Stage, visibility: Visibility) -> None:
    """Who knows the id of another tenant's definition still cannot call it, or learn of it."""
    tenant, definition_id = await foreign(stage, visibility)
    text, row = await call(stage, str(definition_id))
    assert "does not exist" in text
    assert row.status is TaskStatus.FAILED
    await _nothing_leaked(stage, text, row, tenant, definition_id)


async def test_a_shared_one_is_called_by_its_id(stage: Stage) -> None:
    """What another tenant shares runs as a child by its id, as a run of the caller's tenant."""
    _, definition_id = await foreign(stage, Visibility.SHARED)
    handle = await stage.start(
        f"{{ref: calls, tasks: [{{name: inner, workflow: {definition_id}}}]}}"
    )
    await stage.result(handle)
    row = await stage.row(handle, "inner")
    assert row.child_run_id is not None
    child = await stage.client.store.runs.get(stage.tenant, row.child_run_id)
    assert (child.definition_id, child.parent_run_id) == (definition_id, handle.run_id)


async def _nothing_leaked(
    stage: Stage, text: str, row: Task, tenant: str, definition_id: UUID
) -> None:
    """No error and no row tells of the definition, nothing pins it, its tenant has no run."""
    assert SECRET not in text
    assert SECRET not in row.model_dump_json()
    assert tenant not in text
    assert row.child_run_id is not None
    child = await stage.client.store.runs.get(stage.tenant, row.child_run_id)
    assert child.definition_id is None
    assert SECRET not in child.model_dump_json()
    store = stage.client.store
    assert (await store.runs.get_paginated_runs(tenant)).data == []
    assert (await store.definitions.get(tenant, definition_id)).execution_count == 0
