"""`flowkeep demo` as a new user runs it: no server, no setting, an empty folder."""

import asyncio
import json
import os
import re
import shlex
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import pytest

from flowkeep.cli.app import INTERRUPTED, RUN_FAILED, USAGE
from tests.support import alive, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CANARY = "canary-4711"


async def start(folder: Path, *words: str, **environment: str) -> Process:
    """Start a command line in a folder, as a process of its own."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flowkeep", *words),
        cwd=folder,
        stdout=PIPE,
        stderr=PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    )


async def run(folder: Path, *words: str, **environment: str) -> tuple[int, str, str]:
    """Run a command line and return exit code, standard output and standard error."""
    process = await start(folder, *words, **environment)
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def children_of(pid: int) -> list[int]:
    """Return the processes that a process started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all demos of this file: the second one finds the first one's state."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
async def first(folder: Path) -> dict[str, Any]:
    """The report of the first demo in the folder."""
    code, out, err = await run(folder, "demo", "-o", "json")
    assert code == 0, err
    report: dict[str, Any] = json.loads(out)
    return report


def test_the_first_demo_agrees(first: dict[str, Any]) -> None:
    """The run succeeded, every kind was read, and all counts agree."""
    assert first["agree"]
    assert first["differences"] == []
    assert first["run"]["status"] == "succeeded"
    kinds = {scope["kind"] for scope in first["manifest"]["scopes"]}
    assert kinds >= {"databases", "schemas", "tables", "columns", "procedures"}
    for scope in first["manifest"]["scopes"]:
        assert scope["planned"] == scope["read"] == scope["written"] > 0, scope["kind"]


def test_its_tasks_are_recorded(first: dict[str, Any]) -> None:
    """Each activity of the run is a task that succeeded."""
    names = {task["task_name"] for task in first["tasks"]}
    assert names >= {"preflight_check", "fetch_tables", "fetch_columns", "transform_data"}
    assert {task["status"] for task in first["tasks"]} == {"succeeded"}


def test_its_files_are_there(first: dict[str, Any], folder: Path) -> None:
    """The files lie where the report says, below the folder of the engine."""
    files = Path(first["files"])
    assert files.is_relative_to(folder)
    assert (files / "manifest.json").exists()
    parts = [part for scope in first["manifest"]["scopes"] for part in scope["parts"]]
    assert parts
    assert sum(path.stat().st_size for path in files.rglob("*") if path.is_file()) >= sum(
        part["bytes"] for part in parts
    )


@pytest.mark.long
async def test_the_second_demo_and_what_it_says_to_try(first: dict[str, Any], folder: Path) -> None:
    """A second demo works on the same state, and each command it names really works."""
    code, out, err = await run(folder, "demo")
    assert code == 0, err
    assert "succeeded" in out
    assert re.search(r"columns +\d+ +\d+ +\d+ +\d+ +\d", out)
    commands = re.findall(r"^  \d\. (.+)$", out, re.MULTILINE)
    words = [shlex.split(command.split("flowkeep ", 1)[1]) for command in commands]
    assert [one[:2] for one in words[1:]] == [
        ["run", "tasks"],
        ["extract", "diff"],
        ["extract", "metadata"],
    ]
    assert words[0] == ["dev"]
    dev = await start(folder, *words[0])

    def ready() -> None:
        assert (folder / ".flowkeep" / "engine.json").exists()

    await eventually(ready, timeout=60)
    code, out, err = await run(folder, *words[1])
    assert code == 0, err
    assert "fetch_columns" in out
    code, out, err = await run(folder, "run", "list", "--label", "demo=true", "-o", "json")
    listed = [one["id"] for one in json.loads(out)["data"]]
    assert len(listed) == 2
    assert first["run"]["id"] in listed
    code, out, err = await run(folder, "demo", "-o", "json")  # beside a running `flowkeep dev`
    assert code == 0, err
    assert json.loads(out)["agree"]
    code, out, err = await run(folder, *words[2], "-o", "json")
    assert code == 0, err
    counts = json.loads(out)["counts"]
    assert (counts["added"], counts["changed"], counts["removed"]) == (0, 0, 0)
    assert counts["unchanged"] > 0
    refused = await run(folder, *words[3])  # there is no terminal that could ask for a password
    assert (refused[0], "FLOWKEEP_SOURCE_PASSWORD" in refused[2]) == (USAGE, True)
    assert dev.returncode is None
    dev.send_signal(signal.SIGTERM)
    await dev.communicate()
    assert dev.returncode == 0


@pytest.mark.long
async def test_a_source_that_refuses(folder: Path, first: dict[str, Any]) -> None:
    """A source with a wrong password fails the run: exit code 1, the reason, no password."""
    dev = await start(folder, "dev")

    def settings() -> dict[str, Any]:
        file = folder / ".flowkeep" / "engine.json"
        assert file.exists()
        found: dict[str, Any] = json.loads(file.read_text())["settings"]
        return found

    url = (await eventually(settings, timeout=60))["database"]["url"]
    wrong = re.sub(r"//([^:]+):[^@]+@", rf"//\1:{CANARY}@", url)
    code, out, err = await run(folder, "demo", FLOWKEEP_DEMO_SOURCE=wrong)
    dev.send_signal(signal.SIGTERM)
    await dev.communicate()
    assert code == RUN_FAILED
    assert "password" in err
    assert CANARY not in out + err
    assert CANARY not in (folder / ".flowkeep" / "logs" / "demo.log").read_text()


async def test_ctrl_c_ends_it_cleanly(first: dict[str, Any], folder: Path) -> None:
    """Ctrl-C in the middle of the run cancels it and leaves no server behind."""
    demo = await start(folder, "demo")
    assert demo.stdout is not None
    async for line in demo.stdout:
        if b"tasks" in line:
            break
    children = children_of(demo.pid)
    assert children
    demo.send_signal(signal.SIGINT)
    out, err = await demo.communicate()
    assert demo.returncode == INTERRUPTED, err
    assert "Traceback" not in (out + err).decode()
    for pid in children:
        assert not alive(pid)
