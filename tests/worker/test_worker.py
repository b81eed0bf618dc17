"""The worker: what it refuses, how it routes, how it drains."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.plugin import SimplePlugin
from temporalio.worker import WorkerTuner

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import TaskStatus
from flowkeep.errors import AlreadyTerminal, ConfigurationError, RunFailed
from flowkeep.unregistered import _delay
from flowkeep.worker import Worker
from tests.support import eventually
from tests.worker import broken, flows, heavy


async def test_connectors_with_equal_names_are_routed(client: WorkflowClient) -> None:
    """Each workflow reaches its own connector, through chunks of a map too, with typed input."""
    north, south, sums = flows.North(), flows.South(), flows.Sums()
    async with Worker(
        client,
        workflow_classes=[flows.NorthFlow, flows.SouthFlow],
        workflow_activities=[
            *flows.NorthFlow.get_activities(north),
            *flows.SouthFlow.get_activities(south),
            sums.sum,
        ],
    ):
        first = await client.start_workflow({"a": 1}, flows.NorthFlow)
        second = await client.start_workflow({"a": 1}, flows.SouthFlow)
        assert await first.result() == ["north for NorthFlow", [2, 3]]
        assert await second.result() == ["south for SouthFlow", [0, 1]]


async def test_stranger_to_shared_names_is_told_once(client: WorkflowClient) -> None:
    """A workflow that belongs to none of the connectors fails at once, and its attempt is kept."""
    north, south = flows.North(), flows.South()
    connectors = Worker(
        client,
        workflow_classes=[flows.NorthFlow, flows.SouthFlow],
        workflow_activities=[
            *flows.NorthFlow.get_activities(north),
            *flows.SouthFlow.get_activities(south),
        ],
    )
    strangers = Worker(client, f"{connectors.task_queue}-2", workflow_classes=[flows.Stranger])
    async with connectors, strangers:
        started = await client.temporal.start_workflow(
            "Stranger",
            connectors.task_queue,
            id=f"stranger-{connectors.task_queue}",
            task_queue=strangers.task_queue,
        )
        with pytest.raises(WorkflowFailureError):
            await started.result()
    [run] = await client.store.runs.find_by_workflow_id("default", started.id)
    [attempt] = await client.store.tasks.list_attempts("default", run.id)
    assert attempt.error is not None
    assert attempt.error.code == "CONFIGURATION_ERROR"
    assert "'Stranger' is none of them" in attempt.error.message


async def test_unregistered_activity_fails_with_its_name(client: WorkflowClient) -> None:
    """An activity nobody registered fails the run with its name instead of retrying for ever."""
    async with Worker(client, workflow_classes=[flows.Asks]):
        handle = await client.start_workflow({"attempts": 1}, flows.Asks)
        with pytest.raises(RunFailed, match="activity 'nobody_knows' is not registered"):
            await handle.result()
        tasks = await client.store.tasks.list_tasks("default", handle.run_id)
        [task] = [task for task in tasks if task.task_name == "nobody_knows"]
        assert task.status is TaskStatus.FAILED
        assert task.error is not None
        assert task.error.code == "ACTIVITY_NOT_REGISTERED"


async def test_unregistered_activity_waits_for_a_deployment(client: WorkflowClient) -> None:
    """While attempts are left the failure is retryable, and the next attempt is planned."""
    async with Worker(client, workflow_classes=[flows.Asks]):
        handle = await client.start_workflow({"attempts": 5}, flows.Asks)

        async def planned() -> Any:
            tasks = await client.store.tasks.list_tasks("default", handle.run_id)
            found = [task for task in tasks if task.task_name == "nobody_knows"]
            assert found
            return found[0]

        task = await eventually(planned)
        assert task.error.retryable
        assert task.next_retry_at - task.finished_at == pytest.approx(
            timedelta(seconds=20), abs=timedelta(seconds=1)
        )
        await handle.terminate()


@pytest.mark.parametrize(
    ("left", "attempt", "attempts", "seconds"),
    [(300, 1, 5, 20), (280, 2, 5, 40), (160, 4, 5, 160), (300, 1, 0, 1), (300, 9, 0, 30)],
)
def test_delays_cover_the_grace(left: float, attempt: int, attempts: int, seconds: float) -> None:
    """The attempts that are left cover five minutes, each wait twice as long as the one before."""
    assert _delay(left, attempt, attempts) == timedelta(seconds=seconds)


async def test_heavy_imports_are_refused(client: WorkflowClient) -> None:
    """A workflow that makes every run import a library anew is named with the library."""
    with pytest.raises(ConfigurationError, match=r"Heavy makes every run import .*fastapi.* anew"):
        Worker(client, workflow_classes=[heavy.Heavy])


async def test_workflow_that_does_not_load_in_the_sandbox_is_refused(
    client: WorkflowClient,
) -> None:
    """A workflow file that the sandbox cannot load is named when the worker is built."""
    with pytest.raises(ConfigurationError, match="Broken"):
        Worker(client, workflow_classes=[broken.Broken])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "neither workflow_classes nor workflow_activities"),
        ({"workflow_classes": [flows.Slow()]}, "which is no class"),
        ({"workflow_classes": [flows.Asks], "activities": []}, "Worker sets activities itself"),
    ],
)
async def test_wrong_arguments_are_named(
    client: WorkflowClient, arguments: dict[str, Any], message: str
) -> None:
    """What cannot be served is refused with the way out."""
    with pytest.raises(ConfigurationError, match=message):
        Worker(client, **arguments)


async def test_client_must_be_ours() -> None:
    """A plain Temporal client is refused with what to pass instead."""
    with pytest.raises(ConfigurationError, match=r"WorkflowClient\.connect"):
        Worker(object(), workflow_classes=[flows.Asks])  # type: ignore[arg-type]


async def test_drain_lets_activities_finish_and_writes_them(client: WorkflowClient) -> None:
    """A worker that is stopped lets a running activity finish and records it."""
    slow = flows.Slow()
    worker = Worker(
        client,
        workflow_classes=[flows.SlowFlow],
        workflow_activities=flows.SlowFlow.get_activities(slow),
    )
    async with worker:
        handle = await client.start_workflow({"a": 1}, flows.SlowFlow)
        await slow.began.wait()
        stopping = asyncio.ensure_future(worker._worker.shutdown())
        await eventually(lambda: _assert(worker._worker.is_shutdown is False))
        slow.release.set()
        await stopping
    tasks = await client.store.tasks.list_tasks("default", handle.run_id)
    [task] = [task for task in tasks if task.task_name == "slow"]
    assert task.status is TaskStatus.SUCCEEDED
    assert task.output == "finished"
    with suppress(AlreadyTerminal):  # its last step may have been done on the way out
        await handle.terminate()


async def test_activity_cut_off_by_shutdown_is_retried_elsewhere(client: WorkflowClient) -> None:
    """An attempt that the grace did not suffice for is recorded as such, and tried again."""
    first, second = flows.Slow(), flows.Slow()
    second.release.set()
    async with Worker(
        client,
        workflow_classes=[flows.SlowFlow],
        workflow_activities=flows.SlowFlow.get_activities(first),
        graceful_shutdown_timeout=timedelta(0),
    ):
        handle = await client.start_workflow({"a": 1}, flows.SlowFlow)
        await first.began.wait()
    async with Worker(
        client,
        workflow_classes=[flows.SlowFlow],
        workflow_activities=flows.SlowFlow.get_activities(second),
    ):
        assert await handle.result() == {"slow": "finished"}
    page = await client.store.tasks.list_attempts("default", handle.run_id)
    found = [task for task in page if task.task_name == "slow"]
    assert [task.status for task in found] == [TaskStatus.FAILED, TaskStatus.SUCCEEDED]
    assert found[0].error is not None
    assert found[0].error.code == "WORKER_SHUTDOWN"


def _assert(condition: bool) -> None:
    assert condition


class Dies(SimplePlugin):
    """A plugin that takes its worker down."""

    def __init__(self) -> None:
        super().__init__("dies")

    async def run_worker(self, worker: Any, proceed: Any) -> None:
        raise RuntimeError("the host is out of memory")


async def test_worker_that_dies_interrupts_its_block(client: WorkflowClient) -> None:
    """Whoever waits inside the block learns why the worker ended instead of waiting for ever."""
    with pytest.raises(RuntimeError, match="out of memory"):
        async with Worker(client, workflow_classes=[flows.Asks], plugins=[Dies()]):
            await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_start_ends_with_the_worker(client: WorkflowClient) -> None:
    """`start` does not wait for a signal when there is nothing left to stop."""
    worker = Worker(client, workflow_classes=[flows.Asks], plugins=[Dies()])
    with pytest.raises(RuntimeError, match="out of memory"):
        await worker.start()


async def test_second_worker_of_a_queue_is_refused_in_one_line(client: WorkflowClient) -> None:
    """What the SDK refuses is told with the task queue and without its native stack trace."""
    async with Worker(client, workflow_classes=[flows.Asks]):
        with pytest.raises(ConfigurationError, match=client.settings.worker.task_queue) as refused:
            Worker(client, workflow_classes=[flows.Asks])
    assert "\n" not in str(refused.value)


async def test_worker_serves_once(client: WorkflowClient) -> None:
    """A Worker that has drained says so when it is used again."""
    worker = Worker(client, workflow_classes=[flows.Asks])
    async with worker:
        pass
    with pytest.raises(ConfigurationError, match="make a new Worker"):
        await worker.start()


async def test_tuner_brings_its_own_slots(client: WorkflowClient) -> None:
    """Temporal's slot tuner can be passed; the slots of the settings then do not apply."""
    tuner = WorkerTuner.create_fixed(activity_slots=3)
    async with Worker(client, workflow_classes=[flows.Asks], tuner=tuner):
        handle = await client.start_workflow({"attempts": 1}, flows.Asks)
        with pytest.raises(RunFailed, match="nobody_knows"):
            await handle.result()
