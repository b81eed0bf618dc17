"""`core.shell`: real programs."""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from flowkeep.definitions.actions import ActionError, ActionRegistry
from flowkeep.errors import InvalidInput
from tests.support import alive, eventually


async def run(*args: str, **values: Any) -> dict[str, Any]:
    """Call the action as the worker does: by its schema."""
    shell = ActionRegistry(ActionRegistry.built_in(allow_shell=True))["core.shell"]
    result = await shell.function(**shell.validate_input({"args": list(args), **values}))
    return dict(shell.dump_result(result))


async def python(code: str, *args: str, **values: Any) -> dict[str, Any]:
    """Run some Python."""
    return await run(sys.executable, "-c", code, *args, **values)


async def refused(code: str, **values: Any) -> ActionError:
    """The error of a program that has to fail."""
    with pytest.raises(ActionError) as error:
        await python(code, **values)
    return error.value


async def test_arguments_are_no_shell_line(tmp_path: Path) -> None:
    """Arguments arrive as they are: no shell reads them."""
    hostile = ["$(touch x)", "; ls", "*", "a b", "'\"", ""]
    result = await python("import sys; print(sys.argv[1:])", *hostile, cwd=str(tmp_path))
    assert result == {"exit_code": 0, "stdout": f"{hostile}\n", "stderr": ""}
    assert (await run("ls", "-A", str(tmp_path)))["stdout"] == ""


async def test_input_and_folder(tmp_path: Path) -> None:
    """A program reads what it is given and runs where it is told to."""
    code = "import os, sys; print(os.getcwd(), sys.stdin.read()); print('warn', file=sys.stderr)"
    result = await python(code, cwd=str(tmp_path), stdin="grüß")
    assert result["stdout"] == f"{tmp_path} grüß\n"
    assert result["stderr"] == "warn\n"
    assert (await python("", stdin="x" * 5_000_000))["exit_code"] == 0


async def test_the_environment_of_the_worker_stays_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program sees its own variables and few others: not the credentials of the worker."""
    monkeypatch.setenv("FLOWKEEP_SECRET_KEY", "canary")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    result = await python("import os; print(dict(os.environ))", env={"OWN": "1"})
    assert "'OWN': '1'" in result["stdout"]
    assert "PATH" in result["stdout"]
    assert "canary" not in result["stdout"]


async def test_exit_codes(tmp_path: Path) -> None:
    """Any exit code but 0 is an error with the end of what it complained about."""
    code = "import sys; print('x' * 100000 + ' the end', file=sys.stderr); sys.exit(7)"
    error = await refused(code)
    assert error.code == "SHELL_EXIT_CODE"
    assert "exit code 7" in str(error)
    assert str(error).endswith("x the end")
    assert len(str(error)) < 3_000
    with pytest.raises(ActionError, match="No such file") as missing:
        await run("no-such-program-4711")
    assert (missing.value.code, missing.value.retryable) == ("SHELL_NOT_STARTED", False)
    with pytest.raises(ActionError, match="cannot run the program"):
        await python("", cwd=str(tmp_path / "missing"))


async def test_too_much_output_ends_the_program() -> None:
    """A program that writes without end is killed when it has written too much."""
    error = await refused("while True: print('x' * 1000)", max_bytes=50_000)
    assert (error.code, error.retryable) == ("SHELL_TOO_LARGE", False)


SPAWNS = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1], sys.argv[1] + ".done")
time.sleep(60)
"""


async def test_a_timeout_kills_what_was_started(tmp_path: Path) -> None:
    """Behind the timeout neither the program nor what it has started lives."""
    begun = time.monotonic()
    with pytest.raises(ActionError) as error:
        await python(SPAWNS, str(tmp_path / "pids"), timeout=3)
    assert error.value.code == "SHELL_TIMEOUT"
    assert time.monotonic() - begun < 20
    await all_dead(tmp_path)


async def test_cancelling_kills_what_was_started(tmp_path: Path) -> None:
    """A cancelled attempt leaves no program behind."""
    running = asyncio.ensure_future(python(SPAWNS, str(tmp_path / "pids")))

    def written() -> None:
        assert (tmp_path / "pids.done").exists()

    await eventually(written)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    await all_dead(tmp_path)


async def all_dead(folder: Path) -> None:
    """Wait until no process that was started is left."""
    pids = [int(pid) for pid in (folder / "pids.done").read_text().split()]
    assert os.getpid() not in pids

    def dead() -> None:
        assert not any(alive(pid) for pid in pids)

    await eventually(dead)


@pytest.mark.parametrize(
    "values",
    [{"args": ["echo", "a\x00b"]}, {"args": ["echo"], "env": {"A=B": "1"}}, {"args": []},
     {"args": "echo a"}, {"args": ["echo"], "env": {"": "1"}}, {"args": ["echo"], "cwd": "\x00"}],
)  # fmt: skip
async def test_what_cannot_be_run(values: dict[str, Any]) -> None:
    """A line for a shell, NUL characters and broken names of variables are refused."""
    shell = ActionRegistry(ActionRegistry.built_in(allow_shell=True))["core.shell"]
    with pytest.raises(InvalidInput):
        await shell.function(**shell.validate_input(values))
