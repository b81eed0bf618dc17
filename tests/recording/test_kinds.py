"""Every way in which attempts and runs end, on a plain worker that only added the plugin.

Resets, schedules and workers of several shapes stand in test_plain_workers.
"""

import asyncio
import dataclasses
import re
import socket
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.worker import Replayer, Worker

from flowkeep.contracts import RunStatus, SegmentKind, TaskStatus
from flowkeep.recording.plugin import Plugin
from flowkeep.settings import Settings
from tests.recording import kinds, plain
from tests.support import eventually

Handle = WorkflowHandle[Any, Any]


@dataclass
class Kind:
    """What is executed, and what the ledger has to say of it afterwards."""

    workflow: Any
    args: list[Any] = field(default_factory=list)
    rows: list[tuple[int, TaskStatus]] = field(default_factory=list)
    """Attempt and status, in order."""
    run: RunStatus = RunStatus.SUCCEEDED
    segments: list[tuple[SegmentKind, RunStatus, int | None]] = field(default_factory=list)
    """Kind, status and expected tasks; one that starts and ends like the run when left out."""
    drive: Callable[[Handle], Awaitable[None]] | None = None
    options: dict[str, Any] = field(default_factory=dict)


OK, FAILED = TaskStatus.SUCCEEDED, TaskStatus.FAILED
START, RUNNING = SegmentKind.START, RunStatus.RUNNING


async def cancel(handle: Handle) -> None:
    async def beating() -> None:
        pending = (await handle.describe()).raw_description.pending_activities
        assert [one.HasField("last_heartbeat_time") for one in pending] == [True]

    await eventually(beating, timeout=30)
    await handle.cancel()


async def complete(handle: Handle) -> None:
    async def waiting() -> None:
        assert (await handle.describe()).raw_description.pending_activities

    await eventually(waiting, timeout=30)
    outside = handle._client.get_async_activity_handle(
        workflow_id=handle.id, run_id=handle.first_execution_run_id, activity_id="one"
    )
    await outside.complete("done outside")


KINDS = {
    "async": Kind(kinds.One, ["beats"], [(1, OK)]),
    "threaded": Kind(kinds.One, ["naps"], [(1, OK)]),
    "local": Kind(kinds.Locally, ["beats"], [(1, OK)]),
    "retried": Kind(kinds.One, ["fails_twice"], [(1, FAILED), (2, FAILED), (3, OK)]),
    "retried locally": Kind(kinds.Locally, ["fails_twice"], [(1, FAILED), (2, FAILED), (3, OK)]),
    "cancelled": Kind(
        kinds.One, ["stops"], [(1, TaskStatus.CANCELLED)], RunStatus.CANCELLED, drive=cancel
    ),
    "swallowed cancel": Kind(kinds.One, ["swallows"], [(1, OK)], drive=cancel),
    "timed out": Kind(kinds.Once, ["hangs"], [(1, TaskStatus.TIMED_OUT)], RunStatus.FAILED),
    "completed elsewhere": Kind(
        plain.Elsewhere,
        rows=[(1, TaskStatus.CANCELLED)],  # it was waiting when its run ended
        drive=complete,
    ),
    "result that is no JSON": Kind(kinds.Once, ["not_json"], [(1, FAILED)], RunStatus.FAILED),
    "argument that is no JSON": Kind(
        kinds.TriesNoJson, rows=[(1, OK)], segments=[(START, RunStatus.SUCCEEDED, 1)]
    ),
    "child": Kind(kinds.Parent, ["beats"], segments=[(START, RunStatus.SUCCEEDED, 0)]),
    "continued as new": Kind(
        kinds.Continues,
        ["beats"],
        [(1, OK)] * 3,
        segments=[
            (START, RUNNING, None),
            (SegmentKind.CONTINUE, RUNNING, None),
            (SegmentKind.CONTINUE, RunStatus.SUCCEEDED, 3),
        ],
    ),
    "workflow retry": Kind(
        kinds.FailsFirst,
        ["beats"],
        [(1, OK)] * 2,
        segments=[
            (START, RunStatus.FAILED, 1),
            (SegmentKind.RETRY, RunStatus.SUCCEEDED, 1),
        ],
        options={"retry_policy": kinds.QUICKLY},
    ),
}


@pytest.fixture
async def plugin(settings: Settings) -> AsyncIterator[Plugin]:
    """The plugin on the test's own ledger."""
    plugin = Plugin(settings)
    yield plugin
    await plugin.close()


