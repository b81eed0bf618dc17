"""An answer reaches the run that asks, and no other."""

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from flowkeep.clients import questions
from flowkeep.clients.workflow import RunHandle
from flowkeep.contracts import Run, RunStatus
from flowkeep.contracts.definition_loading import ANSWER, Answer
from flowkeep.errors import AlreadyTerminal
from tests.definitions.runs.support import Stage

ASKS = "{ref: asks, tasks: [{name: ask, human: {assignee: ada, title: ok}}]}"


async def ask(stage: Stage, workflow_id: str) -> RunHandle:
    """Start a run under a workflow_id; returns when it asks."""
    handle = await stage.client.definitions.run(
        "asks", tenant_id=stage.tenant, workflow_id=workflow_id
    )
    stage.handles.append(handle)
    await stage.until_status(handle, RunStatus.WAITING)
    return handle


async def test_not_the_next_run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer to a run whose end the client has not heard of is refused by the next run."""
    await stage.store(ASKS)
    workflow_id = stage.unique("asks")
    first = await ask(stage, workflow_id)
    seen = await stage.recorded(first)
    await first.cancel()
    await stage.ended(first)
    second = await ask(stage, workflow_id)

    async def behind(*where: object) -> Run:
        return seen

    monkeypatch.setattr(questions, "find_run", behind)
    with pytest.raises(AlreadyTerminal, match=f"run {first.run_id} has ended"):
        await stage.client.questions.answer(stage.tenant, first.run_id, "ask", {}, by="ada")
    monkeypatch.undo()
    assert (await stage.row(second, "ask")).status == "waiting"
    await stage.client.questions.answer(stage.tenant, second.run_id, "ask", {}, by="ada")
    await stage.result(second)


async def test_over_continue_as_new(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that has continued as new takes its own answers, and still no other's."""
    monkeypatch.setattr("flowkeep.activities.definition.MOST_EVENTS", 12)
    await stage.store(
        """
ref: asks
tasks:
  - {name: go, action: test.echo, transitions: [{do: [ask, each]}]}
  - {name: ask, human: {assignee: ada, title: ok}}
  - {name: each, action: test.echo, with_items: "{{ range(8) | list }}", concurrency: 1}
"""
    )
    handle = await ask(stage, stage.unique("asks"))
    segments = await stage.client.store.runs.list_segments(stage.tenant, handle.run_id)
    assert len(segments) > 1
    temporal = stage.client.temporal.get_workflow_handle(handle.workflow_id)
    foreign = Answer(task="ask", answer={}, by="ada", trusted=True, run_id="another")
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await temporal.execute_update(ANSWER, foreign)
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "AlreadyTerminal"
    await stage.client.questions.answer(stage.tenant, handle.run_id, "ask", {}, by="ada")
    await stage.result(handle)
