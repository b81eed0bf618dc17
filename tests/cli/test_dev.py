"""`flowkeep dev` as a user runs it, with a second terminal beside it."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from flowkeep.cli.app import CALL_FAILED
from tests.support import eventually


async def start(folder: Path, *words: str) -> Process:
    """Start a command line in a folder, as a process of its own."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flowkeep", *words),
        cwd=folder,
        stdout=PIPE,
        stderr=STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


async def output_of(process: Process) -> str:
    """Wait for a process's end and return what it printed."""
    text, _ = await process.communicate()
    return text.decode()


@pytest.fixture
async def dev(tmp_path: Path) -> AsyncIterator[Process]:
    """A running `flowkeep dev`, ready for use."""
    process = await start(tmp_path, "dev")

    def ready() -> None:
        assert process.returncode is None, "dev ended"
        assert (tmp_path / ".flowkeep" / "engine.json").exists()

    await eventually(ready, timeout=60)
    yield process
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        await process.communicate()


async def test_a_second_terminal_just_works(dev: Process, tmp_path: Path) -> None:
    """Commands in the folder find a migrated ledger without any setting, front ends an open API."""
    listed = json.loads(await output_of(await start(tmp_path, "run", "list", "-o", "json")))
    assert listed["data"] == []
    current = json.loads(await output_of(await start(tmp_path, "db", "current", "-o", "json")))
    assert current["current"] == current["head"]
    url = json.loads((tmp_path / ".flowkeep" / "engine.json").read_text())["api"]
    async with httpx2.AsyncClient(base_url=url, timeout=60) as http:
        # Open, on this machine; and commands of the folder still work without it.
        assert (await http.get("/api/v1/runs")).json()["data"] == []
        assert (await http.get("/api/v1/ready")).status_code == 200
    assert url.startswith("http://127.0.0.1:")


async def test_a_second_dev_says_so(dev: Process, tmp_path: Path) -> None:
    """A second `flowkeep dev` in the folder ends with 3 and names the one that runs."""
    second = await start(tmp_path, "dev")
    text = await output_of(second)
    assert second.returncode == CALL_FAILED
    assert str(dev.pid) in text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)]
)
async def test_state_survives(number: signal.Signals, dev: Process, tmp_path: Path) -> None:
    """Ctrl-C and SIGTERM end it with 0 and no traceback, and the next one has the same state."""
    await output_of(await start(tmp_path, "state", "set", "mark", '{"a": 1}'))
    dev.send_signal(number)
    text = await output_of(dev)
    assert dev.returncode == 0
    assert "Traceback" not in text
    assert not (tmp_path / ".flowkeep" / "engine.json").exists()
    again = await start(tmp_path, "dev")

    def ready() -> None:
        assert (tmp_path / ".flowkeep" / "engine.json").exists()

    await eventually(ready, timeout=60)
    entry = json.loads(await output_of(await start(tmp_path, "state", "get", "mark", "-o", "json")))
    again.send_signal(signal.SIGTERM)
    await output_of(again)
    assert entry["value"] == {"a": 1}
