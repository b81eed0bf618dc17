"""Definitions that other tenants share: who may run them, and whose everything is."""

from uuid import UUID

import pytest
import yaml

from flowkeep.clients.workflow import RunHandle, WorkflowClient
from flowkeep.contracts import DefinitionPatch, NewDefinition, RunStatus, Visibility
from flowkeep.errors import Forbidden, NotFound, RunFailed
from tests.definitions.runs.support import Stage

PARENT = """
ref: parent
tasks:
  - {name: inner, workflow: child}
  - {name: called, action: child}
  - {name: secret, action: test.keys, input: {value: "{{ secret('login') }}"}}
output_map:
  said: ["{{ tasks.inner.result.said }}", "{{ tasks.called.result.said }}"]
  length: "{{ tasks.secret.result }}"
"""
CHILD = """
ref: child
tasks: [{{name: say, action: test.echo, input: {{value: {said}}}}}]
output_map: {{said: "{{{{ tasks.say.result }}}}"}}
"""


CALLER = """
ref: caller
tasks: [{name: inner, workflow: child}]
output_map: {said: "{{ tasks.inner.result.said }}"}
"""


@pytest.fixture
def owner(runs_client: WorkflowClient) -> Stage:
    """Another tenant, which makes definitions and runs none."""
    return Stage(runs_client)


async def share(owner: Stage, text: str, visibility: Visibility = Visibility.SHARED) -> UUID:
    """Store a definition that others may run."""
    data = yaml.safe_load(text)
    new = NewDefinition(name=data["ref"], ref=data["ref"], spec=data, visibility=visibility)
    return (await owner.client.store.definitions.create(owner.tenant, new)).id


async def run(stage: Stage, definition: UUID | str) -> RunHandle:
    """Start a run in the tenant of the stage."""
    handle = await stage.client.definitions.run(definition, tenant_id=stage.tenant)
    stage.handles.append(handle)
    return handle


async def test_it_runs_as_the_one_who_starts_it(stage: Stage, owner: Stage) -> None:
    """Its refs mean its owner's definitions; runs and secrets are those of who runs it."""
    shared = await share(owner, PARENT)
    await share(owner, CHILD.format(said="of the owner"))
    await stage.store(CHILD.format(said="of another"))
    await stage.client.store.secrets.set(stage.tenant, "login", {"password": "four"})
    await stage.client.store.secrets.set(owner.tenant, "login", {"password": "longer"})
    handle = await run(stage, shared)
    assert await stage.result(handle) == {"said": ["of the owner"] * 2, "length": 4}
    for row in await stage.rows(handle):
        if row.child_run_id is not None:
            child = await stage.client.store.runs.get(stage.tenant, row.child_run_id)
            assert (child.tenant_id, child.parent_run_id) == (stage.tenant, handle.run_id)
    assert (await owner.client.store.runs.get_paginated_runs(owner.tenant)).data == []
    definition = await owner.client.store.definitions.get(owner.tenant, shared)
    assert definition.execution_count == 1


async def test_who_may(stage: Stage, owner: Stage) -> None:
    """One that is not shared cannot be run by others, a ref means one's own, nobody else edits."""
    hidden = await share(owner, CHILD.format(said="nothing"), Visibility.TENANT)
    with pytest.raises(NotFound):
        await run(stage, hidden)
    shared = await share(owner, CHILD.format(said="it").replace("ref: child", "ref: open"))
    with pytest.raises(NotFound):
        await run(stage, "open")
    with pytest.raises(Forbidden):
        await stage.client.store.definitions.update(
            stage.tenant, shared, DefinitionPatch(name="mine"), expected_revision=0
        )


async def test_what_it_runs_has_to_be_shared(stage: Stage, owner: Stage) -> None:
    """A child that its owner keeps for himself, or that only the executor has, is not found."""
    shared = await share(owner, PARENT)
    await share(owner, CHILD.format(said="of the owner"), Visibility.TENANT)
    await stage.store(CHILD.format(said="of another"))
    handle = await run(stage, shared)
    with pytest.raises(RunFailed, match="does not share"):
        await stage.result(handle)
    assert (await stage.recorded(handle)).status is RunStatus.FAILED
    assert await stage.rows(handle) == []


async def test_it_is_repeated(stage: Stage, owner: Stage) -> None:
    """A run of a shared definition is repeated like any other."""
    shared = await share(
        owner,
        f"""
ref: flaky
tasks:
  - {{name: ask, action: test.echo, input: {{value: 1}}}}
  - name: last
    action: test.flaky
    input: {{name: {stage.unique("n")}, failures: 1}}
    retry: {{count: 0}}
output_map: {{n: "{{{{ tasks.last.result }}}}"}}
""",
    )
    handle = await run(stage, shared)
    assert (await stage.ended(handle)).status is RunStatus.FAILED
    again = await stage.client.definitions.rerun(stage.tenant, handle.run_id)
    stage.handles.append(again)
    assert await stage.result(again) == {"n": 2}
    assert (await stage.kinds(again)).count("task_reused") == 1


@pytest.mark.parametrize(("caller", "runs"), [("alice", True), ("bob", False)])
async def test_private_ones_are_called_by_their_owners(
    stage: Stage, caller: str, runs: bool
) -> None:
    """What is private to alice is run by her definitions, and does not exist for those of bob."""
    definitions = stage.client.store.definitions
    for text, owner in ((CHILD.format(said="a secret"), "alice"), (CALLER, caller)):
        data = yaml.safe_load(text)
        await definitions.create(
            stage.tenant,
            NewDefinition(
                name=data["ref"],
                ref=data["ref"],
                spec=data,
                owner=owner,
                visibility=Visibility.PRIVATE,
            ),
        )
    handle = await run(stage, "caller")
    if runs:
        assert await stage.result(handle) == {"said": "a secret"}
    else:
        with pytest.raises(RunFailed, match="does not exist for the owner of what calls it"):
            await stage.result(handle)
