"""How runs begin: arguments and preflight, inside the workflow task or as remote activities."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.worker import Worker
from tests.workflows import opening_flows as flows

BOTH = ["get_workflow_args", "preflight_check"]


@pytest.fixture
async def serving(client: WorkflowClient) -> AsyncIterator[WorkflowClient]:
    """The client of a worker that serves the workflows of this file."""
    classes = [flows.LocalOpening, flows.RemoteOpening, flows.OwnOpening]
    async with Worker(
        client, workflow_classes=classes, workflow_activities=[flows.Plain().preflight_check]
    ):
        yield client


async def run(client: WorkflowClient, cls: type[Any]) -> tuple[Any, WorkflowHistory, list[str]]:
    """Run a workflow; returns its result, its history and its remote activities."""
    handle = await client.start_workflow({"suffix": "s"}, cls)
    result = await handle.result()
    history = await client.temporal.get_workflow_handle(handle.workflow_id).fetch_history()
    scheduled = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    tasks = await client.store.tasks.list_tasks("default", handle.run_id)
    assert len(tasks.data) <= len(BOTH)
    return result, history, scheduled


async def test_short_steps_are_part_of_the_workflow_task(serving: WorkflowClient) -> None:
    """A base class's own first steps take one workflow task and no remote activity."""
    result, history, scheduled = await run(serving, flows.LocalOpening)
    assert result["suffix"] == "s"
    assert not [key for key in result if key.startswith("_")]
    assert scheduled == []
    tasks = [e for e in history.events if e.HasField("workflow_task_started_event_attributes")]
    assert len(tasks) == 1


async def test_remote_where_the_class_says_so(serving: WorkflowClient) -> None:
    """With `local_short_steps = False` the arguments are loaded by a remote activity."""
    result, _, scheduled = await run(serving, flows.RemoteOpening)
    assert result["suffix"] == "s"
    assert scheduled == ["get_workflow_args"]


async def test_overrides_are_remote(serving: WorkflowClient) -> None:
    """An override may take its time, so it runs as a remote activity, under its own timeouts."""
    result, _, scheduled = await run(serving, flows.OwnOpening)
    assert result["own"] is True
    assert scheduled == BOTH


async def test_deployments_that_change_the_first_steps(serving: WorkflowClient) -> None:
    """Runs that began before overrides came, or went, replay with the code of after."""
    for before, after in (
        (flows.LocalOpening, flows.LocalOpeningOverridden),
        (flows.OwnOpening, flows.OwnOpeningWithout),
    ):
        _, history, _ = await run(serving, before)
        await Replayer(workflows=[after], plugins=[serving.plugin]).replay_workflow(history)
