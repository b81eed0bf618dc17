"""`flowkeep dev` as a user runs it, with a second terminal beside it; one folder for all tests."""

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

pytestmark = pytest.mark.slow


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


class Dev:
    """`flowkeep dev` in a folder, which can be ended and started again.

    Attributes:
        folder: Where it runs.
        process: It.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: Process | None = None

    @property
    def file(self) -> Path:
        """What it leaves for other processes while it runs."""
        return self.folder / ".flowkeep" / "engine.json"

    async def running(self) -> Process:
        """Return the process, ready for use; start it when there is none."""
        if self.process is not None and self.process.returncode is None:
            return self.process
        process = self.process = await start(self.folder, "dev")

        def ready() -> None:
            assert process.returncode is not None or self.file.exists()

        await eventually(ready, timeout=60)
        assert process.returncode is None, await output_of(process)
        return process

    async def end(self, number: signal.Signals) -> str:
        """Send it a signal and return what it printed until its end."""
        process = await self.running()
        process.send_signal(number)
        return await output_of(process)


@pytest.fixture(scope="module")
async def dev(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Dev]:
    """Where it runs; each test finds it running, or starts it."""
    dev = Dev(tmp_path_factory.mktemp("dev"))
    yield dev
    if dev.process is not None and dev.process.returncode is None:
        await dev.end(signal.SIGTERM)


async def test_a_second_terminal_just_works(dev: Dev) -> None:
    """Commands in the folder find a migrated ledger without any setting, front ends an open API."""
    await dev.running()
    runs, ledger = await asyncio.gather(
        *(start(dev.folder, *words, "-o", "json") for words in (("run", "list"), ("db", "current")))
    )
    listed, current = map(json.loads, await asyncio.gather(output_of(runs), output_of(ledger)))
    assert listed["data"] == []
    assert current["current"] == current["head"]
    url = json.loads(dev.file.read_text())["api"]
    async with httpx2.AsyncClient(base_url=url, timeout=60) as http:
        # Open, on this machine; and commands of the folder still work without it.
        assert (await http.get("/api/v1/runs")).json()["data"] == []
        assert (await http.get("/api/v1/ready")).status_code == 200
    assert url.startswith("http://127.0.0.1:")


async def test_a_second_dev_says_so(dev: Dev) -> None:
    """A second `flowkeep dev` in the folder ends with 3 and names the one that runs."""
    first = await dev.running()
    second = await start(dev.folder, "dev")
    text = await output_of(second)
    assert second.returncode == CALL_FAILED
    assert str(first.pid) in text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)]
)
async def test_state_survives(number: signal.Signals, dev: Dev) -> None:
    """Ctrl-C and SIGTERM end it with 0 and no traceback, and the next one has the same state."""
    first = await dev.running()
    value = {"a": int(number)}
    await output_of(await start(dev.folder, "state", "set", "mark", json.dumps(value)))
    text = await dev.end(number)
    assert first.returncode == 0
    assert "Traceback" not in text
    assert not dev.file.exists()
    await dev.running()
    words = ("state", "get", "mark", "-o", "json")
    entry = json.loads(await output_of(await start(dev.folder, *words)))
    assert entry["value"] == value
