"""What is wrong on purpose: each case has a clear error or a truthful record."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from temporalio import client
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.worker import Worker

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import Run, RunStatus, Source, TaskStatus, derive_run_id
from flowkeep.contracts.identity import HEADER
from flowkeep.contracts.truth import Difference, DifferenceKind
from flowkeep.errors import ConfigurationError
from flowkeep.recording import stalls
from flowkeep.recording.plugin import Plugin
from flowkeep.recording.reconciler import Reconciler
from flowkeep.recording.verification import Verification
from flowkeep.settings import ReconcilerSettings, Settings
from tests.recording import plain
from tests.support import eventually

QUICK = ReconcilerSettings(
    grace_seconds=0.2, describes_per_second=1000, lists_per_second=1000, adopt="all"
)


async def _set_back(settings: Settings) -> None:
    """Let the ledger look as an older release left it."""
    connection = await psycopg.AsyncConnection.connect(settings.database_url(), autocommit=True)
    async with connection:
        schema = settings.database.schema_name
        await connection.execute(f"UPDATE {schema}.alembic_version SET version_num = '0001'")


async def _find(plugin: Plugin, workflow_id: str) -> Run:
    page = await plugin.store.runs.find_by_workflow_id("default", workflow_id)
    assert page.data, f"{workflow_id} is not in the ledger"
    return await plugin.store.runs.get("default", page.data[0].id)


async def _differences(
    client: Client, plugin: Plugin, workflow_id: str, *, repair: bool = False
) -> list[Difference]:
    found = Verification(client, plugin.store, QUICK).differences(
        workflow_id=workflow_id, deep=True, repair=repair
    )
    return [one async for one in found]


async def test_a_client_refuses_a_ledger_at_another_migration(settings: Settings) -> None:
    """Who connects to a ledger that an older release left is told both migrations and the way."""
    await _set_back(settings)
    with pytest.raises(ConfigurationError, match=r"0001.*flowkeep db upgrade"):
        await WorkflowClient.connect(settings)


async def test_a_worker_with_the_plugin_refuses_a_ledger_at_another_migration(
    recorded: Client, settings: Settings, task_queue: str
) -> None:
    """A plain worker with the plugin ends at once, instead of losing every record it makes."""
    await _set_back(settings)
    worker = Worker(
        recorded, task_queue=task_queue, workflows=[plain.Plain], activities=[plain.greet]
    )
    with pytest.raises(ConfigurationError, match=r"0001.*flowkeep db upgrade"):
        await worker.run()


async def test_what_no_worker_can_begin_says_why(
    recorded: Client, plugin: Plugin, task_queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An argument that cannot be decoded, and a type nobody registered, show as reasons."""
    monkeypatch.setattr(stalls, "_TRIES", 2)
    wrong, unknown = f"wrong-{uuid4().hex}", f"unknown-{uuid4().hex}"
    await recorded.start_workflow("Plain", {"no": "text"}, id=wrong, task_queue=task_queue)
    await recorded.start_workflow("NobodyKnows", "Ada", id=unknown, task_queue=task_queue)
    reconciler = Reconciler(recorded, plugin.store, QUICK)

    async def told() -> None:
        await reconciler.reconcile_once(everything=True)
        for workflow_id, words in ((wrong, "Failed decoding arguments"), (unknown, "NobodyKnows")):
            run = await _find(plugin, workflow_id)
            assert run.status is RunStatus.RUNNING
            assert run.stuck is not None
            assert run.stuck.code == "WORKFLOW_TASK_FAILING"
            assert words in run.stuck.message

    async with Worker(recorded, task_queue=task_queue, workflows=[plain.Plain]):
        await eventually(told, timeout=30, interval=0.1)
    for workflow_id in (wrong, unknown):
        assert await _differences(recorded, plugin, workflow_id) == []
        await recorded.get_workflow_handle(workflow_id).terminate()


