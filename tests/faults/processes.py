"""Processes of the suite: killed, frozen and started again, each with its log.

They are forked from one that has imported everything and done nothing else, because an import
costs seconds and many of them are started.
"""

import asyncio
import importlib
import multiprocessing
import os
import signal
import sys
from multiprocessing import forkserver
from multiprocessing import process as current
from multiprocessing.context import ForkServerProcess
from pathlib import Path

START_SECONDS = 120.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.02

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["tests.faults.worker_program", "flowkeep.cli.ledger", "flowkeep.cli.ledger_verify"]
)


def warm_up() -> None:
    """Let the process that others are forked from begin with its imports."""
    forkserver.ensure_running()


class Program:
    """One real process that is started again and again.

    Args:
        name: What logs and truth files call it.
        main: Its function, `module:name`; arguments are in `sys.argv`.
        arguments: In front of those of one life.
        environment: Its variables, on top of what every process gets.
        log: Receives its output.
    """

    def __init__(
        self,
        name: str,
        main: str,
        arguments: list[str],
        environment: dict[str, str],
        log: Path,
    ) -> None:
        self.name = name
        self.log = log
        self._main = main
        self._arguments = arguments
        self._environment = environment
        self._process: ForkServerProcess | None = None
        self._expected_end = True

    async def start(self, *more: str) -> None:
        """Start it.

        Args:
            more: Arguments for this life only.
        """
        arguments = (self._main, [*self._arguments, *more], self._environment, str(self.log))
        self._process = _context.Process(target=_enter, args=arguments, name=self.name)
        await asyncio.to_thread(self._process.start)
        self._expected_end = False

    async def says(self, text: str) -> None:
        """Wait until its log holds a text.

        Raises:
            TimeoutError: If that takes longer than a start may.
        """
        async with asyncio.timeout(START_SECONDS):
            while not self.log.exists() or text not in self.log.read_text(errors="replace"):  # noqa: ASYNC110 - not our child
                await asyncio.sleep(POLL_SECONDS)

    async def end(self) -> int:
        """Wait for its end by itself and return its exit code."""
        self._expected_end = True
        return await self._gone()

    @property
    def died(self) -> str | None:
        """How it ended although nobody ended it, null when it did not."""
        if self._process is None or self._process.exitcode is None or self._expected_end:
            return None
        tail = self.log.read_text(errors="replace")[-2000:]
        return f"{self.name} ended with code {self._process.exitcode}: {tail}"

    def send(self, number: int) -> None:
        """Send it a signal."""
        if self._process is not None and self._process.exitcode is None:
            assert self._process.pid is not None
            os.kill(self._process.pid, number)

    async def kill(self) -> None:
        """End it by SIGKILL."""
        self._expected_end = True
        self.send(signal.SIGKILL)
        await self._gone()

    async def stop(self) -> None:
        """Ask it to end; kill it when it takes too long, as whoever supervises it would."""
        self._expected_end = True
        self.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._gone()
        except TimeoutError:
            await self.kill()

    async def _gone(self) -> int:
        if self._process is None:
            return 0
        while (code := self._process.exitcode) is None:  # noqa: ASYNC110 - no child of ours
            await asyncio.sleep(POLL_SECONDS)
        return code


def _enter(main: str, arguments: list[str], environment: dict[str, str], log: str) -> None:
    """Become the program, as if it had been started by its own command."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    for name in [name for name in os.environ if name.startswith(("FLOWKEEP_", "TEMPORAL_"))]:
        del os.environ[name]
    os.environ.update(environment)
    current._parent_process = None  # it is nobody's helper
    module, _, function = main.partition(":")
    sys.argv = [module, *arguments]
    getattr(importlib.import_module(module), function)()
