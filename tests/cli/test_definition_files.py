"""`flowkeep definition validate|apply|diff|…`: definitions from files, on a real ledger."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from click.testing import CliRunner
from uuid_utils.compat import uuid7

from flowkeep.cli.app import CALL_FAILED, OK, RUN_FAILED, USAGE, cli
from flowkeep.contracts import NewAction, NewRun
from flowkeep.settings import Settings
from flowkeep.statestore import connect
from tests.cli.calling import Ask, Call

GOOD = """\
ref: report
label: Daily report
tasks:
- name: load
  action: shop.load
"""
BROKEN = """\
ref: report
tasks:
  - name: load
    action: shop.load
    retry: {count: -4711}
    transitions: [{do: lod}]
"""
CALLING = "{ref: weekly, tasks: [{name: one, workflow: report}]}"
CANVAS = '{"z": 1.50, "nodes": [{"id": "n", "module": "m", "steps": ["load"]}], "a": "ü"}'


def write(path: Path, text: str) -> None:
    """Write a file; small enough not to hold up a loop."""
    path.write_text(text)


@pytest.fixture
def good(call: Call, tmp_path: Path) -> Path:
    """A file without errors, in the working directory."""
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def broken(call: Call, tmp_path: Path) -> Path:
    """A file with errors."""
    path = tmp_path / "broken.yaml"
    path.write_text(BROKEN)
    return path


@pytest.fixture
async def action(settings: Settings) -> None:
    """A worker has registered the action that the files call."""
    async with await connect(settings=settings) as store:
        await store.actions.register("default", [NewAction(ref="shop.load")], worker="w")


def test_validate_needs_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: Path, broken: Path
) -> None:
    """Where no ledger is configured every error is told as file:line: path: message (hint)."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["definition", "validate", "good.yaml"])
    assert (done.exit_code, done.stdout) == (OK, "good.yaml: report: is valid\n")
    assert "No ledger was asked" in done.stderr
    done = CliRunner().invoke(cli, ["definition", "validate", "broken.yaml"])
    assert done.exit_code == RUN_FAILED
    first, second, total = done.stdout.splitlines()
    assert first.startswith("broken.yaml:5: tasks[0].retry.count: ")
    assert second.startswith("broken.yaml:6: tasks[0].transitions[0].do")
    assert second.endswith("(did you mean load?)")
    assert total == "broken.yaml: report: 2 errors"
    assert "4711" not in done.output


async def test_validate_asks_the_ledger(good: Path, call: Call, ask: Ask, action: None) -> None:
    """With a ledger an unknown action is a warning, which is no reason to fail."""
    write(good, GOOD.replace("shop.load", "shop.lod"))
    done = await call("definition", "validate", "good.yaml")
    assert done.exit_code == OK
    assert "good.yaml:5: warning: tasks[0].action: " in done.stdout
    assert "(did you mean shop.load?)" in done.stdout
    assert "is valid, with 1 warning" in done.stdout
    assert "flowkeep definition apply good.yaml" in done.stderr
    told = await ask("definition", "validate", "good.yaml")
    assert told["valid"] is True
    assert [one["level"] for one in told["data"][0]["problems"]] == ["warning"]
    offline = await ask("definition", "validate", "--offline", "good.yaml")
    assert offline["data"][0]["problems"] == []


async def test_what_cannot_be_read(call: Call, tmp_path: Path) -> None:
    """A missing file is a usage error; a text that is no YAML is told with its line."""
    missing = await call("definition", "validate", "gone.yaml")
    assert missing.exit_code == USAGE
    assert "gone.yaml" in missing.stderr
    write(tmp_path / "odd.yaml", "ref: a\nlabel: x: y\n")
    write(tmp_path / "odd.json", '{"ref": "a",\n"tasks" []}')
    for name in ("odd.yaml", "odd.json"):
        done = await call("definition", "validate", name)
        assert done.exit_code == RUN_FAILED
        assert done.stdout.startswith(f"{name}:2: document: is no ")
    piped = await call("definition", "validate", "-", stdin=GOOD)
    assert piped.exit_code == OK


