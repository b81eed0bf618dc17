"""Command lines about webhooks and log lines."""

from uuid import UUID, uuid4

from flowkeep.contracts.task_logs import NewLogLine
from flowkeep.settings import Settings
from flowkeep.statestore import connect
from tests.cli.calling import Ask, Call
from tests.statestore.records import at, new_run


async def test_a_webhook_is_made_changed_and_removed(ask: Ask, call: Call) -> None:
    """The secret is all that standard output holds, and is never shown again; what is odd is 2."""
    words = ("webhook", "create", "ops", "https://example.com/hook")
    made = await call(*words, "--event", "failed", "--label", "team=a")
    assert made.exit_code == 0, made.stderr
    secret = made.stdout.strip()
    assert secret.startswith("whsec_")
    (listed,) = (await ask("webhook", "list"))["data"]
    hook = listed["id"]
    assert (listed["events"], listed["labels"]) == (["failed"], {"team": "a"})
    changed = await ask("webhook", "update", hook, "--disable", "--event", "waiting")
    assert (changed["enabled"], changed["events"]) == (False, ["waiting"])
    due = await ask("webhook", "test", hook)
    assert (await ask("webhook", "deliveries", hook))["data"] == [due]
    shown = await call("webhook", "show", hook)
    assert (secret in shown.output, "example.com" in shown.stdout) == (False, True)
    assert (await call("webhook", "delete", hook)).exit_code == 0
    assert (await call("webhook", "show", hook)).exit_code == 3
    assert (await call("webhook", "create", "ops", "ftp://x")).exit_code == 2


async def test_lines_are_listed_and_followed(ask: Ask, call: Call, settings: Settings) -> None:
    """Lines come by task and level; following a run that has ended shows all and stops."""
    async with await connect(settings=settings) as store:
        run = await store.runs.create("default", new_run())

        def line(task: str, level: int, text: str, run_id: UUID = run.id) -> NewLogLine:
            return NewLogLine(run_id, "default", "r", task, 1, at(1), level, "x", text, {"n": 1})

        await store.task_logs.keep([line("1", 20, "first"), line("2", 40, "second")])
        await store.runs.fail("default", run.id)
    name = str(run.id)
    listed = (await ask("run", "logs", name, "--task", "2"))["data"]
    assert [one["message"] for one in listed] == ["second"]
    table = (await call("run", "logs", name, "--level", "error")).stdout
    assert ("ERROR" in table, "2#1 second n=1" in table, "first" in table) == (True, True, False)
    followed = await call("run", "logs", name, "--follow")
    assert [text.split()[3] for text in followed.stdout.splitlines()] == ["first", "second"]
    assert (await call("run", "logs", str(uuid4()))).exit_code == 3
