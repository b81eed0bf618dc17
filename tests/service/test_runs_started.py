"""Runs that a worker carries out, directly and over HTTP."""

from collections.abc import AsyncIterator

import pytest

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import Run, RunStatus
from flowkeep.contracts.api.runs import RerunRequest, RunPatch, RunStart
from flowkeep.errors import AlreadyTerminal, Conflict, InvalidInput
from flowkeep.worker import Worker
from tests.served import client as started_client
from tests.served import letters
from tests.service.conftest import ServiceClient, direct_client, remote_client
from tests.support import eventually, flushed
from tests.workflows import flows

__all__ = ["letters", "started_client"]


@pytest.fixture(params=["direct", "remote"])
async def service(
    request: pytest.FixtureRequest, client: WorkflowClient
) -> AsyncIterator[ServiceClient]:
    """The client that a test is about; its runs go to the worker's task queue."""
    make = direct_client if request.param == "direct" else remote_client
    async with make(client.settings) as made:
        yield made


@pytest.fixture
async def client(started_client: WorkflowClient) -> WorkflowClient:
    """The client that the worker is made from."""
    return started_client


async def test_a_run_is_started_steered_and_repeated(
    service: ServiceClient, client: WorkflowClient, letters: flows.Letters
) -> None:
    """A run waits, is paused and resumed, ends, and is repeated with the same arguments."""
    runs = service.runs
    wanted = RunStart(
        workflow_type="Holding",
        arguments={"suffix": "!"},
        workflow_id=f"w-{client.settings.worker.task_queue}",
        labels={"k": "v"},
        goal="to be done",
        execution_timeout=300,
    )
    activities = [letters.hold, letters.second]
    async with Worker(client, workflow_classes=[flows.Holding], workflow_activities=activities):
        started = await runs.start(wanted)
        assert started.created
        again = await runs.start(wanted)
        assert (again.created, again.run_id) == (False, started.run_id)
        with pytest.raises(Conflict):
            await runs.start(wanted.model_copy(update={"on_conflict": "reject"}))
        run_id = started.run_id

        def holds() -> None:
            assert "hold" in letters.calls

        await eventually(holds)
        with pytest.raises(Conflict, match="cancel"):
            await runs.update(run_id, RunPatch(status="succeeded"))
        with pytest.raises(InvalidInput, match="only a run that has ended"):
            await runs.rerun(run_id)
        await runs.pause(run_id, "lunch")

        async def pauses() -> Run:
            run = await runs.get(run_id)
            assert (run.status, run.pause_reason) == (RunStatus.WAITING, "lunch")
            return run

        held: Run = await eventually(pauses)
        assert held.id == run_id
        await runs.resume(run_id, {"size": 3})
        letters.release.set()
        watch = runs.watch(run_id, after=0, interval_seconds=0.05)
        seen = [update async for update in watch]
        last = seen[-1].progress
        assert last is not None
        assert (last.run.status, last.run.state["size"]) == (RunStatus.SUCCEEDED, 3)
        assert (last.run.triggered_from, last.run.goal) == ("api", "to be done")
        told = [update.event.kind for update in seen if update.event is not None]
        assert told == ["created", "started", "waiting", "resumed", "succeeded"]
        await flushed(client)
        assert (await runs.task_names(run_id)).completed[-2:] == ["hold", "second"]
        with pytest.raises(AlreadyTerminal):
            await runs.cancel(run_id)
        with pytest.raises(InvalidInput, match="as a whole"):
            await runs.rerun(run_id, RerunRequest(newest=True))
        repeated = await runs.rerun(run_id)
        end = [update async for update in runs.watch(repeated.run_id, interval_seconds=0.05)][-1]
        assert end.progress is not None
        copy = end.progress.run
        assert (copy.retry_of, copy.status, copy.inputs) == (
            run_id,
            RunStatus.SUCCEEDED,
            last.run.inputs,
        )


async def test_runs_are_ended(service: ServiceClient, client: WorkflowClient) -> None:
    """A run that no worker serves is terminated, another deleted by force; both keep their end."""
    runs = service.runs
    first, second = [
        await runs.start(RunStart(workflow_type="Holding", arguments={})) for _ in range(2)
    ]
    ended = await runs.terminate(first.run_id, "enough")
    assert (ended.status, ended.failure_reason) == (RunStatus.CANCELLED, "terminated")
    with pytest.raises(Conflict, match=str(second.run_id)):
        await runs.delete(second.run_id)
    await runs.delete(second.run_id, force=True)
    execution = client.temporal.get_workflow_handle(second.workflow_id)
    assert (await execution.describe()).close_time is not None
