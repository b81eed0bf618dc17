"""Attempts that end by force: their worker is killed, or they are paused and reset by hand."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.worker import Worker

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import EventKind, Run, RunStatus, Task
from flowkeep.local_engine.temporal import TemporalServer
from flowkeep.local_engine.tuning import TUNED
from flowkeep.recording.reconciler import Reconciler
from flowkeep.recording.verification import Verification
from flowkeep.settings import ReconcilerSettings, Settings
from tests.recording.test_reconciler import Temporal, find, temporal, unproven
from tests.support import eventually

__all__ = ["temporal"]

SETTINGS = ReconcilerSettings(grace_seconds=0, describes_per_second=1000, lists_per_second=50)
QUICK = RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_attempts=5)

PROGRAM = """
import asyncio, sys
from temporalio.client import Client
from temporalio.worker import Worker
from flowkeep.recording.plugin import Plugin
from tests.recording.test_hard_ends import Holds, holds

async def main() -> None:
    client = await Client.connect(sys.argv[1], plugins=[Plugin()])
    await Worker(client, task_queue=sys.argv[2], workflows=[Holds], activities=[holds]).run()

asyncio.run(main())
"""


def _says(path: Path, words: str) -> bool:
    return path.exists() and words in path.read_text()


def _add(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(f"{line}\n")


@activity.defn
async def holds(marker: str) -> str:
    """Work until somebody writes that the work is over."""
    path = Path(marker)
    _add(path, f"attempt {activity.info().attempt}")
    while not _says(path, "over"):
        activity.heartbeat()
        await asyncio.sleep(0.05)
    return f"attempt {activity.info().attempt}"


@workflow.defn(sandboxed=False)
class Holds:
    @workflow.run
    async def run(self, marker: str) -> str:
        return await workflow.execute_activity(
            holds,
            marker,
            start_to_close_timeout=timedelta(seconds=60),
            heartbeat_timeout=timedelta(seconds=1),
            retry_policy=QUICK,
        )


LET_GO = asyncio.Event()


@activity.defn
async def answers_late(marker: str) -> str:
    """Answer at once, but for the first attempt: that one falls silent until it is let go."""
    attempt = activity.info().attempt
    _add(Path(marker), f"attempt {attempt}")
    if attempt == 1:
        await LET_GO.wait()
    return f"attempt {attempt}"


@workflow.defn(sandboxed=False)
class AnsweredLate:
    @workflow.run
    async def run(self, marker: str) -> str:
        return await workflow.execute_activity(
            answers_late,
            marker,
            start_to_close_timeout=timedelta(seconds=60),
            heartbeat_timeout=timedelta(seconds=1),
            retry_policy=QUICK,
        )


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """What a program of its own needs to use the test's servers."""
    assert settings.database.secret_key is not None
    assert settings.temporal.address is not None
    return {
        "FLOWKEEP_DATABASE_URL": settings.database_url(),
        "FLOWKEEP_SECRET_KEY": settings.database.secret_key.get_secret_value(),
        "TEMPORAL_ADDRESS": settings.temporal.address,
    }


@pytest.fixture
def reconciler(client: WorkflowClient) -> Reconciler:
    """A reconciler that waits for nobody."""
    return Reconciler(client.temporal, client.store, SETTINGS)


async def attempts(client: WorkflowClient, run: Run) -> list[Task]:
    page = await client.store.tasks.list_attempts("default", run.id)
    return sorted(page, key=lambda task: task.attempt)


def said(marker: Path, words: str) -> None:
    assert _says(marker, words)


async def agrees(client: WorkflowClient, workflow_id: str) -> None:
    verification = Verification(client.temporal, client.store, SETTINGS)
    found = verification.differences(workflow_id=workflow_id, deep=True)
    assert [one async for one in found] == []
    assert verification.counts.compared == 1


@pytest.mark.slow
async def test_a_worker_killed_in_the_middle_of_an_attempt(
    client: WorkflowClient,
    reconciler: Reconciler,
    environment: dict[str, str],
    task_queue: str,
    tmp_path: Path,
) -> None:
    """Its attempt timed out, as history tells; the next succeeded; an event tells of the repair."""
    marker, name = tmp_path / "marker", f"killed-{uuid4().hex}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, environment["TEMPORAL_ADDRESS"], task_queue),
        stdin=DEVNULL,
        env={**os.environ, **environment},
    )
    handle = await client.temporal.start_workflow(
        Holds.run, str(marker), id=name, task_queue=task_queue
    )
    await eventually(lambda: said(marker, "attempt 1"), timeout=60)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    _add(marker, "over")
    async with Worker(
        client.temporal, task_queue=task_queue, workflows=[Holds], activities=[holds]
    ):
        assert await handle.result() == "attempt 2"

    async def mended() -> None:
        await reconciler.reconcile_once(everything=True)
        run = await find(client, name)
        assert (run.status, run.tasks_total, run.tasks_finished) == (RunStatus.SUCCEEDED, 1, 1)
        first, second = await attempts(client, run)
        assert first.status == "timed_out"
        assert first.error is not None
        assert first.error.code == "TIMEOUT"  # of the attempt before the last history knows that
        assert (second.attempt, second.status) == (2, "succeeded")

    await eventually(mended, timeout=30)
    run = await find(client, name)
    events = await client.store.runs.list_events("default", run.id)
    [told] = [one for one in events if one.kind == EventKind.RECONCILED]
    assert told.payload["source"] == "server"
    assert sum(told.payload["repaired"].values()) >= 1
    await agrees(client, name)


