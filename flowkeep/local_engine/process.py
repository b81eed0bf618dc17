"""A process that ends when we end, and its log."""

import asyncio
import fcntl
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

from flowkeep.errors import FlowkeepError

LAUNCHER = Path(__file__).with_name("launcher.py")
POLL_SECONDS = 0.02
LOG_BYTES = 5_000_000
"""A log that has grown beyond this is set aside at the next start."""


class ProcessEndedError(FlowkeepError):
    """The process ended by itself; the message ends with the last lines of its log."""

    code = "PROCESS_ENDED"


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who runs the server: nothing set = we ourselves."""

    prefix: tuple[str, ...] = ()
    """Command in front of the launcher, such as `unshare --user …`."""
    uid: int | None = None
    """User id the server changes to."""
    gid: int | None = None
    """Group id the server changes to."""


class OwnedProcess:
    """Starts, watches and stops one program, a server as a rule, with all it starts in turn.

    Args:
        name: What messages call it.
        log: File that receives its output.
        lock: File locked while the server runs; a new one waits for an old one that still stops.
        account: Who runs it.
        stop_seconds: How long a clean stop may take before the server is killed.
    """

    def __init__(
        self,
        name: str,
        *,
        log: Path,
        lock: Path,
        account: Account | None = None,
        stop_seconds: float = 30.0,
    ) -> None:
        self.name = name
        self.log = log
        self.pid: int | None = None
        """Process id of the server itself, null when it does not run."""
        self._lock = lock
        self._account = account or Account()
        self._stop_seconds = stop_seconds
        self._launcher: asyncio.subprocess.Process | None = None
        self._log_start = 0

    async def start(self, command: list[str], environment: dict[str, str]) -> None:
        """Start the server; returns when the process exists, not when it is ready.

        Args:
            command: Absolute path of the program and its arguments.
            environment: All its variables.

        Raises:
            ProcessEndedError: If it could not be started.
        """
        spec = {
            "command": command,
            "environment": environment,
            "lock": str(self._lock),
            "owner": os.getpid(),
            "uid": self._account.uid,
            "gid": self._account.gid,
            "stop_seconds": self._stop_seconds,
        }
        log = self._open_log()
        try:
            self._launcher = await asyncio.create_subprocess_exec(
                *self._account.prefix,
                sys.executable,
                "-I",
                "-S",
                str(LAUNCHER),
                json.dumps(spec),
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is ours to handle
            )
        finally:
            os.close(log)
        assert self._launcher.stdout is not None
        line = await self._launcher.stdout.readline()
        if not line.strip():
            await self._launcher.wait()
            raise self.ended()
        self.pid = int(line)

    async def predecessor_gone(self) -> None:
        """Wait until a server that a killed owner left behind has stopped; its launcher sees to it.

        Raises:
            TimeoutError: If it takes longer than a clean stop and a kill.
        """
        lock = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            async with asyncio.timeout(self._stop_seconds + 5):
                while True:
                    try:
                        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        await asyncio.sleep(POLL_SECONDS)
                    else:
                        return
        finally:
            os.close(lock)

    @property
    def running(self) -> bool:
        """Whether the server is there."""
        return self._launcher is not None and self._launcher.returncode is None

    async def wait(self) -> int:
        """Return the exit code once the server has ended, 128 + signal after a signal."""
        assert self._launcher is not None
        code = await self._launcher.wait()
        self.pid = None
        return code

    def kill(self) -> None:
        """End it at once by SIGKILL, as a crash would."""
        if self.pid is not None and self.running:
            os.kill(self.pid, signal.SIGKILL)

    async def stop(self) -> None:
        """Stop it cleanly and wait until it is gone."""
        if self._launcher is None:
            return
        assert self._launcher.stdin is not None
        self._launcher.stdin.close()
        await asyncio.shield(self.wait())

    def ended(self) -> ProcessEndedError:
        """Return the error that says how it ended."""
        code = self._launcher.returncode if self._launcher else None
        return ProcessEndedError(
            f"{self.name} ended (exit code {code}): {self.output().strip()[-1500:] or 'no output'}",
            hint=f"its log is {self.log}",
        )

    def output(self) -> str:
        """Return what it has written since its last start."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def _open_log(self) -> int:
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".old.log"))
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._log_start = os.fstat(log).st_size
        return log
