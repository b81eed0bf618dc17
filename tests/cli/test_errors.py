"""Exit codes and how errors are told."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from flowkeep.cli.app import CALL_FAILED, INTERRUPTED, PIPE_CLOSED, USAGE, cli, report
from flowkeep.cli.invocation import Invocation
from flowkeep.errors import Conflict, InvalidInput, LedgerUnavailable, NotFound

NOWHERE = "postgresql://someone:canary-4711@127.0.0.1:1/none"


def call(*words: str) -> Result:
    """Run a command line in this process."""
    return CliRunner().invoke(cli, words, prog_name="flowkeep")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory without an engine file."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["run", "nonsense"],
        ["run", "list", "--limit", "0"],
        ["run", "list", "--limit", "many"],
        ["run", "list", "--status", "done?"],
        ["run", "list", "--since", "yesterday"],
        ["run", "list", "--label", "novalue"],
        ["run", "list", "--after", "no-uuid"],
        ["run", "get"],
        ["run", "start"],
        ["run", "start", "Hello", "--arg", "novalue"],
        ["run", "start", "Hello", "--arg", "a=1", "--arg", "a=2"],
        ["run", "start", "Hello", "--args-json", "[1]"],
        ["run", "start", "Hello", "--args-json", "{"],
        ["run", "start", "Hello", "--args-json", "@missing.json"],
        ["run", "watch", "x", "--interval", "0"],
        ["state", "set", "key", "not json"],
        ["state", "get", "key", "--kind", "other"],
        ["worker", "start"],
        ["worker", "start", "x", "--processes", "0"],
        ["-o", "yaml", "run", "list"],
    ],
    ids=" ".join,
)
def test_usage_errors_exit_with_2(words: list[str]) -> None:
    """A command line that cannot be understood exits with 2 and one line on standard error."""
    done = call(*words)
    assert (done.exit_code, done.stdout) == (USAGE, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("Error: ")


@pytest.mark.parametrize(
    "words",
    [
        ["-o", "json", "run", "nonsense"],
        ["run", "list", "--limit", "0", "-o", "json"],
        ["run", "list", "--nonsense", "--output=json"],
    ],
    ids=" ".join,
)
def test_usage_errors_as_json(words: list[str]) -> None:
    """With JSON output the error is a JSON document, wherever `-o json` stands."""
    done = call(*words)
    assert done.exit_code == USAGE
    error = json.loads(done.stderr)["error"]
    assert error.keys() == {"code", "message", "hint"}
    assert error["code"] == "USAGE"


@pytest.mark.parametrize(
    "words", [["run", "list"], ["run", "get", "x"], ["db", "current"], ["state", "get", "k"]]
)
def test_no_ledger_configured(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a ledger the error names the variable and the command that provides one."""
    monkeypatch.delenv("FLOWKEEP_DATABASE_URL", raising=False)
    done = call(*words)
    assert (done.exit_code, done.stdout) == (CALL_FAILED, "")
    assert "FLOWKEEP_DATABASE_URL" in done.stderr
    assert "flowkeep dev" in done.stderr


@pytest.mark.parametrize("words", [["run", "list"], ["db", "upgrade"], ["db", "current"]])
def test_unreachable_ledger(words: list[str]) -> None:
    """A ledger that is away exits with 3, in one line, without the password."""
    done = call(*words, "--database-url", NOWHERE)
    assert (done.exit_code, done.stdout) == (CALL_FAILED, "")
    assert len(done.stderr.splitlines()) == 1
    assert "127.0.0.1" in done.stderr
    assert "canary" not in done.stderr
    told = call(*words, "--database-url", NOWHERE, "-o", "json")
    assert json.loads(told.stderr)["error"]["code"] == "LEDGER_UNAVAILABLE"


def test_wrong_environment_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that does not fit is a configuration error that names its variable."""
    monkeypatch.setenv("FLOWKEEP_DATABASE_POOL_SIZE", "many")
    done = call("run", "list")
    assert done.exit_code == CALL_FAILED
    assert "FLOWKEEP_DATABASE_POOL_SIZE" in done.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("no run x"), CALL_FAILED),
        (Conflict("taken"), CALL_FAILED),
        (LedgerUnavailable("away"), CALL_FAILED),
        (InvalidInput("limit is 0"), USAGE),
        (RuntimeError("bug"), CALL_FAILED),
        (click.UsageError("what?"), USAGE),
    ],
)
def test_exit_code_of_each_error(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Errors in what was passed exit with 2, all others with 3, in one line without traceback."""
    assert report(error, Invocation()) == code
    text = capsys.readouterr().err
    assert text.startswith("Error: ")
    assert len(text.splitlines()) == 1


def test_unexpected_error_shows_its_traceback_only_with_debug(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A traceback needs --debug, and even then it is without secrets."""
    try:
        raise RuntimeError(f"cannot use {NOWHERE}")
    except RuntimeError as error:
        report(error, Invocation())
        assert "Traceback" not in capsys.readouterr().err
        report(error, Invocation(debug=True))
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert "canary" not in text


def test_interrupt_exits_with_130() -> None:
    """Ctrl-C ends a command with 130 and no traceback."""
    code = (
        "import click\n"
        "from flowkeep.cli.app import cli\n"
        "@cli.command()\n"
        "def stuck():\n"
        "    raise KeyboardInterrupt\n"
        "cli.main(['stuck'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (INTERRUPTED, "")


def test_closed_pipe_is_quiet() -> None:
    """When the reader of the output goes away, the command ends without a traceback."""
    code = (
        "from flowkeep.cli.app import cli\n"
        "import click\n"
        "@cli.command()\n"
        "def chatty():\n"
        "    while True:\n"
        "        click.echo('line')\n"
        "cli.main(['chatty'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=30) == PIPE_CLOSED
    assert process.stderr.read() == ""
    process.stderr.close()
