"""`flowkeep worker list` on real servers."""

from flowkeep.cli.app import OK
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.settings import Settings
from tests.cli.calling import Ask, Call


async def test_a_queue_without_workers_is_told(
    call: Call, ask: Ask, settings: Settings, task_queue: str
) -> None:
    """A queue that nobody polls is listed as such, for people and for programs."""
    empty = await call("worker", "list")
    assert empty.exit_code == OK
    assert "No run or schedule" in empty.stderr
    async with await WorkflowClient.connect(settings) as client:
        await client.start_workflow({}, "Nightly", task_queue=task_queue)
    (queue,) = (await ask("worker", "list"))["data"]
    assert (queue["name"], queue["pollers"]) == (task_queue, [])
    shown = (await call("worker", "list")).stdout.splitlines()
    assert any(line.split()[:2] == [task_queue, "nobody"] for line in shown)
