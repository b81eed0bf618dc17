"""An answer reaches the run that asks, and no other; who gave it hears what became of it."""

from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from flowkeep.clients import questions
from flowkeep.clients.workflow import RunHandle
from flowkeep.contracts import Run, RunRef, RunStatus
from flowkeep.contracts.definition_loading import ANSWER, Answer
from flowkeep.contracts.named_tasks import TaskNotes
from flowkeep.errors import AlreadyTerminal, Conflict, LedgerUnavailable
from flowkeep.statestore.repositories.system import System
from tests.definitions.runs import actions
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


async def test_taken_and_not_recorded_yet(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is taken while the ledger is away is told as taken; again, it counts once."""
    notes, away = System.note_tasks, False

    async def note(self: System, run: RunRef, told: TaskNotes) -> None:
        if away:
            raise LedgerUnavailable("away for a test")
        await notes(self, run, told)

    monkeypatch.setattr(System, "note_tasks", note)
    monkeypatch.setattr(questions, "_RECORD_SECONDS", 0.5)
    name = stage.unique("n")
    ref = await stage.store(
        f"""
ref: taken
tasks:
  - {{name: ask, human: {{assignee: [ada, bob], title: ok}}}}
  - {{name: hold, action: test.hold, input: {{name: {name}}}}}
output_map: {{answer: "{{{{ tasks.ask.result.answer }}}}"}}
"""
    )
    # A short limit of workflow tasks lets Temporal hear of the answer before the ledger does.
    handle = await stage.client.definitions.run(
        ref, tenant_id=stage.tenant, task_timeout=timedelta(seconds=2)
    )
    stage.handles.append(handle)
    await stage.until_status(handle, RunStatus.WAITING)

    async def answer(given: object, by: str = "ada") -> None:
        await stage.client.questions.answer(stage.tenant, handle.run_id, "ask", given, by=by)

    away = True
    await answer({"ok": [1, {"a": 2, "b": 3}]})
    assert (await stage.row(handle, "ask")).status == "waiting"
    await stage.begun(name)
    await answer({"ok": [1, {"b": 3, "a": 2}]})
    for given, by in (({"ok": 1}, "ada"), ({"ok": [1, {"a": 2, "b": 3}]}, "bob")):
        with pytest.raises(AlreadyTerminal, match="was answered by ada"):
            await answer(given, by)
    away = False
    await stage.until(handle, "ask", "succeeded")
    actions.release(name)
    assert await stage.result(handle) == {"answer": {"ok": [1, {"a": 2, "b": 3}]}}
    assert (await stage.kinds(handle)).count("question_answered") == 1


async def test_not_taken(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that no worker takes is told as not taken."""
    monkeypatch.setattr(questions, "_TAKE_SECONDS", 0.5)
    ref = await stage.store(ASKS)
    handle = await stage.client.definitions.run(
        ref, tenant_id=stage.tenant, task_queue=stage.unique("nobody")
    )
    stage.handles.append(handle)
    with pytest.raises(Conflict, match="has not taken the answer"):
        await stage.client.questions.answer(stage.tenant, handle.run_id, "ask", {}, by="ada")
