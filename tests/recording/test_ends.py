"""Ends that are easily told wrong: refused, impossible to encode, looked at again, raised oddly."""

import asyncio
import dataclasses
import re
import socket
import urllib.request
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.worker import Replayer

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import RunStatus, SegmentKind
from flowkeep.errors import RunFailed
from flowkeep.recording.plugin import Plugin
from flowkeep.settings import Settings
from flowkeep.worker import Worker as FlowkeepWorker
from tests.recording import kinds
from tests.support import eventually
from tests.workflows import flows


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
    async with kinds.serve(client, task_queue, more=[signal_once]):
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
    async with kinds.serve(recorded, task_queue):
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
    async with kinds.serve(recorded, task_queue, max_cached_workflows=0):
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
    async with kinds.serve(recorded, task_queue):
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
                (SegmentKind.START, RunStatus.SUCCEEDED),
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
    async with kinds.serve(client, task_queue):
        await client.execute_workflow(
            kinds.One.run, "beats", id=f"measured-{uuid4()}", task_queue=task_queue
        )
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


@pytest.mark.parametrize(
    "what", ["SystemExit", "KeyboardInterrupt", "Odd", "ExceptionGroup", "Unspeakable"]
)
async def test_whatever_a_workflow_raises_fails_its_run(
    client: WorkflowClient, letters: flows.Letters, what: str
) -> None:
    """Nothing that code of a workflow class raises hangs its run, or ends the worker."""
    async with FlowkeepWorker(
        client, workflow_classes=[kinds.Raises], workflow_activities=[letters.first]
    ):
        handle = await client.start_workflow({"what": what}, kinds.Raises)
        with pytest.raises(RunFailed, match=what):
            await handle.result()
    run = await client.store.runs.get("default", handle.run_id)
    assert (run.status, run.error.type) == (RunStatus.FAILED, what)
