"""Schedules run as their owner: what that means when rights change, or others change them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from flowkeep.clients.direct.journal_writer import close_writer
from flowkeep.clients.schedule_repair import ScheduleRepair
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import (
    Definition,
    DefinitionPatch,
    NewDefinition,
    Run,
    RunStatus,
    Visibility,
)
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.schedule_spec import Overlap
from flowkeep.contracts.schedules import NewSchedule, ScheduleContent
from flowkeep.errors import Conflict, Forbidden, NotFound, RevisionMismatch
from flowkeep.worker import Worker
from tests.clients.acting import TENANT, acting, keyed
from tests.definitions.runs import actions
from tests.support import eventually, flushed

SPEC = {"intervals": [{"every_seconds": 86_400}]}
ADDS: dict[str, Any] = {
    "ref": "sums",
    "tasks": [{"name": "add", "action": "test.add", "input": {"left": 1, "right": 2}}],
}


@pytest.fixture
async def worker(client: WorkflowClient) -> AsyncIterator[Worker]:
    """A worker for definitions."""
    async with Worker(client, actions=actions.ALL, action_tenants=[]) as worker:
        yield worker


@pytest.fixture(autouse=True)
async def journal(client: WorkflowClient) -> AsyncIterator[None]:
    """Writes the audit log to its end."""
    yield
    await close_writer(client.store)


def new(name: str = "nightly", **fields: Any) -> NewSchedule:
    """A schedule, of the definition unless said otherwise."""
    if "workflow_type" not in fields:
        fields.setdefault("definition", "sums")
    return NewSchedule.model_validate({"name": name, "spec": SPEC, **fields})


def content(**fields: Any) -> ScheduleContent:
    """What a schedule of a workflow class is to be."""
    return ScheduleContent.model_validate({"workflow_type": "Unserved", "spec": SPEC, **fields})


def once(call: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
    """Return what calls something the first time, and nothing later."""
    left = iter([call])

    async def first() -> None:
        for one in left:
            await one()

    return first


async def define(
    client: WorkflowClient, visibility: Visibility, tenant: str = TENANT, **fields: Any
) -> Definition:
    """Store a definition of Ben's."""
    given = {"name": "sums", "ref": "sums", "spec": ADDS, "owner": "ben", **fields}
    new = NewDefinition.model_validate({**given, "visibility": visibility})
    return await client.store.definitions.create(tenant, new)


async def change(client: WorkflowClient, definition: Definition, **fields: Any) -> None:
    """Change a definition."""
    now = await client.store.definitions.get(definition.tenant_id, definition.id)
    await client.store.definitions.update(
        now.tenant_id, now.id, DefinitionPatch(**fields), expected_revision=now.revision
    )


async def fired(client: WorkflowClient, count: int, name: str = "nightly") -> Run:
    """Fire a schedule for the n-th time, and return how that run ended."""
    await client.schedules.trigger(TENANT, name, Overlap.ALLOW_ALL)

    async def there() -> Run:
        await flushed(client)
        page = await client.store.runs.get_paginated_runs(TENANT, labels={"schedule": name})
        assert len(page.data) == count
        run = await client.store.runs.get(TENANT, page.data[0].id)
        assert run.status.terminal
        return run

    return await eventually(there)


async def refused(client: WorkflowClient, count: int, why: str) -> None:
    """Fire a schedule whose run fails, and see that run and schedule say why."""
    run = await fired(client, count)
    assert (run.status, run.owner, run.definition_id) == (RunStatus.FAILED, "ana", None)
    assert run.error is not None
    assert why in run.error.message
    assert why in str((await client.schedules.get(TENANT, "nightly")).last_error)


