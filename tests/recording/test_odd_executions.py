"""Executions that Temporal will not tell of, and values that change on their way to the ledger."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from flowkeep.clients.executions import Executions
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import Identity, RunRef, RunStarted, RunStatus
from flowkeep.contracts.identity import HEADER
from flowkeep.contracts.truth import DifferenceKind
from flowkeep.errors import TemporalUnavailable
from flowkeep.local_engine import LocalEngine
from flowkeep.recording.examination import Examiner
from flowkeep.recording.plugin import Plugin
from flowkeep.recording.reconciler import Reconciler
from flowkeep.recording.verification import Verification
from flowkeep.settings import ReconcilerSettings, Settings
from tests.support import eventually

VALUES: list[Any] = [
    {"password": "x", "url": "postgresql://ada:secret@host/db", "credentials": {"key": 1}},
    ["a\x00b", {"a\x00": 1}, "\\u0000"],
    [2**70, 1.5e300, 1e22, 0.1, -0.0, 1e308],
    {"not_recorded": 1},
    {"size": 1, "sha256": "x", "type": "y"},
    [None, "", False, {}],
    "é" * 9000,
]

SETTINGS = ReconcilerSettings(grace_seconds=0, describes_per_second=1000, lists_per_second=50)


@workflow.defn(sandboxed=False)
class Odd:
    @workflow.run
    async def run(self, which: int) -> Any:
        return VALUES[which]


def ref_of(client: WorkflowClient, workflow_id: str, temporal_run_id: str) -> RunRef:
    return RunRef(
        run_id=uuid4(),
        tenant_id="default",
        namespace=client.temporal.namespace,
        workflow_id=workflow_id,
        temporal_run_id=temporal_run_id,
        workflow_type="Odd",
        task_queue="nobody",
    )


async def note(client: WorkflowClient, *refs: RunRef) -> None:
    started = [RunStarted(run=ref, started_at=datetime.now(UTC)) for ref in refs]
    await client.store.system.record([], starts=started)


@pytest.fixture
def reconciler(client: WorkflowClient) -> Reconciler:
    """A reconciler that waits for nobody."""
    return Reconciler(client.temporal, client.store, SETTINGS)


async def test_an_id_that_is_none_keeps_nobody_waiting(
    client: WorkflowClient, reconciler: Reconciler
) -> None:
    """What Temporal refuses to look up is undecided, told by `verify`, and the rest is done."""
    odd, lost = ref_of(client, "odd", "no id"), ref_of(client, "lost", str(uuid4()))
    await note(client, odd)
    await note(client, lost)
    counts = await reconciler.reconcile_once(everything=True)
    assert counts.repaired == {DifferenceKind.FORGOTTEN: 1}
    assert counts.undecided == 1
    run = await client.store.runs.get("default", lost.run_id)
    assert (run.status, run.failure_reason) == (RunStatus.UNKNOWN, "lost")

    verification = Verification(client.temporal, client.store, SETTINGS)
    found = [one async for one in verification.differences(workflow_id="odd", repair=True)]
    assert [(one.kind, one.workflow_id, one.temporal) for one in found] == [
        (DifferenceKind.UNREADABLE, "odd", "Invalid RunId.")
    ]
    assert not verification.counts.agree


async def test_the_others_come_before_what_temporal_fails_at(
    client: WorkflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An execution at which the server fails, or our own code, is not in the way of the rest."""
    fails, breaks, lost = (
        ref_of(client, name, str(uuid4())) for name in ("fails", "breaks", "lost")
    )
    for ref in (fails, breaks, lost):
        await note(client, ref)
        await client.store.system.reconcile_soon(ref.namespace, ref.temporal_run_id)
    one_by_one = Reconciler(client.temporal, client.store, SETTINGS.model_copy(update={"batch": 1}))

    async def described(_: Client, workflow_id: str, __: str) -> None:
        if workflow_id == "fails":
            raise TemporalUnavailable("it fails at this one")
        assert workflow_id != "breaks"

    monkeypatch.setattr("flowkeep.recording.reconciling.described", described)
    with pytest.raises(TemporalUnavailable):
        await one_by_one.reconcile_once()
    counts = await one_by_one.reconcile_once()
    assert counts.undecided == 1
    assert counts.repaired == {DifferenceKind.FORGOTTEN: 1}
    run = await client.store.runs.get("default", lost.run_id)
    assert run.status is RunStatus.UNKNOWN


