"""`flowkeep definition run` and workers that serve definitions."""

from pathlib import Path

import pytest

from flowkeep.cli.app import CALL_FAILED, OK, USAGE
from flowkeep.cli.load_actions import load_actions
from flowkeep.errors import ConfigurationError
from flowkeep.served_actions import ServedActions
from flowkeep.settings import Settings
from tests.cli.calling import Ask, Call
from tests.cli.serving import served
from tests.support import eventually

TEXT = """
ref: doubled
parameters:
  type: object
  properties: {number: {type: integer, default: 4}}
tasks:
  - {name: one, action: cli.double, input: {number: "{{ parameters.number }}"}}
output_map: {sum: "{{ tasks.one.result }}"}
"""


def test_actions_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module gives what it marks, an object what it is; anything else is told."""
    monkeypatch.chdir(Path(__file__).parent)
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    names = [one.__name__ for one in load_actions(["served_actions"])]
    assert names == ["double", "need"]
    assert [one.__name__ for one in load_actions(["served_actions:need"])] == ["need"]
    assert len(load_actions(["served_actions:both", "served_actions"])) == 2
    for wrong in ("served_actions:number", "json", "served_actions:gone", "no_such_module"):
        with pytest.raises(ConfigurationError, match=wrong.partition(":")[0]):
            load_actions([wrong])


def test_settings_say_what_actions_may_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """`core.shell` is offered only where a setting says so; lists of hosts are apart by commas."""
    assert "core.shell" not in ServedActions([], [], Settings.load().definitions).registry
    monkeypatch.setenv("FLOWKEEP_DEFINITIONS_ALLOW_SHELL", "true")
    monkeypatch.setenv("FLOWKEEP_DEFINITIONS_HTTP_ALLOW", "a.example, *.b.example")
    allowed = Settings.load().definitions
    assert allowed.http_allow == ("a.example", "*.b.example")
    assert "core.shell" in ServedActions([], [], allowed).registry
    monkeypatch.setenv("FLOWKEEP_DEFINITIONS_HTTP_REFUSE", "no host/7")
    with pytest.raises(ConfigurationError, match="no host/7"):
        ServedActions([], [], Settings.load().definitions)


async def test_a_worker_needs_something_to_serve(call: Call) -> None:
    """Without a module, --actions or --definitions there is nothing to do."""
    done = await call("worker", "start")
    assert done.exit_code == USAGE
    assert "--definitions" in done.stderr


async def test_run(
    environment: dict[str, str], task_queue: str, call: Call, ask: Ask, tmp_path: Path
) -> None:
    """A worker serves the actions of a module, tells the ledger, and runs get their parameters."""
    (tmp_path / "doubled.yaml").write_text(TEXT)
    (tmp_path / "parameters.yaml").write_text("number: 10\n")
    run = ["definition", "run", "doubled", "--task-queue", task_queue]
    async with served(environment, task_queue, "--actions", "served_actions"):

        async def no_warnings() -> None:
            told = await ask("definition", "validate", "doubled.yaml")
            assert told["data"][0]["problems"] == []

        await eventually(no_warnings, timeout=60, interval=0.5)
        await ask("definition", "apply", "doubled.yaml")
        first = await ask(*run, "--wait", "--label", "k=v", "--owner", "ann")
        assert (first["status"], first["outputs"]) == ("succeeded", {"sum": 8})
        assert (first["labels"], first["owner"], first["triggered_from"]) == (
            {"k": "v"},
            "ann",
            "cli",
        )
        given = await ask(*run, "--parameters", "parameters.yaml", "--wait")
        assert given["outputs"] == {"sum": 20}
        won = await ask(*run, "--parameters", "parameters.yaml", "-p", "number=3", "--wait")
        assert won["outputs"] == {"sum": 6}
        watched = await call(*run, "--watch")
        assert watched.exit_code == OK
        assert "succeeded" in watched.stdout
        wrong = await call(*run, "-p", "number=secret-4711")
        assert wrong.exit_code == USAGE
        assert "parameters.number" in wrong.stderr
        assert "4711" not in wrong.stderr
        (tmp_path / "doubled.yaml").write_text(TEXT.replace("cli.double", "cli.need"))
        await call("definition", "apply", "doubled.yaml", "--draft")
        assert (await call(*run)).exit_code == USAGE
    gone = await call("definition", "run", "gone")
    assert gone.exit_code == CALL_FAILED
