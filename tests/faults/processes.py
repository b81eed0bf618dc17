"""Processes of the suite: spawned, killed, frozen and started again, each with its log."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from pathlib import Path

STOP_SECONDS = 20.0


class Program:
    """One real process that is started again and again.

    Args:
        name: What logs and truth files call it.
        arguments: Behind `python -m`.
        environment: Its variables, on top of what every process gets.
        log: Receives its output.
    """

    def __init__(
        self, name: str, arguments: list[str], environment: dict[str, str], log: Path
    ) -> None:
        self.name = name
        self.arguments = arguments
        self._environment = environment
        self._log = log
        self._process: Process | None = None
        self._expected_end = True

    async def start(self, *more: str) -> None:
        """Start it.

        Args:
            more: Arguments for this life only.
        """
        kept = {key: value for key, value in os.environ.items() if not key.startswith("FLOWKEEP_")}
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *self.arguments,
                *more,
                env=kept | self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        finally:
            os.close(log)
        self._expected_end = False

    @property
    def died(self) -> str | None:
        """How it ended although nobody ended it, null when it did not."""
        if self._process is None or self._process.returncode is None or self._expected_end:
            return None
        tail = self._log.read_text(errors="replace")[-2000:]
        return f"{self.name} ended with code {self._process.returncode}: {tail}"

    def send(self, number: int) -> None:
        """Send it a signal."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def kill(self) -> None:
        """End it by SIGKILL."""
        self._expected_end = True
        self.send(signal.SIGKILL)
        await self._gone()

    async def stop(self) -> None:
        """Ask it to end, and wait.

        Raises:
            TimeoutError: If it does not end; it is killed then.
        """
        self._expected_end = True
        self.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._gone()
        except TimeoutError:
            await self.kill()
            raise TimeoutError(f"{self.name} did not stop within {STOP_SECONDS:.0f} s") from None

    async def _gone(self) -> None:
        if self._process is not None:
            await self._process.wait()