async def test_what_a_worker_without_the_plugin_executed_is_rebuilt(
    recorded: Client, plugin: Plugin, temporal_client: Client, task_queue: str
) -> None:
    """Attempts of a worker that knows nothing of flowkeep are missed, and rebuilt from history."""
    workflow_id = f"foreign-{uuid4().hex}"
    with ThreadPoolExecutor(2) as executor:
        strangers = Worker(
            temporal_client,
            task_queue=task_queue,
            activities=[plain.greet, plain.shout],
            activity_executor=executor,
        )
        ours = Worker(recorded, task_queue=task_queue, workflows=[plain.Plain])
        async with strangers, ours:
            await recorded.execute_workflow(
                plain.Plain.run, "Ada", id=workflow_id, task_queue=task_queue
            )
    found = await _differences(recorded, plugin, workflow_id, repair=True)
    assert {(one.kind, one.repaired) for one in found} == {(DifferenceKind.ATTEMPT_MISSING, True)}
    assert len(found) == 2
    run = await _find(plugin, workflow_id)
    tasks = await plugin.store.tasks.list_attempts("default", run.id)
    assert [(one.task_name, one.status, one.source) for one in tasks] == [
        ("greet", TaskStatus.SUCCEEDED, Source.SERVER),
        ("shout", TaskStatus.SUCCEEDED, Source.SERVER),
    ]
    assert (run.status, run.tasks_finished) == (RunStatus.SUCCEEDED, 2)
    assert await _differences(recorded, plugin, workflow_id) == []


async def test_an_activity_that_a_plain_worker_lacks_is_recorded_when_it_has_ended(
    recorded: Client, plugin: Plugin, task_queue: str
) -> None:
    """Plain workers keep Temporal's retries; no attempt is reported, and none is left out later."""
    workflow_id = f"lacking-{uuid4().hex}"
    handle = await recorded.start_workflow(
        plain.Plain.run, "Ada", id=workflow_id, task_queue=task_queue
    )

    async def tried() -> None:
        pending = (await handle.describe()).raw_description.pending_activities
        assert [one.attempt >= 2 for one in pending] == [True]
        assert "greet" in pending[0].last_failure.message

    with ThreadPoolExecutor(1) as executor:
        worker = Worker(
            recorded,
            task_queue=task_queue,
            workflows=[plain.Plain],
            activities=[plain.shout],
            activity_executor=executor,
        )
        async with worker:
            await eventually(tried)
            await handle.terminate()
    found = await _differences(recorded, plugin, workflow_id, repair=True)
    assert all(one.repaired for one in found), found
    run = await _find(plugin, workflow_id)
    tasks = await plugin.store.tasks.list_attempts("default", run.id)
    assert run.status is RunStatus.CANCELLED
    assert {one.task_name for one in tasks} == {"greet"}
    assert not any(one.status is TaskStatus.SUCCEEDED for one in tasks)
    assert await _differences(recorded, plugin, workflow_id) == []


@pytest.mark.parametrize(
    "header",
    [
        {"run_id": "no uuid", "tenant_id": "default"},
        {"run_id": 7, "count": "many", "tenant_id": None},
        {"parent_run_id": ["x"], "count": -1, "root_run_id": {}},
    ],
)
async def test_a_header_that_cannot_be_ours_fails_nothing(
    recorded: Client,
    plugin: Plugin,
    temporal_client: Client,
    task_queue: str,
    header: dict[str, Any],
) -> None:
    """A run whose header `flowkeep` is somebody else's is recorded as if it had none."""
    workflow_id = f"tampered-{uuid4().hex}"

    class Tampers(client.OutboundInterceptor):
        async def start_workflow(
            self,
            input: client.StartWorkflowInput,  # noqa: A002 - the SDK calls it so
        ) -> client.WorkflowHandle[Any, Any]:
            payload = Payload(
                metadata={"encoding": b"json/plain"}, data=json.dumps(header).encode()
            )
            input.headers = {**input.headers, HEADER: payload}
            return await super().start_workflow(input)

    class Tampering(client.Interceptor):
        def intercept_client(
            self,
            next: client.OutboundInterceptor,  # noqa: A002 - the SDK calls it so
        ) -> client.OutboundInterceptor:
            return Tampers(next)

    config = temporal_client.config()
    config["interceptors"] = [Tampering()]
    with ThreadPoolExecutor(2) as executor:
        worker = Worker(
            recorded,
            task_queue=task_queue,
            workflows=[plain.Plain],
            activities=[plain.greet, plain.shout],
            activity_executor=executor,
        )
        async with worker:
            handle = await Client(**config).start_workflow(
                plain.Plain.run,
                "Ada",
                id=workflow_id,
                task_queue=task_queue,
                run_timeout=timedelta(seconds=20),
            )
            assert await handle.result() == "HELLO, ADA!"
    run = await _find(plugin, workflow_id)
    assert run.id == derive_run_id("default", workflow_id, handle.first_execution_run_id or "")
    assert (run.status, run.tasks_finished) == (RunStatus.SUCCEEDED, 2)
