"""The example `plain_temporal`: workers of the plain SDK with the plugin."""

from contextlib import AsyncExitStack
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.worker import Replayer

from examples.plain_temporal.starter import place
from examples.plain_temporal.worker import connect, make_worker
from examples.plain_temporal.workflows import PlaceOrder
from flowkeep import Plugin
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import RunStatus
from flowkeep.settings import Settings
from tests.examples.ledger import attempts_of, events_of, the_run
from tests.support import eventually

CHARGED_TWICE = [
    ("charge", 1, "failed"),
    ("charge", 2, "succeeded"),
    ("send_receipt", 1, "succeeded"),
]


@pytest.mark.parametrize("parts", [["both"], ["workflows", "activities"]])
async def test_plain_workers_gain_the_ledger(
    client: WorkflowClient, example_settings: Settings, parts: list[str]
) -> None:
    """A run of plain workers with the plugin is recorded with every attempt and its end."""
    queue = example_settings.worker.task_queue
    async with AsyncExitStack() as stack:
        for part in parts:
            worker = make_worker(await connect(example_settings), part, queue)
            await stack.enter_async_context(worker)
        result = await place("7", await connect(example_settings), queue)
    assert result == "receipt-7 sent"
    run = await the_run(client)
    assert run.status is RunStatus.SUCCEEDED
    assert (run.workflow_type, run.workflow_id) == ("PlaceOrder", "order-7")
    assert await attempts_of(client, run.id) == CHARGED_TWICE
    assert run.tasks_total == run.tasks_finished == 2
    assert (await events_of(client, run.id))[-1] == "succeeded"


async def test_a_start_without_the_plugin_is_adopted(
    client: WorkflowClient, temporal_client: Client, example_settings: Settings
) -> None:
    """Attempts and end of a run that somebody else started are recorded like those of our own."""
    queue = example_settings.worker.task_queue
    async with make_worker(await connect(example_settings), "both", queue):
        await place("7", temporal_client, queue)
    run = await the_run(client)
    assert await attempts_of(client, run.id) == CHARGED_TWICE
    assert run.status is RunStatus.SUCCEEDED


async def test_payloads_are_digests(
    client: WorkflowClient, temporal_client: Client, example_settings: Settings
) -> None:
    """Of a plain worker's inputs and outputs the ledger keeps size, hash and type."""
    queue = example_settings.worker.task_queue
    async with make_worker(await connect(example_settings), "both", queue):
        await place("7", temporal_client, queue)
    run = await the_run(client)
    page = await client.store.tasks.list_tasks("default", run.id)
    receipt: Any = next(task for task in page if task.task_name == "send_receipt")
    assert set(receipt.input) == {"size", "sha256", "type"}
    assert "receipt" not in str(receipt.input) + str(receipt.output)
    failed = [
        task
        for task in await client.store.tasks.list_attempts("default", run.id)
        if task.status == "failed"
    ]
    assert "payment service" in failed[0].error.message


async def test_an_activity_only_worker_records_without_the_workflow_worker(
    client: WorkflowClient, temporal_client: Client, example_settings: Settings
) -> None:
    """The plugin on the activity worker alone records its attempts."""
    queue = example_settings.worker.task_queue
    async with (
        make_worker(temporal_client, "workflows", queue),
        make_worker(await connect(example_settings), "activities", queue),
    ):
        await place("7", temporal_client, queue)

    async def recorded() -> Any:
        run = await the_run(client)
        assert len(await attempts_of(client, run.id)) == 3
        return run

    run = await eventually(recorded)
    handle = await client.get_handle("default", run.id)
    assert await handle.status() is RunStatus.SUCCEEDED


@pytest.mark.parametrize("recorded", [False, True])
async def test_histories_replay_with_the_plugin(
    temporal_client: Client, example_settings: Settings, recorded: bool
) -> None:
    """Histories from before and after the plugin was added replay on a worker that has it."""
    queue = example_settings.worker.task_queue
    client = await connect(example_settings) if recorded else temporal_client
    async with make_worker(client, "both", queue):
        await place("7", client, queue)
    history = await temporal_client.get_workflow_handle("order-7").fetch_history()
    assert not any(event.HasField("marker_recorded_event_attributes") for event in history.events)
    plugin = Plugin(example_settings)
    replayer = Replayer(workflows=[PlaceOrder], plugins=[plugin])
    await replayer.replay_workflow(history)
