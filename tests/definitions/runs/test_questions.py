"""Questions to people, on real servers."""

import asyncio
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from flowkeep.clients.workflow import RunHandle, WorkflowClient
from flowkeep.contracts import RunStatus, Task, TaskStatus, TaskType
from flowkeep.errors import AlreadyTerminal, Forbidden, InvalidInput, NotFound
from tests.definitions.runs import actions
from tests.definitions.runs.support import Stage
from tests.support import eventually

APPROVAL = """
ref: approval
parameters: {type: object, properties: {deadline: {type: [string, "null"]}}}
tasks:
  - name: approve
    human:
      assignee: ["ada", "{{ parameters.boss }}"]
      title: "Release {{ parameters.what }}?"
      details: {size: 3}
      response: {type: object, properties: {ok: {type: boolean}}, required: [ok]}
    transitions:
      - {when: "{{ timed_out() }}", do: late}
      - {when: "{{ succeeded() and result().answer.ok }}", do: yes_}
      - {do: no_}
  - {name: yes_, action: test.echo, input: {value: "{{ tasks.approve.result.by }}"}}
  - {name: no_, action: test.echo}
  - {name: late, action: test.echo}
output_map: {by: "{{ tasks.yes_.result }}"}
"""


async def ask(stage: Stage, deadline: str | None = None) -> RunHandle:
    """Start a run that asks; returns when it waits."""
    data = yaml.safe_load(APPROVAL)
    if deadline is not None:
        data["tasks"][0]["human"]["deadline"] = deadline
    handle = await stage.start(yaml.safe_dump(data), boss="bob", what="v2")
    await stage.until_status(handle, RunStatus.WAITING)
    return handle


async def answer(
    stage: Stage, handle: RunHandle, given: Any, by: str = "ada", task: str = "approve", **more: Any
) -> None:
    """Answer a question."""
    await stage.client.questions.answer(stage.tenant, handle.run_id, task, given, by=by, **more)


async def test_a_question_and_its_answer(stage: Stage) -> None:
    """A run waits while a question is open; row, events and result tell who answered what."""
    handle = await ask(stage, "1h")
    run = await stage.recorded(handle)
    assert run.wait == {"human": ["approve"]}
    [question] = await stage.client.questions.list(stage.tenant, handle.run_id)
    assert (question.status, question.type) == (TaskStatus.WAITING, TaskType.HUMAN)
    assert question.input == {
        "assignee": ["ada", "bob"],
        "title": "Release v2?",
        "details": {"size": 3},
        "response": {
            "type": "object",
            "properties": {"ok": {"type": "boolean"}},
            "required": ["ok"],
        },
    }
    assert question.started_at is not None
    assert question.deadline_at is not None
    assert (question.deadline_at - question.started_at).total_seconds() == 3600
    assert question.timeout_seconds == 3600
    await answer(stage, handle, {"ok": True}, by="bob")
    assert await stage.client.questions.list(stage.tenant, handle.run_id) == []
    assert await stage.result(handle) == {"by": "bob"}
    row = await stage.row(handle, "approve")
    assert row.status is TaskStatus.SUCCEEDED
    assert isinstance(row.output, dict)
    assert (row.output["answer"], row.output["by"]) == ({"ok": True}, "bob")
    assert row.finished_at is not None
    kinds = await stage.kinds(handle)
    wanted = ["question_opened", "waiting", "question_answered", "resumed"]
    assert [kind for kind in kinds if kind in wanted] == wanted
    run = await stage.recorded(handle)
    assert (run.status, run.wait) == (RunStatus.SUCCEEDED, None)


async def test_answers_that_are_refused(stage: Stage) -> None:
    """The wrong person, a wrong answer and a wrong task are told apart; nothing changes."""
    handle = await ask(stage)
    with pytest.raises(Forbidden, match="'eve' is not asked"):
        await answer(stage, handle, {"ok": True}, by="eve")
    with pytest.raises(InvalidInput, match=r"answer\.ok"):
        await answer(stage, handle, {"ok": "perhaps"})
    with pytest.raises(InvalidInput, match="answer"):
        await answer(stage, handle, "yes")
    with pytest.raises(InvalidInput, match="reserved"):
        await answer(stage, handle, {"ok": True, "x": {"$secret": "name"}})
    for task in ("yes_", "nobody", "approve[0]"):
        with pytest.raises(NotFound, match="asks nobody"):
            await answer(stage, handle, {"ok": True}, task=task)
    assert (await stage.recorded(handle)).status is RunStatus.WAITING
    await answer(stage, handle, {"ok": False})
    await stage.ended(handle)
    with pytest.raises(AlreadyTerminal):
        await answer(stage, handle, {"ok": True})


async def test_a_second_answer_comes_too_late(stage: Stage) -> None:
    """While the run goes on, another answer is refused and names who was first; the same is not."""
    name = stage.unique("n")
    handle = await stage.start(
        f"""
ref: twice
tasks:
  - {{name: approve, human: {{assignee: ada, title: ok}}, transitions: [{{do: after}}]}}
  - {{name: after, action: test.hold, input: {{name: {name}}}}}
"""
    )
    await stage.until_status(handle, RunStatus.WAITING)
    await answer(stage, handle, {})
    await stage.begun(name)
    assert (await stage.recorded(handle)).status is RunStatus.RUNNING
    await answer(stage, handle, {})
    with pytest.raises(AlreadyTerminal, match="was answered by ada"):
        await answer(stage, handle, {"more": True})
    actions.release(name)
    await stage.result(handle)