async def test_what_became_private_runs_no_more(client: WorkflowClient, worker: Worker) -> None:
    """A firing fails, and says why, while its owner does not see the definition; then it runs."""
    definition = await define(client, Visibility.TENANT)
    ana = acting(client, "ana", Role.EDITOR)
    await ana.schedules.create(new())
    assert (await fired(client, 1)).status is RunStatus.SUCCEEDED
    await change(client, definition, visibility=Visibility.PRIVATE)
    with pytest.raises(NotFound):
        await ana.definitions.execute(definition.id)
    await refused(client, 2, "'sums' does not exist for 'ana'")
    await change(client, definition, owner="ana")
    assert (await fired(client, 3)).status is RunStatus.SUCCEEDED
    assert (await client.schedules.get(TENANT, "nightly")).last_error is None


async def test_what_is_deleted_or_unshared_runs_no_more(
    client: WorkflowClient, worker: Worker
) -> None:
    """A firing of another tenant's definition fails once it is not shared any more, or is gone."""
    definition = await define(client, Visibility.SHARED, "library")
    await acting(client, "ana", Role.EDITOR).schedules.create(new(definition=str(definition.id)))
    assert (await fired(client, 1)).status is RunStatus.SUCCEEDED
    await change(client, definition, visibility=Visibility.TENANT)
    await refused(client, 2, f"definition {definition.id} does not exist")
    await change(client, definition, visibility=Visibility.SHARED)
    assert (await fired(client, 3)).status is RunStatus.SUCCEEDED
    await client.store.definitions.delete("library", definition.id)
    await refused(client, 4, f"definition {definition.id} does not exist")


async def test_a_definition_that_left_the_owners_apps(
    client: WorkflowClient, worker: Worker
) -> None:
    """Who has a role in one app runs no definition that is moved to another one."""
    definition = await define(client, Visibility.TENANT, app_id="crm")
    await acting(client, "ana", None, crm=Role.EDITOR).schedules.create(new())
    assert (await fired(client, 1)).status is RunStatus.SUCCEEDED
    await change(client, definition, app_id="hr")
    await refused(client, 2, "'sums' does not exist for 'ana'")


async def test_staff_schedules_what_it_sees(client: WorkflowClient, worker: Worker) -> None:
    """A schedule of an admin runs somebody's private definition, as the admin may.

    Whom an admin gives it to runs what they see themselves.
    """
    await define(client, Visibility.PRIVATE)
    boss = acting(client, "boss", Role.ADMIN)
    await boss.schedules.create(new())
    run = await fired(client, 1)
    assert (run.status, run.owner) == (RunStatus.SUCCEEDED, "boss")
    await boss.schedules.put("nightly", content(workflow_type=None, definition="sums", owner="ana"))
    await refused(client, 2, "'sums' does not exist for 'ana'")


async def test_a_key_that_is_gone_takes_its_rights_along(
    client: WorkflowClient, worker: Worker
) -> None:
    """Once no key of the owner may start runs, firings fail, nobody triggers, the keeper pauses.

    With a new key it goes on; an admin's private view ends with the admin's key.
    """
    await define(client, Visibility.PRIVATE)
    ana, first = await keyed(client, "ana", Role.ADMIN)
    await ana.schedules.create(new())
    assert (await fired(client, 1)).status is RunStatus.SUCCEEDED
    _, second = await keyed(client, "ana", None, crm=Role.OPERATOR)
    await client.store.api_keys.revoke(TENANT, first.id)
    await refused(client, 2, "'ana', whom the schedule belongs to, has no API key")
    _, third = await keyed(client, "ana", Role.OPERATOR)
    await refused(client, 3, "'sums' does not exist for 'ana'")
    for key in (second, third):
        await client.store.api_keys.revoke(TENANT, key.id)
    boss = acting(client, "boss", Role.ADMIN)
    for call in (boss.schedules.trigger("nightly"), boss.schedules.resume("nightly")):
        with pytest.raises(Forbidden, match="has no API key any more"):
            await call
    repaired = await ScheduleRepair(client).repair()
    assert repaired.halted == 1
    state = await client.schedules.describe(TENANT, "nightly")
    assert state.paused
    assert "'ana', whom the schedule belongs to, has no API key" in str(state.note)
    assert (await ScheduleRepair(client).repair()).halted == 0
    await keyed(client, "ana", Role.ADMIN)
    await boss.schedules.resume("nightly")
    assert (await ScheduleRepair(client).repair()).halted == 0
    assert (await fired(client, 4)).status is RunStatus.SUCCEEDED