@pytest.fixture
async def recorded(settings: Settings, plugin: Plugin) -> Client:
    """A client that has the plugin."""
    assert settings.temporal.address is not None
    return await Client.connect(settings.temporal.address, plugins=[plugin])


def serve(client: Client, task_queue: str, more: Sequence[Any] = (), **options: Any) -> Worker:
    return Worker(
        client,
        task_queue=task_queue,
        workflows=kinds.WORKFLOWS,
        activities=[*kinds.ACTIVITIES, *more],
        activity_executor=ThreadPoolExecutor(20),
        max_heartbeat_throttle_interval=timedelta(milliseconds=100),
        **options,
    )


async def carry_out(client: Client, task_queue: str, kind: Kind) -> str:
    """Start one, do what has to be done to it, wait for its end; returns its id."""
    workflow_id = f"kind-{uuid4()}"
    handle = await client.start_workflow(
        kind.workflow.run, args=kind.args, id=workflow_id, task_queue=task_queue, **kind.options
    )
    if kind.drive is not None:
        await kind.drive(handle)
    try:
        await handle.result()
    except WorkflowFailureError:
        assert kind.run is not RunStatus.SUCCEEDED
    return workflow_id


async def told(plugin: Plugin, workflow_id: str) -> tuple[Any, ...]:
    """Return what the ledger says of a run: status, rows, segments."""
    [run] = await plugin.store.runs.find_by_workflow_id("default", workflow_id)
    page = await plugin.store.tasks.list_attempts("default", run.id)
    rows = [(task.attempt, task.status) for task in page if task.type != "child"]
    segments = await plugin.store.runs.list_segments("default", run.id)
    for segment in segments:
        assert segment.closed_at is not None
    return (
        run.status,
        sorted(rows),
        [(one.kind, one.status, one.expected_tasks) for one in segments],
    )


@pytest.mark.parametrize("headed", [True, False], ids=["with header", "without"])
async def test_every_kind_is_recorded_whole(
    recorded: Client, temporal_client: Client, plugin: Plugin, task_queue: str, headed: bool
) -> None:
    """Rows, end and count of each kind are right, whether its client knew flowkeep or not."""
    client = recorded if headed else temporal_client
    async with serve(recorded, task_queue):
        ids = await asyncio.gather(
            *(carry_out(client, task_queue, kind) for kind in KINDS.values())
        )
    found = {name: await told(plugin, one) for name, one in zip(KINDS, ids, strict=True)}
    if not headed:  # the retry cannot know whether anything was counted before it
        _, _, segments = found["workflow retry"]
        assert segments.pop() == (SegmentKind.RETRY, RunStatus.SUCCEEDED, None)
        segments.append((SegmentKind.RETRY, RunStatus.SUCCEEDED, 1))
    assert found == {
        name: (
            kind.run,
            sorted(kind.rows),
            kind.segments or [(START, kind.run, len({1 for _ in kind.rows}))],
        )
        for name, kind in KINDS.items()
    }


async def test_the_server_has_the_last_word_on_a_refused_completion(
    settings: Settings, task_queue: str
) -> None:
    """A workflow that returned while a signal arrived is executed again: its last end counts."""
    recorder = settings.recorder.model_copy(update={"payloads": "full"})
    plugin = Plugin(settings.model_copy(update={"recorder": recorder}))
    assert settings.temporal.address is not None
    client = await Client.connect(settings.temporal.address, plugins=[plugin])
    signalled: set[str] = set()

    @activity.defn
    async def signal_once(workflow_id: str) -> None:
        if workflow_id not in signalled:
            signalled.add(workflow_id)
            await client.get_workflow_handle(workflow_id).signal("poke")

    ids = [f"signalled-{uuid4()}" for _ in range(5)]
    async with serve(client, task_queue, more=[signal_once]):
        results = await asyncio.gather(
            *(
                client.execute_workflow(kinds.Signalled.run, one, id=one, task_queue=task_queue)
                for one in ids
            )
        )
    assert results == [1] * len(ids)
    for workflow_id in ids:
        events = (await client.get_workflow_handle(workflow_id).fetch_history()).events
        refused = [
            event.workflow_task_failed_event_attributes.cause
            for event in events
            if event.HasField("workflow_task_failed_event_attributes")
        ]
        assert refused == [WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND]
        [summary] = await plugin.store.runs.find_by_workflow_id("default", workflow_id)
        run = await plugin.store.runs.get("default", summary.id)
        assert (run.status, run.outputs) == (RunStatus.SUCCEEDED, 1)
    await plugin.close()


