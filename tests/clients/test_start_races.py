"""Starts of several callers under one workflow_id: nobody meets what is somebody else's."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Literal
from uuid import UUID

import pytest

from flowkeep.clients.direct.journal_writer import close_writer
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import NewDefinition, RunStatus, Visibility
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.definitions import ExecuteRequest
from flowkeep.contracts.api.runs import RunStart
from flowkeep.errors import Conflict, FlowkeepError
from tests.clients.acting import TENANT, acting

Policy = Literal["existing", "reject", "replace"]
POLICIES: tuple[Policy, ...] = ("existing", "reject", "replace")
WAITS: dict[str, Any] = {"ref": "waits", "tasks": [{"name": "a", "action": "core.noop"}]}


@pytest.fixture
def free(task_queue: str) -> str:
    """A workflow_id that no other test uses."""
    return f"k-{task_queue}"


@pytest.fixture(autouse=True)
async def journal(client: WorkflowClient) -> AsyncIterator[None]:
    """Writes the audit log to its end."""
    yield
    await close_writer(client.store)


def start(workflow_id: str, **fields: Any) -> RunStart:
    """A run that nobody serves."""
    given = {"workflow_type": "Unserved", "task_queue": "nobody", "arguments": {"a": 1}}
    return RunStart.model_validate({**given, "workflow_id": workflow_id, **fields})


def execution(workflow_id: str, **fields: Any) -> ExecuteRequest:
    """An execution that nobody serves."""
    given = {"task_queue": "nobody", "workflow_id": workflow_id}
    return ExecuteRequest.model_validate({**given, **fields})


async def end(client: WorkflowClient, run_id: UUID, tenant: str = TENANT) -> None:
    """End a run that nobody serves."""
    await (await client.get_handle(tenant, run_id)).terminate()


async def contested(client: WorkflowClient, free: str, wanted: list[Any]) -> None:
    """Await calls at once of which one must win and the other learn nothing; see the winner."""
    found = await asyncio.gather(*wanted, return_exceptions=True)
    [won] = [one for one in found if not isinstance(one, BaseException)]
    [lost] = [one for one in found if isinstance(one, BaseException)]
    assert isinstance(lost, Conflict), lost
    assert str(lost) == f"workflow_id {free!r} is taken (use another workflow_id)"
    run = await client.store.runs.get(TENANT, won.run_id)
    assert (run.status.terminal, run.cancel_requested) == (False, False)
    page = await client.store.runs.get_paginated_runs(TENANT)
    assert [one.id for one in page if not one.status.terminal] == [won.run_id]
    await end(client, won.run_id)


@pytest.mark.parametrize("policy", POLICIES)
async def test_starts_at_once(client: WorkflowClient, free: str, policy: Policy) -> None:
    """Of two callers who both found an id free one starts; the other gets and cancels nothing."""
    together = asyncio.Barrier(2)
    ana, bo = (acting(client, name, Role.OPERATOR, before=together.wait) for name in ("ana", "bo"))
    for _ in range(2):
        wanted = [one.runs.start(start(free, on_conflict=policy)) for one in (ana, bo)]
        await contested(client, free, wanted)


@pytest.mark.parametrize("policy", POLICIES)
async def test_executions_at_once(client: WorkflowClient, free: str, policy: Policy) -> None:
    """The same of definitions: nobody is answered with another's run, or cancels it."""
    new = NewDefinition(name="waits", ref="waits", spec=WAITS, visibility=Visibility.TENANT)
    await client.store.definitions.create(TENANT, new)
    together = asyncio.Barrier(2)
    ana, bo = (acting(client, name, Role.OPERATOR, before=together.wait) for name in ("ana", "bo"))
    for _ in range(2):
        request = execution(free, on_conflict=policy)
        await contested(
            client, free, [one.definitions.execute("waits", request) for one in (ana, bo)]
        )


async def test_own_and_staffs_starts_meet(client: WorkflowClient, free: str) -> None:
    """One's own run is met as before, and staff meets everybody's."""
    ana, boss = acting(client, "ana", Role.OPERATOR), acting(client, "boss", Role.ADMIN)
    first = await ana.runs.start(start(free))
    assert (await ana.runs.start(start(free))).run_id == first.run_id
    assert (await boss.runs.start(start(free))).run_id == first.run_id
    await end(client, first.run_id)


async def test_arguments_that_others_left_are_not_taken(client: WorkflowClient, free: str) -> None:
    """What was stored under an id by the caller's run may be another's by the time they start."""
    ana, bo = acting(client, "ana", Role.OPERATOR), acting(client, "bo", Role.OPERATOR)
    mine = await ana.runs.start(start(free, arguments={"mine": 1}))
    await end(client, mine.run_id)

    async def between() -> None:
        theirs = await bo.runs.start(start(free, arguments={"theirs": 1}))
        await end(client, theirs.run_id)

    late = acting(client, "ana", Role.OPERATOR, before=between)
    with pytest.raises(Conflict, match="is taken"):
        await late.runs.start(start(free, arguments=None))
    page = await client.store.runs.find_by_workflow_id(TENANT, free)
    assert [one.status for one in page] == [RunStatus.CANCELLED] * 2
    last = await ana.runs.start(start(free, arguments={"mine": 2}))
    await end(client, last.run_id)
    again = await ana.runs.start(start(free, arguments=None))
    run = await client.store.runs.get(TENANT, again.run_id)
    assert (run.inputs, run.status.terminal) == (None, False)
    await end(client, again.run_id)


@pytest.mark.parametrize("external", [False, True])
async def test_an_id_of_others_says_nothing_of_them(
    client: WorkflowClient, free: str, external: bool
) -> None:
    """An id is refused in the same words, whether another owner or another tenant has it open."""
    fields = {} if external else {"task_queue": "nobody"}
    taken = start(free, external=external, **fields)
    rival = acting(client, "eve", Role.ADMIN, tenant="rival")
    colleague = acting(client, "bo", Role.OPERATOR)
    ana, boss = acting(client, "ana", Role.OPERATOR), acting(client, "boss", Role.ADMIN)
    told: set[tuple[str, str]] = set()
    for owner, seekers in ((rival, (ana, boss)), (colleague, (ana,))):
        held = await owner.runs.start(taken)
        for seeker in seekers:
            for policy in POLICIES:
                with pytest.raises(FlowkeepError) as refused:
                    await seeker.runs.start(taken.evolve(on_conflict=policy))
                told.add((refused.value.code, str(refused.value)))
        if external:
            await client.store.runs.fail(owner.access.tenant_id, held.run_id)
        else:
            await end(client, held.run_id, owner.access.tenant_id)
    assert told == {("CONFLICT", f"workflow_id {free!r} is taken (use another workflow_id)")}
