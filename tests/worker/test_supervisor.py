"""The parent of several worker processes."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.support import eventually
from tests.worker.supervised import AWAY


@pytest.mark.slow
async def test_a_server_that_is_away_does_not_end_the_parent(tmp_path: Path) -> None:
    """A child that finds a server away is started again until it serves, and drains at SIGTERM."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.worker.supervised", str(tmp_path)
    )

    def serving() -> None:
        assert (tmp_path / "serving").exists()

    try:
        await eventually(serving, timeout=90)
        assert len((tmp_path / "begun").read_text()) == AWAY + 1
        parent.terminate()
        assert await parent.wait() == 0
        assert (tmp_path / "drained").exists()
    finally:
        if parent.returncode is None:
            parent.kill()
            await parent.wait()


@pytest.mark.slow
async def test_a_companion_that_crashes_is_started_again(tmp_path: Path) -> None:
    """A process beside the workers comes back when it ends, and goes when they go."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.worker.supervised", str(tmp_path), "beside"
    )
    begun = tmp_path / "companion"

    def back() -> None:
        assert (tmp_path / "companion-listens").exists()
        assert begun.read_text() == "xx"
        assert parent.returncode is None

    try:
        await eventually(back, timeout=90)
        parent.terminate()
        assert await parent.wait() == 0
        assert (tmp_path / "companion-drained").exists()
    finally:
        if parent.returncode is None:
            parent.kill()
            await parent.wait()
