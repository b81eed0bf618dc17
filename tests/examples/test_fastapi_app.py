"""The example `fastapi_app`."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import uuid_utils.compat as uuids

from examples.fastapi_app.app import create_app
from examples.hello.activities import GreetingActivities
from examples.hello.workflows import HelloWorkflow
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.settings import Settings
from flowkeep.worker import Worker
from tests.support import eventually


@pytest.fixture
async def web(example_settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the application, which is started and stopped as a server does it."""
    app = create_app(example_settings)
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://app") as web,
    ):
        yield web


@pytest.fixture
async def worker(client: WorkflowClient) -> AsyncIterator[Worker]:
    """The worker of `hello`."""
    async with Worker(
        client,
        workflow_classes=[HelloWorkflow],
        workflow_activities=HelloWorkflow.get_activities(GreetingActivities()),
    ) as worker:
        yield worker


async def test_start_status_and_tasks(web: httpx2.AsyncClient, worker: Worker) -> None:
    """A run that was started over HTTP is followed over HTTP to its end."""
    started = await web.post("/greetings", json={"name": "Ada"})
    assert started.status_code == 202
    run_id = started.json()["run_id"]

    async def succeeded() -> Any:
        answer = (await web.get(f"/runs/{run_id}")).json()
        assert answer["status"] == "succeeded"
        return answer

    assert (await eventually(succeeded))["outputs"] == "Hello, Ada!"

    async def listed() -> None:
        tasks = (await web.get(f"/runs/{run_id}/tasks")).json()
        assert {"name": "greet", "status": "succeeded", "attempt": 1} in tasks

    await eventually(listed)


async def test_a_repeat_answers_with_the_open_run(
    web: httpx2.AsyncClient, client: WorkflowClient
) -> None:
    """Two requests with one key make one run, also while no worker serves."""
    key = str(uuids.uuid7())
    first = (await web.post("/greetings", json={"name": "Ada", "key": key})).json()
    second = (await web.post("/greetings", json={"name": "Ada", "key": key})).json()
    assert (first["created"], second["created"]) == (True, False)
    assert first["run_id"] == second["run_id"]
    other = await web.post("/greetings", json={"name": "Grace", "key": key})
    assert (other.status_code, other.json()["code"]) == (409, "CONFLICT")
    await (await client.get_handle("default", first["run_id"])).terminate()


async def test_an_unknown_run_is_not_found(web: httpx2.AsyncClient) -> None:
    """A run that does not exist answers 404 with the error's code."""
    answer = await web.get(f"/runs/{uuids.uuid7()}/tasks")
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
