"""Questions to people, directly and over HTTP: asked by runs on a worker."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts.api.definitions import DefinitionSource
from flowkeep.errors import AlreadyTerminal, Forbidden, InvalidInput, NotFound
from flowkeep.settings import Settings
from flowkeep.worker import Worker
from tests.service.conftest import ServiceClient
from tests.support import eventually

TEXT = """
ref: asking
tasks:
  - name: approve
    human:
      assignee: [ann]
      title: Pay it?
      details: {amount: 12}
      response: {type: object, properties: {ok: {type: boolean}}, required: [ok]}
output_map: {by: "{{ tasks.approve.result.by }}"}
"""


@pytest.fixture
def settings(settings: Settings, task_queue: str) -> Settings:
    """Settings with a task queue of the test's own."""
    worker = settings.worker.model_copy(update={"task_queue": task_queue})
    return settings.model_copy(update={"worker": worker})


@pytest.fixture
async def workflow_client(settings: Settings) -> AsyncIterator[WorkflowClient]:
    """A worker that runs definitions, and its client."""
    async with await WorkflowClient.connect(settings) as client, Worker(client, actions=[]):
        yield client


async def test_questions_are_found_and_answered(
    client: ServiceClient, workflow_client: WorkflowClient
) -> None:
    """Open questions are listed, shown and answered, once: by who is asked, or with the token."""
    await client.definitions.apply(DefinitionSource(text=TEXT))
    runs = [(await client.definitions.execute("asking")).run_id for _ in range(3)]

    async def asked() -> list[UUID]:
        page = await client.questions.list(limit=2)
        rest = await client.questions.list(limit=2, cursor=page.next)
        listed = [one.run_id for one in (*page.data, *rest.data)]
        assert sorted(listed) == sorted(runs)
        return listed

    await eventually(asked, timeout=30)
    one, other, third = runs
    [shown] = (await client.questions.list(run=one)).data
    assert await client.questions.get(str(one), "approve") == shown
    assert (shown.title, shown.details, shown.assignee) == ("Pay it?", {"amount": 12}, ("ann",))
    with pytest.raises(Forbidden, match="bob"):
        await client.questions.answer(one, "approve", {"ok": True}, by="bob")
    with pytest.raises(InvalidInput, match="ok"):
        await client.questions.answer(one, "approve", {"ok": "yes"}, by="ann")
    assert await client.questions.answer(one, "approve", {"ok": True}, by="ann") == one
    token = await client.questions.token(other, "approve")
    with pytest.raises(Forbidden, match="token"):
        await client.questions.answer(third, "approve", {"ok": True}, by="bob", token=token)
    await client.questions.answer(other, "approve", {"ok": False}, by="bob", token=token)
    for run, who in ((one, "ann"), (other, "bob")):
        handle = await workflow_client.get_handle("default", run)
        assert await handle.result() == {"by": who}
    with pytest.raises(AlreadyTerminal):
        await client.questions.answer(one, "approve", {"ok": True}, by="ann")

    async def closed() -> None:
        assert [found.run_id for found in (await client.questions.list()).data] == [third]

    await eventually(closed)
    with pytest.raises(NotFound, match="approve"):
        await client.questions.token(one, "approve")
    with pytest.raises(NotFound, match="gone"):
        await client.questions.list(run="gone")
