"""Recorded histories replay: with the plugin, after it was added, and after it was taken away."""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import uuid_utils.compat as uuids
from temporalio import workflow
from temporalio.client import Client, WorkflowHistory
from temporalio.common import RetryPolicy
from temporalio.worker import Replayer
from temporalio.worker import Worker as PlainWorker

from flowkeep.clients.workflow import RunHandle, WorkflowClient
from flowkeep.contracts import RunStatus
from flowkeep.contracts.identity import HEADER
from flowkeep.errors import FlowkeepError
from flowkeep.recording.plugin import Plugin
from flowkeep.worker import Worker
from flowkeep.workflows.map_chunk import MapChunk
from tests.recording import plain
from tests.served import CLASSES
from tests.support import eventually
from tests.workflows import flows

PLAIN = [plain.Plain, plain.ReusesIds, plain.LocalAndChild, plain.Retried]

Run = Callable[[WorkflowClient, flows.Letters], Awaitable[RunHandle]]


def ends(workflow_class: type[Any], args: dict[str, Any] | None = None, **options: Any) -> Run:
    """Start a run and wait for its end, however it ends."""

    async def run(client: WorkflowClient, letters: flows.Letters) -> RunHandle:
        handle = await client.start_workflow(args or {"suffix": "!"}, workflow_class, **options)
        await ended(handle)
        return handle

    return run


async def ended(handle: RunHandle) -> None:
    try:
        await handle.result()
    except FlowkeepError:
        assert (await handle.status()).terminal


async def paused(client: WorkflowClient, letters: flows.Letters) -> RunHandle:
    """Pause while an activity runs, resume, pause and resume again, then let it end."""
    handle = await client.start_workflow({"a": 1}, flows.Holding)
    await eventually(lambda: _holds(letters))
    for _ in range(2):
        await handle.pause("look first")
        await handle.resume({"seen": True})
    letters.release.set()
    await ended(handle)
    return handle


async def paused_map(client: WorkflowClient, letters: flows.Letters) -> RunHandle:
    """Pause and resume while the items of a map run in chunks."""
    handle = await client.start_workflow({"a": 1}, flows.MapsHolding)
    await eventually(lambda: _holds(letters))
    await handle.pause("look first")
    letters.release.set()
    await handle.resume()
    await ended(handle)
    return handle


async def cancelled(client: WorkflowClient, letters: flows.Letters) -> RunHandle:
    """Cancel while an activity runs."""
    handle = await client.start_workflow({"a": 1}, flows.Holding)
    await eventually(lambda: _holds(letters))
    await handle.cancel("enough")
    await ended(handle)
    assert await handle.status() is RunStatus.CANCELLED
    return handle


async def still_open(client: WorkflowClient, letters: flows.Letters) -> RunHandle:
    """Leave an activity running."""
    handle = await client.start_workflow({"a": 1}, flows.Holding)
    await eventually(lambda: _holds(letters))
    return handle


def _holds(letters: flows.Letters) -> None:
    assert "hold" in letters.calls


RUNS: dict[str, Run] = {
    "inherited": ends(flows.InheritsRun),
    "sequence": ends(flows.Sequenced),
    "attempts": ends(flows.Flaky),
    "failed by a bug": ends(flows.Buggy),
    "failed preflight": ends(flows.FailsPreflight),
    "failed activity": ends(flows.Mapped, {"items": [1, -2, 3]}),
    "local activities": ends(flows.Local),
    "map": ends(flows.Mapped, {"items": list(range(12)), "window": 3}),
    "map in chunks": ends(flows.Mapped, {"items": list(range(25)), "chunk": 10, "window": 6}),
    "child": ends(flows.Parent, {"suffix": "p"}, workflow_id="parent"),
    "continued as new": ends(flows.Continues),
    "retried as a whole": ends(
        flows.Buggy, retry_policy=RetryPolicy(timedelta(milliseconds=10), maximum_attempts=2)
    ),
    "paused": paused,
    "paused map": paused_map,
    "cancelled": cancelled,
    "still open": still_open,
}


