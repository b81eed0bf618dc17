"""What nobody reported is found out and put right: terminated, timed out, lost, foreign runs."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.service import RPCError
from temporalio.worker import Worker

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import FailureReason, Run, RunStatus, Source, TaskStatus
from flowkeep.errors import LedgerUnavailable
from flowkeep.local_engine import LocalEngine
from flowkeep.local_engine.temporal_binary import find_temporal
from flowkeep.recording import stalls
from flowkeep.recording.reconciler import Reconciler
from flowkeep.recording.reconciling import Pass
from flowkeep.settings import ReconcilerSettings
from tests.recording import plain
from tests.support import eventually

WORKFLOWS = [plain.Plain, plain.Elsewhere, plain.Retried, plain.Waits, plain.Broken]
ACTIVITIES = [plain.greet, plain.shout, plain.completes_elsewhere]

Temporal = Callable[..., Awaitable[str]]
Serving = Callable[[], AbstractAsyncContextManager[Worker]]


@pytest.fixture
async def temporal(engine: LocalEngine) -> Temporal:
    """Temporal's own command line."""
    program = await find_temporal(lambda _line: None)

    async def run(*words: str) -> str:
        process = await asyncio.create_subprocess_exec(
            str(program),
            *words,
            "--address",
            engine.temporal_address,
            "--namespace",
            engine.namespace,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, told = await process.communicate()
        assert process.returncode == 0, (words, told.decode())
        return out.decode()

    return run


@pytest.fixture
def serving(client: WorkflowClient, task_queue: str) -> Iterator[Serving]:
    """Make a worker with the plugin, on the test's task queue."""
    with ThreadPoolExecutor(2) as executor:
        yield lambda: Worker(
            client.temporal,
            task_queue=task_queue,
            workflows=WORKFLOWS,
            activities=ACTIVITIES,
            activity_executor=executor,
        )


@pytest.fixture
async def served(client: WorkflowClient, serving: Serving, task_queue: str) -> None:
    """A task queue that a worker with flowkeep has served, and nobody serves now."""
    async with serving():

        async def noted() -> None:
            queues = await client.store.system.served_queues(client.temporal.namespace)
            assert queues == {task_queue}

        await eventually(noted)


@pytest.fixture
def reconciler(client: WorkflowClient) -> Reconciler:
    """A reconciler that waits for nobody."""
    settings = ReconcilerSettings(grace_seconds=0, describes_per_second=1000, lists_per_second=50)
    return Reconciler(client.temporal, client.store, settings)


async def until(
    reconciler: Reconciler, check: Callable[[], Awaitable[None]], *, everything: bool = True
) -> None:
    """Reconcile until something is so: Temporal's list lags, so one pass may not see it."""

    async def looked() -> None:
        await reconciler.reconcile_once(everything=everything)
        await check()

    await eventually(looked, timeout=30, interval=0.1)


async def find(client: WorkflowClient, workflow_id: str) -> Run:
    page = await client.store.runs.find_by_workflow_id("default", workflow_id)
    assert page.data, f"{workflow_id} is not in the ledger"
    return await client.store.runs.get("default", page.data[0].id)


async def unproven(client: WorkflowClient) -> list[str]:
    """Return the workflow ids of executions that are still to be looked at."""
    found: list[str] = []
    for closed in (True, False):
        page = await client.store.system.due_executions(
            client.temporal.namespace,
            closed=closed,
            limit=100,
            until=datetime.now(UTC) + timedelta(days=1),
        )
        found += [one.workflow_id for one in page]
    return found


async def waiting(client: WorkflowClient, workflow_id: str) -> None:
    """Return when the run waits for its end, with its activity in the ledger."""
    run = await find(client, workflow_id)
    tasks = await client.store.tasks.list_tasks("default", run.id)
    assert [task.status for task in tasks] == [TaskStatus.SUCCEEDED]


async def test_ends_that_nobody_reported(
    client: WorkflowClient,
    served: None,
    serving: Serving,
    temporal: Temporal,
    task_queue: str,
    reconciler: Reconciler,
) -> None:
    """Terminated by Temporal's own command line, timed out, and ended before any worker came."""
    ids = {name: f"{name}-{uuid4().hex}" for name in ("terminated", "late", "never")}
    start = client.temporal.start_workflow
    async with serving():
        await start(plain.Waits.run, id=ids["terminated"], task_queue=task_queue)
        await start(
            plain.Waits.run,
            id=ids["late"],
            task_queue=task_queue,
            run_timeout=timedelta(seconds=3),
        )
        for name in ("terminated", "late"):
            await eventually(lambda name=name: waiting(client, ids[name]))
    words = ("--type", "Waits", "--task-queue", task_queue, "--workflow-id", ids["never"])
    await temporal("workflow", "start", *words)
    for name in ("terminated", "never"):
        words = ("--workflow-id", ids[name], "--reason", "enough")
        await temporal("workflow", "terminate", *words)

    async def right() -> None:
        for name, status, reason in (
            ("terminated", RunStatus.CANCELLED, FailureReason.TERMINATED),
            ("late", RunStatus.TIMED_OUT, FailureReason.EXECUTION_TIMEOUT),
            ("never", RunStatus.CANCELLED, FailureReason.TERMINATED),
        ):
            run = await find(client, ids[name])
            assert (run.status, run.source) == (status, Source.SERVER), name
            assert run.finished_at is not None
            if name == "late":
                assert run.failure_reason in (reason, FailureReason.RUN_TIMEOUT)
            else:
                assert (run.failure_reason, run.error and run.error.message) == (reason, "enough")
        assert await unproven(client) == []

    await until(reconciler, right)


async def test_runs_that_temporal_itself_started(
    client: WorkflowClient,
    served: None,
    serving: Serving,
    temporal: Temporal,
    task_queue: str,
    reconciler: Reconciler,
) -> None:
    """A schedule's and the command line's runs are in the ledger, whole and proven."""
    by_hand, schedule = f"by-hand-{uuid4().hex}", f"schedule-{uuid4().hex}"
    what = ("--type", "Plain", "--task-queue", task_queue, "--input", '"you"')
    async with serving():
        await temporal("workflow", "start", "--workflow-id", by_hand, *what)
        await temporal(
            "schedule",
            "create",
            "--schedule-id",
            schedule,
            "--interval",
            "1h",
            "--workflow-id",
            schedule,
            *what,
        )
        await temporal("schedule", "trigger", "--schedule-id", schedule)

        async def right() -> None:
            page = await client.store.runs.get_paginated_runs("default", workflow_type="Plain")
            assert len(page.data) == 2
            for run in page.data:
                assert run.workflow_id.startswith((by_hand, schedule))
                tasks = await client.store.tasks.list_tasks("default", run.id)
                assert run.status is RunStatus.SUCCEEDED
                assert [task.task_name for task in tasks] == ["greet", "shout"]
            assert await unproven(client) == []

        await until(reconciler, right, everything=False)
    await temporal("schedule", "delete", "--schedule-id", schedule)


async def test_a_run_without_a_worker_says_so(
    client: WorkflowClient,
    task_queue: str,
    serving: Serving,
    reconciler: Reconciler,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run that nobody serves is running, marked, and unmarked when a worker comes."""
    monkeypatch.setattr(stalls, "_UNTAKEN", timedelta(0))
    monkeypatch.setattr(stalls, "_REMEMBERED_SECONDS", 0.0)
    handle = await client.start_workflow({}, "Waits")

    async def marked() -> None:
        run = await handle.run()
        assert run.stuck is not None
        assert (run.status, run.stuck.code) == (RunStatus.RUNNING, "NO_WORKER")
        assert task_queue in run.stuck.message

    await until(reconciler, marked)
    seen = (await handle.run()).stuck
    await reconciler.reconcile_once(everything=True)
    assert (await handle.run()).stuck == seen
    async with serving():

        async def unmarked() -> None:
            assert (await handle.run()).stuck is None
            assert (await handle.run()).status is RunStatus.RUNNING

        await until(reconciler, unmarked)
        await client.temporal.get_workflow_handle(handle.workflow_id).signal("finish")
        assert await handle.result() == "Hello, you!"


async def test_a_workflow_task_that_fails_says_why(
    client: WorkflowClient,
    task_queue: str,
    reconciler: Reconciler,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bug that Temporal retries shows as such, without secrets, for as long as it lasts."""
    monkeypatch.setattr(stalls, "_TRIES", 2)
    workflow_id = f"broken-{uuid4().hex}"
    await client.temporal.start_workflow(plain.Broken.run, id=workflow_id, task_queue=task_queue)
    async with Worker(client.temporal, task_queue=task_queue, workflows=WORKFLOWS):

        async def marked() -> None:
            run = await find(client, workflow_id)
            assert run.stuck is not None
            assert (run.status, run.stuck.code) == (RunStatus.RUNNING, "WORKFLOW_TASK_FAILING")
            assert "no such column: canary" in run.stuck.message
            assert "canary-pw" not in run.stuck.message
            assert run.stuck.attempts >= 2

        await until(reconciler, marked)
    await client.temporal.get_workflow_handle(workflow_id).terminate()

    async def right() -> None:
        run = await find(client, workflow_id)
        assert (run.status, run.stuck) == (RunStatus.CANCELLED, None)
        assert await unproven(client) == []

    await until(reconciler, right)


async def test_a_run_that_temporal_forgot_is_unknown(
    client: WorkflowClient, served: None, serving: Serving, task_queue: str, reconciler: Reconciler
) -> None:
    """What is past retention, or was deleted there, ends as unknown, never as a failure."""
    workflow_id = f"gone-{uuid4().hex}"
    async with serving():
        handle = await client.temporal.start_workflow(
            plain.Waits.run, id=workflow_id, task_queue=task_queue
        )
        await eventually(lambda: waiting(client, workflow_id))
    request = DeleteWorkflowExecutionRequest(
        namespace=client.temporal.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id),
    )
    await client.temporal.workflow_service.delete_workflow_execution(request)

    async def gone() -> None:
        with pytest.raises(RPCError):
            await handle.describe()

    await eventually(gone)

    async def right() -> None:
        run = await find(client, workflow_id)
        assert (run.status, run.failure_reason) == (RunStatus.UNKNOWN, FailureReason.LOST)
        assert await unproven(client) == []

    await until(reconciler, right)


async def test_a_foreign_run_is_left_alone_unless_it_is_ours(
    client: WorkflowClient, served: None, task_queue: str
) -> None:
    """By the setting, unknown executions are taken up of served queues, of all, or of none."""
    ours, foreign = f"ours-{uuid4().hex}", f"foreign-{uuid4().hex}"
    for name, queue in ((ours, task_queue), (foreign, f"other-{task_queue}")):
        await client.temporal.start_workflow(plain.Waits.run, id=name, task_queue=queue)

    async def known(adopt: str) -> set[str]:
        settings = ReconcilerSettings(grace_seconds=0, adopt=adopt)  # type: ignore[arg-type]
        await Reconciler(client.temporal, client.store, settings).reconcile_once(everything=True)
        page = await client.store.runs.get_paginated_runs("default", limit=100)
        return {run.workflow_id for run in page} & {ours, foreign}

    async def taken() -> None:
        assert await known("served") == {ours}

    assert await known("none") == set()
    await eventually(taken, timeout=30)
    run = await find(client, ours)
    assert (run.status, run.triggered_from) == (RunStatus.RUNNING, "external")
    assert await known("all") >= {ours, foreign}


async def terminated(client: WorkflowClient, task_queue: str, count: int) -> list[str]:
    """Start and terminate executions that nobody serves."""
    names = [f"cut-{uuid4().hex}" for _ in range(count)]
    for name in names:
        handle = await client.temporal.start_workflow("Nobody", id=name, task_queue=task_queue)
        await handle.terminate("enough")
    return names


async def test_passes_that_are_cut_short_add_up(
    client: WorkflowClient, served: None, task_queue: str, reconciler: Reconciler
) -> None:
    """Stopped anywhere, again and again, the next pass does the rest, and nothing twice."""
    names = await terminated(client, task_queue, 12)

    async def right() -> None:
        for name in names:
            page = await client.store.runs.find_by_workflow_id("default", name)
            assert [run.status for run in page] == [RunStatus.CANCELLED]
            events = await client.store.runs.list_events("default", page.data[0].id)
            assert [event.kind for event in events].count("cancelled") == 1
        assert await unproven(client) == []

    for round_ in range(200):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.02 * (round_ + 1)):
                await reconciler.reconcile_once(everything=True)
        with contextlib.suppress(AssertionError):
            await right()
            break
    await right()


async def test_a_leader_that_lost_its_lock_writes_no_further(
    client: WorkflowClient, served: None, task_queue: str, reconciler: Reconciler
) -> None:
    """A pass asks before each batch whether this process still leads, and ends when it does not."""
    await terminated(client, task_queue, 1)

    async def lost() -> None:
        raise LedgerUnavailable("another process leads")

    with pytest.raises(LedgerUnavailable, match="another process leads"):
        await Pass(reconciler._tools, fence=lost, seconds=None, everything=True).run()
    assert (await client.store.runs.get_paginated_runs("default")).data == []
    assert await client.store.system.listed_to(client.temporal.namespace) is None
