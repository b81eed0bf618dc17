"""Requests that are carried out twice, because the first process died: what they make is one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat as uuids

from flowkeep.clients.backend import Backend
from flowkeep.clients.direct import DirectClient
from flowkeep.clients.request import build_request
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import NewDefinition, RunStatus
from flowkeep.contracts.api.access import Caller, Principal, Role
from flowkeep.contracts.api.definitions import (
    DefinitionChange,
    DefinitionSource,
    DrawnDefinition,
    ExecuteRequest,
)
from flowkeep.contracts.api.keys import NewApiKey
from flowkeep.contracts.api.runs import RerunRequest, RunStart
from flowkeep.contracts.api.webhooks import MOST_WEBHOOKS, NewWebhook, WebhookPatch
from flowkeep.errors import Conflict
from flowkeep.worker import Worker
from tests.api.borders import CANVAS
from tests.api.marks import Marked, Marks
from tests.served import client

__all__ = ["client"]

SPEC = {"name": "Pause", "tasks": [{"id": "a", "wait": {"seconds": 3600}}]}


@pytest.fixture
async def backend(client: WorkflowClient) -> AsyncIterator[Backend]:
    """The servers as the service holds them."""
    async with Backend(client.settings) as backend:
        yield backend


def again(backend: Backend, key: UUID, who: Principal | None = None) -> DirectClient:
    """Return the nouns as a process sees them that carries out a request anew."""
    caller = Caller(principal=who or Principal.local(), request_id="r", request_key=key)
    return DirectClient(backend.store, backend.temporal, backend.settings, caller)


async def count(backend: Backend) -> int:
    """Return how many runs there are."""
    return len((await backend.store.runs.get_paginated_runs("default", limit=100)).data)


@pytest.mark.parametrize("on_conflict", ["existing", "reject", "replace"])
async def test_a_start_is_carried_out_once(
    client: WorkflowClient, backend: Backend, on_conflict: Any
) -> None:
    """While its run is open and when it has ended, a start that is repeated is the same start."""
    key, marks = uuids.uuid7(), Marks()
    wanted = RunStart(
        workflow_type="Marked",
        arguments={"mark": "m"},
        workflow_id=f"w-{key}",
        on_conflict=on_conflict,
    )
    first = await again(backend, key).runs.start(wanted)
    assert first.run_id == key
    assert await again(backend, key).runs.start(wanted) == first
    async with Worker(client, workflow_classes=[Marked], workflow_activities=[marks.leave]):
        await (await client.get_handle("default", key)).result()
        assert await again(backend, key).runs.start(wanted) == first
    assert (marks.left, await count(backend)) == ({"m": 1}, 1)


async def test_what_was_only_recorded_is_started(client: WorkflowClient, backend: Backend) -> None:
    """A start whose process died before Temporal heard of it goes on with what it recorded."""
    key, marks = uuids.uuid7(), Marks()
    request = build_request(client.settings, {"mark": "m"}, "Marked", run_id=key)
    await backend.store.requests.record("default", request.new_run("default", {"mark": "m"}))
    wanted = RunStart(workflow_type="Marked", arguments={"mark": "m"})
    assert (await again(backend, key).runs.start(wanted)).run_id == key
    async with Worker(client, workflow_classes=[Marked], workflow_activities=[marks.leave]):
        await (await client.get_handle("default", key)).result()
    assert (marks.left, await count(backend)) == ({"m": 1}, 1)


async def test_other_ways_to_begin_a_run(client: WorkflowClient, backend: Backend) -> None:
    """An external run, a rerun and a run of a definition are made once, too."""
    external, rerun, executed = (uuids.uuid7() for _ in range(3))
    for _ in range(2):
        nouns = again(backend, external)
        made = await nouns.runs.start(RunStart(workflow_type="Elsewhere", external=True))
        assert made.run_id == external
    first = await backend.temporal()
    handle = await first.start_workflow({"mark": "m"}, "Marked")
    await handle.terminate("over")
    for _ in range(2):
        made = await again(backend, rerun).runs.rerun(handle.run_id, RerunRequest())
        assert made.run_id == rerun
    definition = await backend.store.definitions.create(
        "default", NewDefinition(name="Pause", ref="pause", spec=SPEC)
    )
    for _ in range(2):
        found = await again(backend, executed).definitions.execute(definition.id, ExecuteRequest())
        assert found.run_id == executed
    runs = (await backend.store.runs.get_paginated_runs("default")).data
    assert {run.id for run in runs} == {external, handle.run_id, rerun, executed}
    assert {run.status for run in runs} >= {RunStatus.CANCELLED}


@pytest.mark.parametrize("ref", ["ref: nightly", ""])
async def test_a_definition_is_made_once(backend: Backend, ref: str) -> None:
    """A definition whose making is repeated is found again, under the ref that it took, also after
    it was changed."""
    key = uuids.uuid7()
    new = DefinitionSource(text=f"label: Nightly\n{ref}\ntasks:\n- name: a\n  action: core.log\n")
    made = await again(backend, key).definitions.create(new)
    assert made.id == key
    assert await again(backend, key).definitions.create(new) == made
    changed = await again(backend, key).definitions.update(key, DefinitionChange(version="2"))
    assert await again(backend, key).definitions.create(new) == changed
    assert [one.id for one in (await again(backend, key).definitions.list()).data] == [key]


async def test_a_drawing_is_made_once(backend: Backend) -> None:
    """A drawn definition without a ref is found again under the one that was made for it."""
    key, new = uuids.uuid7(), DrawnDefinition(name="Nightly", dag_spec=CANVAS)
    made = await again(backend, key).definitions.create(new)
    assert (made.id, await again(backend, key).definitions.create(new)) == (key, made)
    assert [one.id for one in (await again(backend, key).definitions.list()).data] == [key]


async def test_a_key_is_made_once(backend: Backend) -> None:
    """A key whose making is repeated is not made again, and its secret is gone for good."""
    key, new = uuids.uuid7(), NewApiKey(name="ci", role=Role.VIEWER)
    made = await again(backend, key).keys.create(new)
    assert made.id == key
    with pytest.raises(Conflict, match=f"{key} already.*cannot be shown again") as refused:
        await again(backend, key).keys.create(new)
    assert refused.value.code == "IDEMPOTENCY_ANSWER_WITHHELD"
    keys = await again(backend, uuids.uuid7()).keys.list()
    assert [one.id for one in keys.data] == [key]
    assert await backend.store.api_keys.authenticate(made.secret) == made.shown()


async def test_a_webhook_is_made_once(backend: Backend) -> None:
    """A webhook whose making is repeated, also at once, is found again with the secret that signs.

    That holds after it was changed, and where the tenant may have no more; an id that somebody else
    has, here or in another tenant, is refused without a word of theirs.
    """
    key, new = uuids.uuid7(), NewWebhook(name="ops", url="https://example.com/hook")
    first, second = await asyncio.gather(
        *(again(backend, key).webhooks.create(new) for _ in range(2))
    )
    assert (first.id, first) == (key, second)
    changed = await again(backend, key).webhooks.update(key, WebhookPatch(name="ops2"))
    for n in range(MOST_WEBHOOKS - 1):
        await backend.store.webhooks.create("default", new.evolve(name=f"n{n}"))
    found = await again(backend, key).webhooks.create(new)
    assert (found.shown(), found.secret) == (changed, first.secret)
    with pytest.raises(Conflict, match="webhooks already"):
        await again(backend, uuids.uuid7()).webhooks.create(new)
    for tenant in ("default", "other"):
        who = Principal(subject="eve", tenant_id=tenant, role=Role.ADMIN, via="token")
        with pytest.raises(Conflict, match=f"the id {key} is taken"):
            await again(backend, key, who).webhooks.create(new)
    assert await again(backend, key).webhooks.get(key) == changed
