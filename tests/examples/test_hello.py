"""The example `hello`."""

import pytest

from examples.hello.main import main
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.settings import Settings
from tests.examples.ledger import attempts_of, events_of, the_run


async def test_hello_greets_and_is_recorded(
    client: WorkflowClient, example_settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program prints the greeting, and what it prints of the ledger is what stands there."""
    await main("Ada", example_settings)
    run = await the_run(client)
    assert capsys.readouterr().out.splitlines() == [
        "Hello, Ada!",
        f"run {run.id}: succeeded",
        "  get_workflow_args: succeeded, attempt 1",
        "  preflight_check: succeeded, attempt 1",
        "  greet: succeeded, attempt 1",
    ]
    assert run.inputs == {"name": "Ada"}
    assert run.outputs == "Hello, Ada!"
    assert run.tasks_finished == 3
    assert len(await attempts_of(client, run.id)) == 3
    assert await events_of(client, run.id) == ["created", "started", "succeeded"]
