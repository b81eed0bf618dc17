"""`flowkeep question`: what runs ask people, and the answers."""

import json
from pathlib import Path

from flowkeep.cli.app import CALL_FAILED, OK, USAGE
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.worker import Worker
from tests.cli.calling import Ask, Call
from tests.served import client
from tests.support import eventually

__all__ = ["client"]

TEXT = """
ref: asking
tasks:
  - name: approve
    human:
      assignee: [ann]
      title: Pay it?
      details: {amount: 12}
      response:
        type: object
        properties: {ok: {type: boolean}}
        required: [ok]
        additionalProperties: false
output_map: {ok: "{{ tasks.approve.result.answer.ok }}", by: "{{ tasks.approve.result.by }}"}
"""


async def test_questions(
    client: WorkflowClient, task_queue: str, call: Call, ask: Ask, tmp_path: Path
) -> None:
    """Questions are listed and shown; only who is asked, or has the token, answers, and once."""
    (tmp_path / "asking.yaml").write_text(TEXT)
    await ask("definition", "apply", "asking.yaml")
    async with Worker(client, actions=[]):
        runs = [
            (await ask("definition", "run", "asking", "--task-queue", task_queue))["run_id"]
            for _ in range(2)
        ]

        async def asked() -> None:
            listed = await client.questions.list("default")
            assert sorted(str(one.run_id) for one in listed) == sorted(runs)

        await eventually(asked, timeout=30)
        assert len((await ask("question", "list"))["data"]) == 2
        one, other = runs
        listed = await call("question", "list", "--run", one)
        assert "Pay it?" in listed.stdout
        assert other not in listed.stdout
        shown = await ask("question", "show", one, "approve")
        assert (shown["details"], shown["assignee"]) == ({"amount": 12}, ["ann"])
        assert shown["response"]["required"] == ["ok"]
        assert "--by NAME" in (await call("question", "show", one, "approve")).stderr

        words = ["question", "answer", one, "approve"]
        assert (await call(*words, "--by", "ann")).exit_code == USAGE
        unfit = await call(*words, "--by", "ann", "ok=secret-4711")
        assert unfit.exit_code == USAGE
        assert "answer.ok" in unfit.stderr
        assert "4711" not in unfit.stderr
        foreign = await call(*words, "--by", "bob", "ok=true", "-o", "json")
        assert foreign.exit_code == CALL_FAILED
        assert json.loads(foreign.stderr)["error"]["code"] == "FORBIDDEN"
        done = await call(*words, "--by", "ann", "ok=true")
        assert done.exit_code == OK
        assert f"flowkeep run watch {one}" in done.stderr
        assert (await call("run", "watch", one)).exit_code == OK
        assert (await ask("run", "get", one))["outputs"] == {"ok": True, "by": "ann"}
        late = await call(*words, "--by", "ann", "ok=true", "-o", "json")
        assert json.loads(late.stderr)["error"]["code"] == "ALREADY_TERMINAL"

        token = (await call("question", "token", other, "approve")).stdout.strip()
        words = ["question", "answer", other, "approve", "--by", "bob"]
        wrong = await call(*words, "--token", "x", "ok=true")
        assert wrong.exit_code == CALL_FAILED
        (tmp_path / "answer.json").write_text('{"ok": false}')
        done = await call(*words, "--token", token, "--json", "answer.json")
        assert done.exit_code == OK
        assert (await call("run", "watch", other)).exit_code == OK
        assert (await ask("run", "get", other))["outputs"] == {"ok": False, "by": "bob"}
    empty = await call("question", "list")
    assert (empty.exit_code, empty.stderr) == (OK, "No open questions.\n")
    nothing = await call("question", "show", one, "approve")
    assert nothing.exit_code == CALL_FAILED
    assert (await call("question", "token", one, "gone")).exit_code == CALL_FAILED