@pytest.mark.parametrize("name", RUNS)
async def test_flowkeeps_workflows_replay(
    client: WorkflowClient, worker: Worker, letters: flows.Letters, name: str
) -> None:
    """Every kind of run, its children and its continuations included, replays as recorded."""
    handle = await RUNS[name](client, letters)
    histories = await _family(client.temporal, handle.workflow_id)
    await _replay(histories, [*CLASSES, MapChunk], [client.plugin])
    if name == "still open":
        await handle.terminate()


@pytest.mark.parametrize("workflow_class", PLAIN)
@pytest.mark.parametrize(("starts", "serves"), [(False, False), (False, True), (True, True)])
async def test_the_plugin_may_come_and_go(
    client: WorkflowClient,
    temporal_client: Client,
    task_queue: str,
    workflow_class: type[Any],
    starts: bool,
    serves: bool,
) -> None:
    """A worker that gains the plugin replays what ran without; one that loses it replays all
    executions without the header, which is what fixes their commands.
    """
    starter = client.temporal if starts else temporal_client
    workflow_id = f"replay-{uuids.uuid7()}"
    async with _plain_worker(client.temporal if serves else temporal_client, task_queue):
        await starter.execute_workflow(
            workflow_class.run,
            "Ada",
            id=workflow_id,
            task_queue=task_queue,
            retry_policy=RetryPolicy(timedelta(milliseconds=10), maximum_attempts=2),
        )
    histories = await _family(temporal_client, workflow_id)
    await _replay(histories, PLAIN, [client.plugin])
    if headless := [history for history in histories if not _has_header(history)]:
        await _replay(headless, PLAIN, [])


@pytest.mark.parametrize(
    ("workflow_class", "replays"), [(plain.Plain, True), (plain.LocalAndChild, False)]
)
async def test_clients_that_gain_the_plugin_before_their_workers(
    client: WorkflowClient,
    temporal_client: Client,
    task_queue: str,
    workflow_class: type[Any],
    replays: bool,
) -> None:
    """A run with our header that a worker without the plugin began goes on under one that has it,
    unless it executed local activities: those got ids that ours would not give (docs/limits.md).
    """
    workflow_id = f"replay-{uuids.uuid7()}"
    async with _plain_worker(temporal_client, task_queue):
        await client.temporal.execute_workflow(
            workflow_class.run, "Ada", id=workflow_id, task_queue=task_queue
        )
    handle = temporal_client.get_workflow_handle(workflow_id)
    history = await handle.fetch_history()
    assert _has_header(history)
    if replays:
        await _replay([history], PLAIN, [client.plugin])
    else:
        with pytest.raises(workflow.NondeterminismError):
            await _replay([history], PLAIN, [client.plugin])


def _has_header(history: WorkflowHistory) -> bool:
    return HEADER in history.events[0].workflow_execution_started_event_attributes.header.fields


def _plain_worker(client: Client, task_queue: str) -> PlainWorker:
    return PlainWorker(
        client,
        task_queue=task_queue,
        workflows=PLAIN,
        activities=[plain.greet, plain.shout],
        activity_executor=ThreadPoolExecutor(4),
    )


async def _replay(
    histories: Sequence[WorkflowHistory], workflows: Sequence[type[Any]], plugins: Sequence[Plugin]
) -> None:
    assert histories
    for history in histories:
        await Replayer(workflows=workflows, plugins=plugins).replay_workflow(history)


async def _family(client: Client, workflow_id: str) -> list[WorkflowHistory]:
    """Return the histories of a run: its executions in order, then those of its children."""
    found: list[WorkflowHistory] = []
    run_id: str | None = (
        await client.get_workflow_handle(workflow_id).describe()
    ).raw_description.workflow_execution_info.first_run_id
    children: list[str] = []
    while run_id:
        history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
        found.append(dataclasses.replace(history))
        run_id = None
        for event in history.events:
            started = event.child_workflow_execution_started_event_attributes
            if started.workflow_execution.workflow_id:
                children.append(started.workflow_execution.workflow_id)
            run_id = run_id or _successor(event)
    for child in children:
        found.extend(await _family(client, child))
    return found


def _successor(event: Any) -> str | None:
    return (
        event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        or event.workflow_execution_failed_event_attributes.new_execution_run_id
        or None
    )