async def test_a_namespace_that_is_not_there_forgets_nothing(
    client: WorkflowClient, engine: LocalEngine
) -> None:
    """Without the namespace nothing is known of its executions: open runs stay open."""
    other = await Client.connect(engine.temporal_address, namespace=f"gone-{uuid4().hex}")
    ref = replace(ref_of(client, "open", str(uuid4())), namespace=other.namespace)
    await note(client, ref)
    examiner = Examiner(other, client.store)
    for deep in (False, True):
        with pytest.raises(TemporalUnavailable, match="is not found"):
            await examiner.examine("open", ref.temporal_run_id, deep=deep, repair=True)
    with pytest.raises(TemporalUnavailable, match="is not found"):
        await Executions(other).describe("open")
    with pytest.raises(TemporalUnavailable):
        await Reconciler(other, client.store, SETTINGS).reconcile_once(everything=True)
    run = await client.store.runs.get("default", ref.run_id)
    assert run.status is RunStatus.RUNNING


@pytest.mark.parametrize("payloads", ["digest", "full", "none"])
async def test_odd_results_are_no_differences(
    client: WorkflowClient, settings: Settings, task_queue: str, payloads: Any
) -> None:
    """Whatever a workflow returns, what its worker recorded equals what its history says."""
    assert settings.temporal.address is not None
    recorder = settings.recorder.model_copy(update={"payloads": payloads})
    plugin = Plugin(settings.model_copy(update={"recorder": recorder}))
    recorded = await Client.connect(settings.temporal.address, plugins=[plugin])
    examiner = Examiner(recorded, client.store, payloads=payloads)
    async with Worker(recorded, task_queue=task_queue, workflows=[Odd]):
        for which in range(len(VALUES)):
            handle = await recorded.start_workflow(
                Odd.run, which, id=f"odd-{uuid4().hex}", task_queue=task_queue
            )
            await handle.result()
            assert handle.first_execution_run_id is not None
            names = handle.id, handle.first_execution_run_id

            async def agrees(names: tuple[str, str] = names) -> None:
                assert await examiner.examine(*names, deep=True, repair=False) == []

            await eventually(agrees)
    await plugin.close()


@pytest.mark.parametrize("through_plugin", [True, False])
async def test_a_copied_memo_makes_a_run_of_its_own(
    client: WorkflowClient, temporal_client: Client, task_queue: str, through_plugin: bool
) -> None:
    """Who starts a workflow with the memo of another one gets another run, of the same tenant."""
    tenant = "acme" if through_plugin else "default"
    first, second = f"odd-{uuid4().hex}", f"odd-{uuid4().hex}"
    starter = client.temporal if through_plugin else temporal_client
    async with Worker(client.temporal, task_queue=task_queue, workflows=[Odd]):
        memo = {HEADER: Identity(tenant_id=tenant).to_header()}
        handle = await client.temporal.start_workflow(
            Odd.run, 4, id=first, task_queue=task_queue, memo=memo
        )
        copied = await (await handle.describe()).memo()
        again = await starter.start_workflow(
            Odd.run, 5, id=second, task_queue=task_queue, memo=copied
        )
        assert [await handle.result(), await again.result()] == [VALUES[4], VALUES[5]]

    verification = Verification(client.temporal, client.store, SETTINGS)
    for name in (first, second):
        runs = await client.store.runs.find_by_workflow_id(tenant, name)
        assert [run.status for run in runs] == [RunStatus.SUCCEEDED]
        found = verification.differences(workflow_id=name, deep=True)
        assert [one async for one in found] == []
