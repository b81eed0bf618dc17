"""`flowkeep state` and `flowkeep db` on a real ledger."""

import json
from pathlib import Path

from click.testing import CliRunner

from flowkeep.cli.app import CALL_FAILED, cli
from tests.cli.calling import Ask, Call


async def test_state_is_kept_and_merged(ask: Ask) -> None:
    """What was set is what is read, and --merge keeps the other keys."""
    stored = await ask("state", "set", "mark", '{"a": 1, "b": {"c": [1, "ü"]}}')
    assert stored["value"] == {"a": 1, "b": {"c": [1, "ü"]}}
    await ask("state", "set", "mark", '{"a": 2}', "--merge")
    read = await ask("state", "get", "mark")
    assert read["value"] == {"a": 2, "b": {"c": [1, "ü"]}}
    assert read["revision"] == stored["revision"] + 1


async def test_state_from_file_and_standard_input(ask: Ask, tmp_path: Path) -> None:
    """A value may come from a file or from standard input."""
    file = tmp_path / "value.json"
    file.write_text('{"from": "file"}')
    await ask("state", "set", "one", f"@{file}")
    await ask("state", "set", "two", "@-", stdin='{"from": "stdin"}')
    assert (await ask("state", "get", "one"))["value"] == {"from": "file"}
    assert (await ask("state", "get", "two"))["value"] == {"from": "stdin"}


async def test_state_of_another_tenant_is_absent(ask: Ask, call: Call) -> None:
    """One tenant's state is not found by another, and the error says so with exit code 3."""
    await ask("state", "set", "mine", '{"a": 1}', "--tenant", "one")
    done = await call("--tenant", "two", "state", "get", "mine")
    assert done.exit_code == CALL_FAILED
    assert "mine" in done.stderr


async def test_state_revision_is_checked(ask: Ask, call: Call) -> None:
    """A write on a stale revision changes nothing and is told as a conflict."""
    await ask("state", "set", "mark", '{"a": 1}', "--expect-revision", "0")
    done = await call("state", "set", "mark", '{"a": 2}', "--expect-revision", "0", "-o", "json")
    assert done.exit_code == CALL_FAILED
    assert json.loads(done.stderr)["error"]["code"] == "REVISION_MISMATCH"
    assert (await ask("state", "get", "mark"))["value"] == {"a": 1}


async def test_state_as_a_table(call: Call, ask: Ask) -> None:
    """For people, an entry is lines of name and value, without control characters."""
    await ask("state", "set", "mark", json.dumps({"a": "x\x1b[31my"}))
    done = await call("state", "get", "mark")
    assert done.exit_code == 0
    assert "mark" in done.stdout
    assert "\x1b" not in done.stdout


def test_db_upgrade_from_nothing(database_url: str) -> None:
    """A new database has no tables, is migrated once, and stays as it is the second time."""

    def run(verb: str) -> dict[str, str | None]:
        done = CliRunner().invoke(cli, ["db", verb, "--database-url", database_url, "-o", "json"])
        assert done.exit_code == 0, done.stderr
        found: dict[str, str | None] = json.loads(done.stdout)
        return found

    start = run("current")
    assert start["current"] is None
    first = run("upgrade")
    assert first == {"before": None, "current": start["head"]}
    assert run("upgrade") == {"before": start["head"], "current": start["head"]}
    assert run("current")["current"] == start["head"]


def test_commands_on_an_empty_database_name_the_upgrade(database_url: str) -> None:
    """A ledger that was never migrated is an error that names the command."""
    done = CliRunner().invoke(cli, ["run", "list", "--database-url", database_url])
    assert done.exit_code == CALL_FAILED
    assert "flowkeep db upgrade" in done.stderr
