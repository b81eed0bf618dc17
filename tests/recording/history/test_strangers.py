"""Executions that flowkeep never saw, cannot read, or that one side has lost."""

import dataclasses
from collections.abc import Sequence
from uuid import uuid4

from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import DefaultFailureConverterWithEncodedAttributes, PayloadCodec

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.recording.examination import Examiner
from flowkeep.settings import Settings
from flowkeep.worker import Worker as FlowkeepWorker
from tests.recording.history import flows
from tests.recording.history.conftest import Ledger, Serve, kinds
from tests.recording.history.steps import complete_elsewhere, ended, started, working
from tests.served import client, letters, worker
from tests.support import eventually
from tests.workflows import flows as served_flows

__all__ = ["client", "letters", "worker"]


class Reversing(PayloadCodec):
    """Stands for encryption: nobody without it can read anything."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Turn the bytes around."""
        return [
            Payload(metadata={"encoding": b"binary/reversed"}, data=one.SerializeToString()[::-1])
            for one in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Turn them back."""
        return [Payload.FromString(one.data[::-1]) for one in payloads]


async def test_a_worker_without_the_plugin(
    temporal_client: Client, ledger: Ledger, serve: Serve, task_queue: str
) -> None:
    """Of a run that flowkeep had no part in, everything is rebuilt from history."""
    async with serve(temporal_client):
        handle = await started(temporal_client, flows.Everything.run, task_queue=task_queue)
        await complete_elsewhere(temporal_client, handle)
        await ended(handle)
    assert await ledger.repaired(handle) == ["run_missing"]
    ends = await ledger.sql(
        "SELECT DISTINCT ON (activity_id) task_name, status FROM task"
        " ORDER BY activity_id, attempt DESC"
    )
    # Without the plugin a local activity gets another id after a long back-off, so it shows thrice.
    assert sorted(ends) == sorted(
        [
            *[("greet", "succeeded")] * 4,
            ("greet", "timed_out"),
            ("greet", "cancelled"),
            *[("flaky", "succeeded")] * 3,
            *[("flaky", "failed")] * 3,
            ("holds", "cancelled"),
            ("stalls_once", "succeeded"),
            ("returns_nonsense", "failed"),
            ("elsewhere", "succeeded"),
        ]
    )
    run = await ledger.run(handle)
    assert run[:2] == ("succeeded", None)
    assert run[4:6] == (16, 16)
    found = await ledger.sql(
        "SELECT attempt, error ->> 'message' FROM task WHERE activity_id = '2' ORDER BY 1"
    )
    assert found[2] == (3, "attempt 3 fails")  # the last failure before the end is told
    [(times,)] = await ledger.sql(
        "SELECT bool_and(started_at <= finished_at AND worker IS NOT NULL AND input IS NOT NULL)"
        " FROM task WHERE status = 'succeeded' AND type = 'activity' AND task_name = 'greet'"
    )
    assert times


async def test_an_open_run(
    temporal_client: Client, ledger: Ledger, serve: Serve, task_queue: str
) -> None:
    """An open run that nobody recorded is adopted as running; one said to have ended reopens."""
    async with serve(temporal_client):
        handle = await started(temporal_client, flows.Holds.run, task_queue=task_queue)
        await working(handle)
        assert await ledger.repaired(handle) == ["run_missing"]
        assert {key[1]: status for key, status in (await ledger.rows(handle)).items()} == {
            "1": "succeeded"
        }
        assert (await ledger.run(handle))[0] == "running"
        for damage in ("status = 'unknown', source = 4", "status = 'failed', source = 3"):
            await ledger.damage_end(handle, damage)
            await ledger.sql("UPDATE run_segment SET closed_at = now()")
            assert kinds(await ledger.examine(handle, deep=False)) == ["ended_too_early"]
            assert await ledger.repaired(handle) == ["ended_too_early"]
            assert (await ledger.run(handle))[:2] == ("running", None)
        await handle.terminate(reason="done")
    assert await ledger.repaired(handle) == [
        "attempt_missing 2/1",
        "attempt_missing 3/1",
        "not_ended",
    ]


async def test_encrypted_histories(
    temporal_client: Client, ledger: Ledger, serve: Serve, task_queue: str
) -> None:
    """With the codec everything is read; without it attempts are facts all the same."""
    converter = dataclasses.replace(
        temporal_client.data_converter,
        payload_codec=Reversing(),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
    config = temporal_client.config()
    config["data_converter"] = converter
    secretive = Client(**config)
    async with serve(secretive):
        good = await started(secretive, flows.Leaf.run, task_queue=task_queue)
        bad = await started(secretive, flows.Fails.run, task_queue=task_queue)
        await ended(good)
        await ended(bad)
    for handle in (good, bad):
        assert await ledger.repaired(handle) == ["run_missing"]
    assert "not_recorded" in (await ledger.run(good))[2]
    assert (await ledger.run(bad))[:2] == ("failed", "activity_error")
    readable = Ledger(Examiner(secretive, ledger.examiner._store), ledger.connection)
    for handle in (good, bad):
        await ledger.forget(handle)
        assert await readable.repaired(handle) == ["run_missing"]
        assert await ledger.examine(handle) == []  # what cannot be read contradicts nothing
    assert (await ledger.run(good))[2]["type"] == "str"
    [(told,)] = await ledger.sql("SELECT error ->> 'message' FROM task WHERE status = 'failed'")
    assert told == "attempt 1 fails"


async def test_forgotten_and_deleted(
    recorded: Client, ledger: Ledger, serve: Serve, task_queue: str, settings: Settings
) -> None:
    """What Temporal forgot ends as unknown unless its end is known; deleted runs stay deleted."""
    async with serve(recorded):
        handle = await started(recorded, flows.Leaf.run, task_queue=task_queue)
        await ended(handle)
        lost = await started(recorded, flows.Leaf.run, task_queue=task_queue)
        await ended(lost)
    await ledger.agrees(handle)
    await ledger.agrees(lost)
    [(run_id,)] = await ledger.sql("SELECT id FROM run WHERE workflow_id = %s", handle.id)
    store = ledger.examiner._store
    await store.runs.delete_runs_by_ids("default", [run_id])
    assert await ledger.examine(handle) == []
    assert await ledger.examine(handle, repair=True) == []
    assert await store.runs.get_run_by_id("default", None, run_id) is None

    await ledger.damage_end(lost, "status = 'running', source = 2")
    unknown = str(uuid4())
    await ledger.sql("UPDATE run_segment SET temporal_run_id = %s", unknown)
    lost = recorded.get_workflow_handle(lost.id, run_id=unknown)
    assert kinds(await ledger.examine(lost)) == ["forgotten"]
    assert await ledger.repaired(lost) == ["forgotten"]
    assert (await ledger.run(lost))[:2] == ("unknown", "lost")
    never = await ledger.examiner.examine(f"h-{uuid4()}", str(uuid4()), deep=True, repair=True)
    assert never == []


async def test_flowkeep_classes_keep_values_whole(
    client: WorkflowClient, worker: FlowkeepWorker
) -> None:
    """Rebuilt values of flowkeep's workflows are kept whole, with secrets masked."""
    handle = await client.start_workflow({"n": 1}, served_flows.InheritsRun)
    await handle.result()
    examiner = Examiner(client.temporal, client.store)
    assert handle.temporal_run_id is not None
    names = handle.workflow_id, handle.temporal_run_id

    async def agrees() -> None:
        assert await examiner.examine(*names, deep=True, repair=False) == []

    await eventually(agrees)
    before = await client.store.tasks.list_attempts("default", handle.run_id)
    run = await handle.run()
    async with client.store.transaction() as tx:
        from sqlalchemy import text

        schema = client.settings.database.schema_name
        await tx.connection.execute(text(f'DELETE FROM "{schema}".task'))
    await examiner.examine(*names, deep=True, repair=True)
    assert await examiner.examine(*names, deep=True, repair=False) == []
    after = await client.store.tasks.list_attempts("default", handle.run_id)
    told = [(one.activity_id, one.status, one.output) for one in before.data]
    assert told == [(one.activity_id, one.status, one.output) for one in after.data]
    assert (await handle.run()).outputs == run.outputs