async def test_apply_stores_what_is_called_first(
    good: Path, call: Call, ask: Ask, tmp_path: Path, action: None
) -> None:
    """Files are stored in the order of their calls; the same again writes no revision."""
    write(tmp_path / "a.yaml", CALLING)
    preview = await call("definition", "apply", "--dry-run", "a.yaml", "good.yaml")
    assert preview.stdout.splitlines() == ["report: would be created", "weekly: would be created"]
    assert (await ask("definition", "list"))["data"] == []
    made = await ask("definition", "apply", "a.yaml", "good.yaml", "--app", "shop")
    assert [(one["ref"], one["change"]) for one in made["data"]] == [
        ("report", "created"),
        ("weekly", "created"),
    ]
    assert [one["problems"] for one in made["data"]] == [[], []]
    again = await call("definition", "apply", "good.yaml")
    assert again.exit_code == OK
    assert "unchanged" in again.stdout
    assert "flowkeep definition run report" in again.stderr
    versions = await ask("definition", "versions", "report")
    assert [one["revision"] for one in versions["data"]] == [0]
    assert (await ask("definition", "get", "report"))["app_id"] == "shop"


async def test_one_broken_file_stores_nothing(
    good: Path, broken: Path, call: Call, ask: Ask, tmp_path: Path
) -> None:
    """With errors in any file none is stored, and two files of one definition are refused."""
    write(broken, BROKEN.replace("ref: report", "ref: other"))
    done = await call("definition", "apply", "good.yaml", "broken.yaml")
    assert done.exit_code == RUN_FAILED
    assert "broken.yaml:5: tasks[0].retry.count: " in done.stderr
    assert (await ask("definition", "list"))["data"] == []
    write(tmp_path / "same.yaml", GOOD)
    twice = await call("definition", "apply", "good.yaml", "same.yaml")
    assert twice.exit_code == USAGE
    assert "good.yaml and same.yaml" in twice.stderr


async def test_drafts(broken: Path, good: Path, call: Call, ask: Ask) -> None:
    """A draft is stored with its errors, and refused when it is run, with what is wrong."""
    done = await call("definition", "apply", "broken.yaml", "--draft")
    assert done.exit_code == OK
    assert "draft" in done.stdout
    assert "broken.yaml:5: " in done.stderr
    found = await ask("definition", "get", "report")
    assert found["draft"] is True
    assert [one["path"] for one in found["errors"]] == [
        "tasks[0].retry.count",
        "tasks[0].transitions[0].do[0]",
    ]
    refused = await call("definition", "run", "report")
    assert refused.exit_code == USAGE
    assert "tasks[0].retry.count" in refused.stderr
    assert "flowkeep definition get report" in refused.stderr
    assert (await ask("definition", "apply", "good.yaml"))["data"][0]["draft"] is False


async def test_two_appliers_at_once(
    good: Path, ask: Ask, environment: dict[str, str], tmp_path: Path
) -> None:
    """Both succeed: one makes the definition, the other changes it."""
    write(tmp_path / "other.yaml", GOOD.replace("Daily", "Weekly"))

    async def apply(name: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "flowkeep", "definition", "apply", name, "-o", "json"),
            cwd=tmp_path,
            stdout=PIPE,
            env={**os.environ, **environment},
        )
        out, _ = await process.communicate()
        change: str = json.loads(out)["data"][0]["change"]
        return change

    both = await asyncio.gather(apply("good.yaml"), apply("other.yaml"))
    assert sorted(both) == ["created", "updated"]
    assert len((await ask("definition", "versions", "report"))["data"]) == 2


async def test_diff(good: Path, call: Call, ask: Ask) -> None:
    """The exit code tells whether something differs; files and versions can be compared."""
    new = await call("definition", "diff", "good.yaml")
    assert new.exit_code == RUN_FAILED
    assert "not stored yet" in new.stderr
    await ask("definition", "apply", "good.yaml")
    same = await call("definition", "diff", "good.yaml")
    assert (same.exit_code, same.stdout) == (OK, "")
    write(good, GOOD.replace("shop.load", "shop.read"))
    other = await call("definition", "diff", "good.yaml")
    assert other.exit_code == RUN_FAILED
    assert other.stdout == 'changed tasks.load.action: "shop.load" → "shop.read"\n'
    dry = await call("definition", "apply", "good.yaml", "--dry-run")
    assert dry.stdout.splitlines()[0] == "report: would be updated"
    await ask("definition", "apply", "good.yaml")
    versions = await call("definition", "diff", "report", "--revision", "0", "--revision", "1")
    assert versions.stdout == other.stdout
    back = await call("definition", "diff", "good.yaml", "--revision", "0", "-o", "json")
    assert json.loads(back.stdout)["changes"][0]["path"] == "tasks.load.action"
    for words in (["report"], ["good.yaml", "--revision", "0", "--revision", "1"]):
        assert (await call("definition", "diff", *words)).exit_code == USAGE