async def test_a_result_that_cannot_be_encoded_is_no_end(
    recorded: Client, plugin: Plugin, task_queue: str
) -> None:
    """Temporal goes on trying a workflow whose result is no JSON, and the ledger has it open."""
    workflow_id = f"no-json-{uuid4()}"
    async with serve(recorded, task_queue):
        handle = await recorded.start_workflow(
            kinds.ReturnsNoJson.run, id=workflow_id, task_queue=task_queue
        )

        async def failing() -> None:
            described = (await handle.describe()).raw_description
            assert described.pending_workflow_task.attempt > 1

        await eventually(failing, timeout=30)
        assert plugin.recorder is not None
        await plugin.recorder.flush()
        assert plugin.recorder.stats.recorded == 0
        await handle.terminate()


async def test_looking_at_a_closed_run_reports_nothing(
    recorded: Client, plugin: Plugin, task_queue: str
) -> None:
    """A query replays a closed run, a Replayer any history; neither tells the ledger of an end."""
    workflow_id = f"asked-{uuid4()}"
    async with serve(recorded, task_queue, max_cached_workflows=0):
        handle = await recorded.start_workflow(
            kinds.Asked.run, id=workflow_id, task_queue=task_queue
        )
        await handle.result()
        assert plugin.recorder is not None
        await plugin.recorder.flush()
        assert await handle.query(kinds.Asked.question) == 42
        history = await handle.fetch_history()
        for length in (len(history.events), len(history.events) - 2):
            shorter = dataclasses.replace(history, events=history.events[:length])
            replayer = Replayer(workflows=kinds.WORKFLOWS, plugins=[plugin])
            await replayer.replay_workflow(shorter)
        await plugin.recorder.flush()
        assert plugin.recorder.stats.recorded == 1


async def test_firings_of_a_cron_are_segments_of_one_run(
    recorded: Client, plugin: Plugin, task_queue: str
) -> None:
    """Each firing of a cron ends its segment; the run goes on until somebody ends it."""
    async with serve(recorded, task_queue):
        handle = await recorded.start_workflow(
            kinds.One.run,
            "beats",
            id=f"cron-{uuid4()}",
            task_queue=task_queue,
            cron_schedule="@every 1s",
        )

        async def fired() -> None:
            runs = await plugin.store.runs.find_by_workflow_id("default", handle.id)
            assert runs.data
            assert runs.data[0].status is RunStatus.RUNNING
            segments = await plugin.store.runs.list_segments("default", runs.data[0].id)
            ended = [(one.kind, one.status) for one in segments if one.closed_at is not None]
            assert ended[:2] == [
                (START, RunStatus.SUCCEEDED),
                (SegmentKind.CRON, RunStatus.SUCCEEDED),
            ]

        await eventually(fired, timeout=30)
        await recorded.get_workflow_handle(handle.id).terminate()


async def test_metrics_are_offered_with_those_of_the_sdk(
    settings: Settings, task_queue: str, unused_port: int
) -> None:
    """Whoever scrapes the SDK's metrics gets the recorder's, with what it wrote."""
    runtime = Runtime(
        telemetry=TelemetryConfig(
            metrics=PrometheusConfig(
                bind_address=f"127.0.0.1:{unused_port}", counters_total_suffix=True
            )
        )
    )
    plugin = Plugin(settings)
    assert settings.temporal.address is not None
    client = await Client.connect(settings.temporal.address, plugins=[plugin], runtime=runtime)
    async with serve(client, task_queue):
        await carry_out(client, task_queue, KINDS["async"])
        assert plugin.recorder is not None
        await plugin.recorder.flush()
        url = f"http://127.0.0.1:{unused_port}/metrics"
        text = (await asyncio.to_thread(urllib.request.urlopen, url)).read().decode()
    await plugin.close()
    figures = dict(re.findall(r"^(flowkeep_recorder_\w+)\{[^}]*\} ([\d.]+)$", text, re.MULTILINE))
    assert figures["flowkeep_recorder_records_total"] == "2"
    assert figures["flowkeep_recorder_flush_size_sum"] == "2"
    assert int(figures["flowkeep_recorder_flush_latency_count"]) >= 1
    assert "flowkeep_recorder_queue" in figures
    assert "temporal_worker_task_slots_available" in text


@pytest.fixture
def unused_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
