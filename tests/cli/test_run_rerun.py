"""`flowkeep run rerun`: runs that ended, repeated."""

import json
from pathlib import Path

from flowkeep.cli.app import CALL_FAILED, RUN_FAILED, USAGE
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.worker import Worker
from tests.cli import served_actions
from tests.cli.calling import Ask, Call
from tests.served import client
from tests.support import flushed

__all__ = ["client"]

REPAIRED = """
ref: repaired
parameters: {type: object, properties: {path: {type: string}}}
tasks:
  - {name: first, action: cli.double, input: {number: 2}}
  - {name: second, action: cli.need, input: {path: "{{ parameters.path }}"}}
output_map: {first: "{{ tasks.first.result }}", second: "{{ tasks.second.result }}"}
"""


async def test_rerun(
    client: WorkflowClient, task_queue: str, call: Call, ask: Ask, tmp_path: Path
) -> None:
    """A failed run is repeated behind what succeeded; a preview starts nothing."""
    (tmp_path / "repaired.yaml").write_text(REPAIRED)
    await ask("definition", "apply", "repaired.yaml")
    path = tmp_path / "needed"
    words = ("--task-queue", task_queue, "-p", f"path={path}", "--wait", "-o", "json")
    async with Worker(client, actions=served_actions.both):
        failed = await call("definition", "run", "repaired", *words)
        assert failed.exit_code == RUN_FAILED
        assert "second" in failed.stderr
        run_id = json.loads(failed.stdout)["id"]
        path.write_text("")
        await flushed(client)
        preview = await ask("run", "rerun", run_id, "--preview")
        assert preview == {"reused": ["first"], "again": ["second"]}
        assert len((await ask("run", "list"))["data"]) == 1
        shown = await call("run", "rerun", run_id, "--preview", "--task", "first")
        assert "nothing" in shown.stdout
        again = await ask("run", "rerun", run_id, "--wait")
        assert (again["status"], again["retry_of"]) == ("succeeded", run_id)
        assert again["outputs"] == {"first": 4, "second": "found"}
        whole = await ask("run", "rerun", run_id, "--everything", "--wait")
        assert whole["outputs"] == again["outputs"]
        unknown = await call("run", "rerun", run_id, "--task", "thrid")
        assert unknown.exit_code == USAGE
        assert "thrid" in unknown.stderr
    for wrong in (["--everything", "--task", "first"], ["--preview", "--wait"]):
        assert (await call("run", "rerun", run_id, *wrong)).exit_code == USAGE
    assert (await call("run", "rerun", "gone")).exit_code == CALL_FAILED