async def test_rollback(good: Path, call: Call, ask: Ask) -> None:
    """The content of an earlier version becomes the newest; one that does not exist is told."""
    await ask("definition", "apply", "good.yaml")
    write(good, GOOD.replace("shop.load", "shop.read"))
    await ask("definition", "apply", "good.yaml")
    done = await call("definition", "rollback", "report", "--to", "0")
    assert done.exit_code == OK
    assert "at revision 2" in done.stdout
    assert (await ask("definition", "get", "report"))["spec"]["tasks"][0]["action"] == "shop.load"
    gone = await call("definition", "rollback", "report", "--to", "9")
    assert gone.exit_code == CALL_FAILED
    assert "no version 9" in gone.stderr


async def test_delete_while_there_are_runs(
    good: Path, call: Call, ask: Ask, settings: Settings
) -> None:
    """It is hidden from every list, and its versions can still be read by its id."""
    made = (await ask("definition", "apply", "good.yaml"))["data"][0]
    async with await connect(settings=settings) as store:
        fields = {"workflow_id": "w", "workflow_type": "D", "task_queue": "q"}
        await store.runs.create("default", NewRun(id=uuid7(), definition_id=made["id"], **fields))
    assert (await call("definition", "delete", "report")).exit_code == USAGE
    done = await call("definition", "delete", "report", "--yes")
    assert done.exit_code == OK
    assert f"flowkeep definition versions {made['id']}" in done.stderr
    assert (await ask("definition", "list"))["data"] == []
    assert len((await ask("definition", "versions", made["id"]))["data"]) == 1
    text = await call("definition", "get", made["id"], "--revision", "0", "-o", "yaml")
    assert text.stdout == GOOD
    assert (await call("definition", "delete", "report", "--yes")).exit_code == CALL_FAILED


async def test_enable_and_disable(good: Path, call: Call, ask: Ask) -> None:
    """A disabled definition says so, and once more when it is already."""
    await ask("definition", "apply", "good.yaml")
    assert (await call("definition", "disable", "report")).stdout == "report is disabled.\n"
    again = await call("definition", "disable", "report")
    assert again.stdout == "report is disabled already.\n"
    refused = await call("definition", "run", "report")
    assert refused.exit_code == USAGE
    assert "disabled" in refused.stderr
    assert (await ask("definition", "enable", "report"))["enabled"] is True


async def test_the_document_comes_back(good: Path, call: Call, ask: Ask) -> None:
    """`get -o yaml` prints what apply takes as no change."""
    await ask("definition", "apply", "good.yaml")
    text = await call("definition", "get", "report", "-o", "yaml")
    assert text.stdout == GOOD
    assert (await call("definition", "apply", "-", stdin=text.stdout)).exit_code == OK
    assert len((await ask("definition", "versions", "report"))["data"]) == 1


async def test_canvas(call: Call, ask: Ask, tmp_path: Path, action: None) -> None:
    """A drawing is stored as a definition, and printed again as it was drawn."""
    write(tmp_path / "drawn.json", CANVAS)
    refused = await call("definition", "import-canvas", "drawn.json")
    assert refused.exit_code == RUN_FAILED
    assert "drawn.json: canvas.nodes['n'].steps[0]: " in refused.stderr
    await ask("state", "set", "actions/shop", '{"load": "shop.load"}')
    made = await ask("definition", "import-canvas", "drawn.json", "--app", "shop")
    assert (made["ref"], made["change"], made["problems"]) == ("drawn", "created", [])
    printed = await call("definition", "export-canvas", "drawn")
    assert json.dumps(json.loads(printed.stdout)) == json.dumps(json.loads(CANVAS))
    other = await call("definition", "import-canvas", "drawn.json", "--action", "m.load=x.y")
    assert "warning: tasks[0].action" in other.stderr
    await ask("definition", "apply", "-", stdin=GOOD)
    none = await call("definition", "export-canvas", "report")
    assert none.exit_code == CALL_FAILED


async def test_schema_is_the_published_one(ask: Ask) -> None:
    """The schema that is printed is the one that is published."""
    published = Path(__file__).parents[2] / "docs" / "reference" / "definition.schema.json"
    assert await ask("definition", "schema") == json.loads(published.read_text())
