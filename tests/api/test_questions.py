"""`/human-tasks` over HTTP: who sees and answers which question."""

from collections.abc import AsyncIterator

import pytest

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.settings import Settings
from flowkeep.worker import Worker
from tests.api.calling import Service, principal, serving
from tests.support import eventually

TEXT = """
ref: asking
tasks:
  - name: approve
    human: {assignee: [ann, vic], title: "Pay it?", response: {type: boolean}}
"""
BOB, BOSS = principal("bob", "editor"), principal("boss", "admin")
ANN, VIC, EVE = principal("ann", "operator"), principal("vic", "viewer"), principal("eve", "editor")
FOREIGN = principal("ann", "admin", tenant="u")


@pytest.fixture
async def service(settings: Settings, task_queue: str) -> AsyncIterator[Service]:
    """The service, and a worker that runs definitions."""
    worker = settings.worker.model_copy(update={"task_queue": task_queue})
    settings = settings.model_copy(update={"worker": worker})
    async with (
        await WorkflowClient.connect(settings) as client,
        Worker(client, actions=[]),
        serving(settings) as service,
    ):
        yield service


async def test_who_sees_and_answers(service: Service) -> None:
    """Asked operators answer; owners and staff see; for others and other tenants there is none."""
    yaml = {"Content-Type": "application/yaml"}
    made = await service.call(BOB, "POST", "/definitions", content=TEXT, headers=yaml)
    assert made.status_code == 201, made.text
    runs = []
    for _ in range(2):
        told = await service.call(BOB, "POST", "/definitions/asking/execute")
        runs.append(told.json()["run_id"])

    async def asked() -> None:
        page = await service.call(ANN, "GET", "/human-tasks")
        assert {one["run_id"] for one in page.json()["data"]} == set(runs)

    await eventually(asked, timeout=30)
    path, answer = f"/human-tasks/{runs[0]}/approve", {"answer": True}
    for who, seen, given in (
        (EVE, 404, 404),
        (FOREIGN, 404, 404),
        (VIC, 200, 403),
        (BOB, 200, 403),
        (BOSS, 200, 403),
    ):
        shown = await service.call(who, "GET", path)
        told = await service.call(who, "POST", f"{path}/answer", json=answer)
        assert (shown.status_code, told.status_code) == (seen, given), (who.subject, told.text)
        listed = (await service.call(who, "GET", "/human-tasks")).json()["data"]
        assert len(listed) == (2 if seen == 200 else 0)
        token = await service.call(who, "POST", f"{path}/token")
        assert token.status_code == (200 if who is BOSS else 403 if seen == 200 else 404)
        guessed = await service.call(who, "POST", f"{path}/answer", json={**answer, "token": "x"})
        assert guessed.status_code == given
    other = await service.call(ANN, "POST", f"{path}/answer", json={**answer, "by": "vic"})
    unfit = await service.call(ANN, "POST", f"{path}/answer", json={"answer": "yes"})
    assert (other.status_code, unfit.status_code) == (403, 422)
    told = await service.call(ANN, "POST", f"{path}/answer", json=answer)
    assert (told.status_code, told.json()["run_id"]) == (200, runs[0])
    token = (await service.call(BOSS, "POST", f"/human-tasks/{runs[1]}/approve/token")).json()
    body = {**answer, **token}
    again = await service.call(EVE, "POST", f"/human-tasks/{runs[1]}/approve/answer", json=body)
    assert again.status_code == 200, again.text