async def test_only_who_showed_a_key_is_known_by_keys(client: WorkflowClient) -> None:
    """A schedule that was written with a token, or by a program, is not paused for want of keys."""
    store = client.store
    _, key = await keyed(client, "ana", Role.EDITOR)
    await store.api_keys.revoke(TENANT, key.id)
    await acting(client, "ana", Role.EDITOR).schedules.create(new("a", workflow_type="Unserved"))
    await client.schedules.put(TENANT, "b", content(owner="ana"))
    shown, revoked = await keyed(client, "ana", Role.EDITOR)
    await shown.schedules.create(new("c", workflow_type="Unserved"))
    await store.api_keys.revoke(TENANT, revoked.id)
    assert [name for _, name, _ in await store.system.schedules_without_rights()] == ["c"]
    await acting(client, "ana", Role.EDITOR).schedules.put("c", content())
    assert await store.system.schedules_without_rights() == []


async def test_who_moves_a_schedule_answers_for_it(client: WorkflowClient) -> None:
    """Moving needs the role editor in both apps, and makes the runs those of who moves.

    What stays in its app keeps its owner, and only staff of the new app gives it to others.
    """
    ana = acting(client, "ana", None, crm=Role.EDITOR)
    chief = acting(client, "cy", None, crm=Role.ADMIN, sales=Role.EDITOR)
    outsider = acting(client, "dee", None, crm=Role.ADMIN, sales=Role.OPERATOR)
    await ana.schedules.create(new(workflow_type="Unserved", app_id="crm"))
    with pytest.raises(Forbidden):
        await outsider.schedules.put("nightly", content(app_id="sales"))
    with pytest.raises(Forbidden):
        await ana.schedules.put("nightly", content(app_id="sales"))
    same = await chief.schedules.put("nightly", content(app_id="crm", labels={"a": "b"}))
    assert (same.owner, same.app_id) == ("ana", "crm")
    with pytest.raises(Forbidden, match="given to others"):
        await chief.schedules.put("nightly", content(app_id="sales", owner="ana"))
    moved = await chief.schedules.put("nightly", content(app_id="sales"))
    assert (moved.owner, moved.app_id) == ("cy", "sales")
    with pytest.raises(NotFound):
        await ana.schedules.get("nightly")
    boss = acting(client, "boss", Role.ADMIN)
    back = await boss.schedules.put("nightly", content(app_id="crm", owner="ana"))
    assert (back.owner, back.app_id) == ("ana", "crm")


async def test_what_was_checked_is_what_is_changed(client: WorkflowClient) -> None:
    """A schedule that is given away, or made, between check and write is not written over."""
    boss = acting(client, "boss", Role.ADMIN)

    async def given_away() -> None:
        await boss.schedules.put("nightly", content(owner="bo"))

    ana = acting(client, "ana", Role.EDITOR, before=given_away)
    with pytest.raises(Conflict):
        await ana.schedules.put("nightly", content(labels={"a": "b"}))
    assert (await client.schedules.get(TENANT, "nightly")).owner == "bo"
    await boss.schedules.put("nightly", content(owner="ana"))
    with pytest.raises(Conflict, match="is taken"):
        await ana.schedules.put("nightly", content(labels={"a": "b"}))
    with pytest.raises(Conflict, match="is taken"):
        await ana.schedules.put("nightly", content(), 1)
    found = await client.schedules.get(TENANT, "nightly")
    assert (found.owner, found.labels) == ("bo", {})


async def test_a_change_meanwhile_is_looked_at_again(client: WorkflowClient) -> None:
    """Without a revision a harmless change of somebody else is no error; with one it is."""
    await acting(client, "ana", Role.EDITOR).schedules.create(new(workflow_type="Unserved"))

    async def paused() -> None:
        await client.schedules.pause(TENANT, "nightly", "lunch")

    ana = acting(client, "ana", Role.EDITOR, before=paused)
    changed = await ana.schedules.put("nightly", content(labels={"a": "b"}))
    assert (changed.labels, changed.paused, changed.owner) == ({"a": "b"}, True, "ana")
    await client.schedules.resume(TENANT, "nightly")
    now = await client.schedules.get(TENANT, "nightly")
    with pytest.raises(RevisionMismatch):
        await ana.schedules.put("nightly", content(), now.revision)


