"""A worker that the command line started, as a process of its own."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def served(environment: dict[str, str], task_queue: str, *words: str) -> AsyncIterator[None]:
    """Let `flowkeep worker start` serve a task queue, in the folder of the tests' modules.

    Args:
        environment: What makes it use the test's servers.
        task_queue: The queue.
        *words: What it serves.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flowkeep", "worker", "start", *words),
        *("--task-queue", task_queue, "--no-reconciler"),
        cwd=Path(__file__).parent,
        stdout=PIPE,
        stderr=STDOUT,
        env={**os.environ, **environment, "FLOWKEEP_LOG_FORMAT": "json"},
    )
    try:
        yield
        assert process.returncode is None, "the worker has ended"
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        text, _ = await process.communicate()
        print(text.decode())  # shown with a test that fails