async def test_a_success_that_came_too_late(
    client: WorkflowClient,
    temporal_client: Client,
    reconciler: Reconciler,
    task_queue: str,
    tmp_path: Path,
) -> None:
    """One that its worker reports after a stranger's attempt was taken instead is no proof."""
    marker, name = tmp_path / "marker", f"late-{uuid4().hex}"
    ours = Worker(
        client.temporal,
        task_queue=task_queue,
        workflows=[AnsweredLate],
        activities=[answers_late],
        max_concurrent_activities=1,
    )
    async with ours:
        handle = await client.temporal.start_workflow(
            AnsweredLate.run, str(marker), id=name, task_queue=task_queue
        )
        await eventually(lambda: said(marker, "attempt 1"))
        async with Worker(temporal_client, task_queue=task_queue, activities=[answers_late]):
            assert await handle.result() == "attempt 2"
        LET_GO.set()

        async def reported() -> None:
            [late] = await attempts(client, await find(client, name))
            assert (late.attempt, late.status) == (1, "succeeded")

        await eventually(reported)

    await reconciler.reconcile_once(everything=True)
    first, second = await attempts(client, await find(client, name))
    assert first.status != "succeeded"
    assert (second.attempt, second.status) == (2, "succeeded")
    await agrees(client, name)


async def test_an_activity_paused_and_reset_by_hand(
    client: WorkflowClient,
    reconciler: Reconciler,
    temporal: Temporal,
    task_queue: str,
    tmp_path: Path,
) -> None:
    """Temporal's command line pauses, unpauses and resets an activity: the ledger stays true."""
    marker, name = tmp_path / "marker", f"paused-{uuid4().hex}"
    async with Worker(
        client.temporal, task_queue=task_queue, workflows=[Holds], activities=[holds]
    ):
        handle = await client.temporal.start_workflow(
            Holds.run, str(marker), id=name, task_queue=task_queue
        )
        of_it = ("--workflow-id", name, "--activity-id", "1")
        await eventually(lambda: said(marker, "attempt 1"))
        await temporal("activity", "pause", *of_it)

        async def stopped() -> None:
            (one,) = await attempts(client, await find(client, name))
            assert one.status == "failed"
            assert one.error is not None
            assert one.error.code == "PAUSED"

        await eventually(stopped, timeout=30)
        await temporal("activity", "unpause", *of_it)
        await eventually(lambda: said(marker, "attempt 2"), timeout=30)
        await temporal("activity", "reset", *of_it)
        _add(marker, "over")
        result = await handle.result()

    async def mended() -> None:
        await reconciler.reconcile_once(everything=True)
        run = await find(client, name)
        assert run.status is RunStatus.SUCCEEDED
        assert run.outputs is not None
        counting = [task for task in await attempts(client, run) if not task.superseded]
        assert [task.attempt for task in counting] == list(range(1, len(counting) + 1))
        assert counting[-1].status == "succeeded"
        assert result == f"attempt {counting[-1].attempt}"
        await agrees(client, name)

    await eventually(mended, timeout=30, interval=0.5)


@workflow.defn(sandboxed=False)
class Grows:
    @workflow.run
    async def run(self) -> None:
        while True:
            await workflow.execute_activity(
                says_nothing, start_to_close_timeout=timedelta(seconds=10)
            )


@activity.defn
async def says_nothing() -> None:
    """Do nothing, for one more piece of history."""


@pytest.mark.slow
async def test_a_history_that_grew_too_long(
    settings: Settings, task_queue: str, tmp_path: Path
) -> None:
    """What the server itself terminates is told apart from what people do, and is proven once."""
    limits = {"limit.historyCount.error": "40", "limit.historyCount.warn": "30"}
    tuning = replace(TUNED, dynamic_config={**TUNED.dynamic_config, **limits})
    server = TemporalServer(tmp_path / "temporal", tuning=tuning, on_file=False)
    (tmp_path / "temporal" / "logs").mkdir(parents=True)
    await server.start()
    try:
        temporal = settings.temporal.model_copy(update={"address": server.address})
        own = settings.model_copy(update={"temporal": temporal})
        async with await WorkflowClient.connect(own) as client:
            reconciler = Reconciler(client.temporal, client.store, SETTINGS)
            async with Worker(
                client.temporal, task_queue=task_queue, workflows=[Grows], activities=[says_nothing]
            ):
                handle = await client.temporal.start_workflow(
                    Grows.run, id="grows", task_queue=task_queue
                )
                with pytest.raises(WorkflowFailureError):
                    await handle.result()

            async def told() -> None:
                await reconciler.reconcile_once(everything=True)
                run = await find(client, "grows")
                assert (run.status, run.failure_reason) == (RunStatus.CANCELLED, "history_limit")
                assert await unproven(client) == []

            await eventually(told, timeout=30, interval=0.2)
            anew = Reconciler(client.temporal, client.store, SETTINGS)
            counts = await anew.reconcile_once()
            assert (counts.proven, counts.examined) == (1, 0)
            await agrees(client, "grows")
    finally:
        await server.stop()