async def test_a_token_stands_for_the_assignee(stage: Stage) -> None:
    """Who has the token of a question may answer it, and no other question."""
    handle = await ask(stage)
    database = stage.client.settings.database.model_copy(
        update={"secret_key": SecretStr("bmV3ZXN0LWtleS1vZi10aGlzLXRlc3QtMTIzNDU2Nzg=")}
    )
    keyed = _with_settings(stage.client, database=database)
    token = keyed.questions.token(stage.tenant, handle.run_id, "approve")
    for wrong in (
        "x",
        keyed.questions.token(stage.tenant, handle.run_id, "other"),
        keyed.questions.token("other", handle.run_id, "approve"),
    ):
        with pytest.raises(Forbidden, match="token"):
            await keyed.questions.answer(
                stage.tenant, handle.run_id, "approve", {"ok": True}, by="eve", token=wrong
            )
    await keyed.questions.answer(
        stage.tenant, handle.run_id, "approve", {"ok": True}, by="eve", token=token
    )
    assert await stage.result(handle) == {"by": "eve"}


def _with_settings(client: WorkflowClient, **more: Any) -> Any:
    """A client with other settings on the same connections."""

    class Keyed:
        settings = client.settings.model_copy(update=more)
        store = client.store
        temporal = client.temporal

    from flowkeep.clients.questions import Questions

    keyed: Any = Keyed()
    keyed.questions = Questions(keyed)
    return keyed


async def test_a_deadline_that_passes(stage: Stage) -> None:
    """A question nobody answers in time has timed out; that can be handled."""
    handle = await ask(stage, "300ms")
    assert await stage.result(handle) == {"by": None}
    row = await stage.row(handle, "approve")
    assert row.status is TaskStatus.TIMED_OUT
    assert row.timed_out
    assert row.error is not None
    assert row.error.code == "DEADLINE_PASSED"
    assert (await stage.row(handle, "late")).status is TaskStatus.SUCCEEDED
    assert "question_expired" in await stage.kinds(handle)
    with pytest.raises(AlreadyTerminal):
        await answer(stage, handle, {"ok": True})


async def test_several_questions(stage: Stage) -> None:
    """Questions are open side by side, of items too; work beside them keeps the run running."""
    name = stage.unique("n")
    handle = await stage.start(
        f"""
ref: several
tasks:
  - name: all
    tasks:
      - {{name: work, action: test.hold, input: {{name: {name}}}}}
      - name: each
        with_items: [ada, bob]
        human: {{assignee: "{{{{ item }}}}", title: "{{{{ index }}}}?"}}
output_map: {{by: "{{{{ tasks.each.result | map(attribute='by') | list }}}}"}}
"""
    )
    await stage.begun(name)
    await stage.until(handle, "each[1]", "waiting")
    assert (await stage.recorded(handle)).status is RunStatus.RUNNING
    await answer(stage, handle, {}, by="bob", task="each[1]")
    actions.release(name)
    run = await stage.until_status(handle, RunStatus.WAITING)
    assert run.wait == {"human": ["each[0]"]}
    await answer(stage, handle, {}, by="ada", task="each[0]")
    assert await stage.result(handle) == {"by": ["ada", "bob"]}


async def test_a_cancelled_run_withdraws_its_question(stage: Stage) -> None:
    """Cancelling a run that asks ends the question: it is withdrawn, and cannot be answered."""
    handle = await ask(stage)
    await handle.cancel("enough")
    run = await stage.ended(handle)
    assert (run.status, run.wait) == (RunStatus.CANCELLED, None)
    row: Task = await stage.row(handle, "approve")
    assert row.status is TaskStatus.CANCELLED
    assert "question_withdrawn" in await stage.kinds(handle)
    with pytest.raises(AlreadyTerminal):
        await answer(stage, handle, {"ok": True})


async def test_a_pause_while_a_question_is_open(stage: Stage) -> None:
    """A paused run takes answers but goes on only when resumed; then it waits as before."""
    handle = await ask(stage)
    await handle.pause("look first")
    await eventually(lambda: _has_reason(stage, handle))
    await handle.resume()

    async def waits_again() -> None:
        run = await stage.recorded(handle)
        assert (run.status, run.wait) == (RunStatus.WAITING, {"human": ["approve"]})
        assert run.pause_reason is None

    await eventually(waits_again)
    await handle.pause()
    await answer(stage, handle, {"ok": True})
    assert "yes_" not in await stage.states(handle)
    await handle.resume()
    assert await stage.result(handle) == {"by": "ada"}


async def _has_reason(stage: Stage, handle: RunHandle) -> None:
    assert (await stage.recorded(handle)).pause_reason == "look first"


async def test_answers_race(stage: Stage) -> None:
    """Of many different answers at once exactly one is taken."""
    handle = await ask(stage)
    outcomes = await asyncio.gather(
        *(
            answer(stage, handle, {"ok": True, "number": number}, by=("ada", "bob")[number % 2])
            for number in range(6)
        ),
        return_exceptions=True,
    )
    assert [one for one in outcomes if one is None] == [None]
    assert all(isinstance(one, AlreadyTerminal) for one in outcomes if one is not None)
    await stage.result(handle)

    async def told() -> None:
        assert (await stage.kinds(handle)).count("question_answered") == 1

    await eventually(told)