async def test_two_that_make_it_at_once(client: WorkflowClient) -> None:
    """Of two that put a schedule which neither found, one makes it and the other one changes it."""
    meet = asyncio.Barrier(2)
    callers = [acting(client, "ana", Role.EDITOR, before=once(meet.wait)) for _ in range(2)]
    wanted = [content(labels={"n": str(n)}) for n in range(2)]
    made = await asyncio.gather(
        *(one.schedules.put("nightly", each) for one, each in zip(callers, wanted, strict=True))
    )
    found = await client.schedules.get(TENANT, "nightly")
    assert {one.id for one in made} == {found.id}
    assert (found.revision, found.applied, found.owner) == (2, True, "ana")
    assert found in made


async def test_who_makes_it_at_once_must_be_somebody_one_sees(client: WorkflowClient) -> None:
    """Of two that put the same new name and do not see each other's, one is told it is taken.

    Who asked for a new one is never given a changed one.
    """
    meet = asyncio.Barrier(2)
    people = [acting(client, name, Role.EDITOR, before=once(meet.wait)) for name in ("ana", "bo")]
    ends = await asyncio.gather(
        *(one.schedules.put("nightly", content()) for one in people), return_exceptions=True
    )
    [refused] = [one for one in ends if isinstance(one, BaseException)]
    assert isinstance(refused, Conflict)
    assert "is taken" in refused.message
    meet = asyncio.Barrier(2)
    makers = [acting(client, "ana", Role.EDITOR, before=once(meet.wait)) for _ in range(2)]
    asked = [new("other", workflow_type="Unserved", labels={"n": str(n)}) for n in range(2)]
    ends = await asyncio.gather(
        *(one.schedules.create(each) for one, each in zip(makers, asked, strict=True)),
        return_exceptions=True,
    )
    [refused] = [one for one in ends if isinstance(one, BaseException)]
    assert isinstance(refused, Conflict)
    assert "with another content" in refused.message
    assert (await client.schedules.get(TENANT, "other")).revision == 1


async def test_what_is_deleted_meanwhile_is_made(client: WorkflowClient) -> None:
    """A put whose schedule somebody deletes before it writes makes one; so does a create.

    With a revision there is nothing to change any more. Who is overtaken each time is told so.
    """
    boss = acting(client, "boss", Role.ADMIN)

    async def deleted() -> None:
        await boss.schedules.delete("nightly")

    ana = acting(client, "ana", Role.EDITOR)
    first = await ana.schedules.create(new(workflow_type="Unserved"))
    overtaken = acting(client, "ana", Role.EDITOR, before=once(deleted))
    again = await overtaken.schedules.put("nightly", content(labels={"a": "b"}))
    assert again.id != first.id
    assert (again.revision, again.labels, again.owner) == (1, {"a": "b"}, "ana")
    overtaken = acting(client, "ana", Role.EDITOR, before=once(deleted))
    third = await overtaken.schedules.create(new(workflow_type="Unserved"))
    assert (third.id != again.id, third.labels) == (True, {})
    overtaken = acting(client, "ana", Role.EDITOR, before=once(deleted))
    with pytest.raises(NotFound):
        await overtaken.schedules.put("nightly", content(), third.revision)
    tries = 0

    async def made_or_deleted() -> None:
        nonlocal tries
        tries += 1
        if tries % 2:
            await boss.schedules.put("nightly", content(owner="ana", labels={"n": str(tries)}))
        else:
            await boss.schedules.delete("nightly")

    unlucky = acting(client, "ana", Role.EDITOR, before=made_or_deleted)
    with pytest.raises(Conflict, match="with another content"):
        await unlucky.schedules.put("nightly", content())
    assert tries == 3
