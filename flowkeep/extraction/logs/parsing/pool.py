"""A parser process, as its parent sees it.

It answers one statement after the other. When it dies, the statement it had not answered is the one
that killed it: that one fails with the reason, and a new process goes on with the next.
"""

import atexit
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import asdict, dataclass
from multiprocessing import Pipe
from typing import Any, NamedTuple, Self

import orjson

from flowkeep.errors import Incomplete

_AHEAD_BYTES = 32 * 1024
_AHEAD = 16
"""Bytes and statements that a busy process has before it: what the pipe takes for certain, which
counts more for a message than its bytes, so that writing never waits for a process that waits to be
read from."""
_LOOKS_EVERY_SECONDS = 0.5
_SILENCE_FACTOR = 60
"""How much longer than its processor time a statement may take; then its process counts as hung."""
_START_SECONDS = 60.0
_END_SECONDS = 2.0
_IDLE_SECONDS = 30.0
_MODULE = "flowkeep.extraction.logs.parsing.process"
MYSQL, MYSQL_DATABASE = "mysql", "def"
"""The dialect whose databases are schemas, and what it calls the only catalogue they are in."""
READY = b"ready"
"""What a process says once it has taken its settings."""


class Answer(NamedTuple):
    """What became of one statement.

    Attributes:
        lineage: What it reads and writes, as `Lineage.to_json` gives it; None when it failed.
        reason: Why it failed.
        position: Where in the statement, as far as the parser says.
    """

    lineage: Any = None
    reason: str | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class ParserSettings:
    """What a parser process needs to know.

    Attributes:
        dialect: The SQL, as sqlglot names it.
        search_path: Schemas in which names without one are looked for.
        cpu_seconds: Most processor time of one statement.
        memory_megabytes: Most address space of the process.
        catalogue: Tables and views, as `catalogue_json` describes them.
    """

    dialect: str
    search_path: tuple[str, ...]
    cpu_seconds: int
    memory_megabytes: int
    catalogue: Any = None


class Parser:
    """One parser process, started anew whenever it dies.

    Args:
        settings: What it needs to know.
        stop: Ends the work when set.
    """

    def __init__(self, settings: ParserSettings, stop: threading.Event | None = None) -> None:
        self._settings = settings
        self._stop = stop
        self._process: ParserProcess | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        process, self._process = self._process, None
        if process is not None:
            if kind is None:
                _idle.put(process)
            else:  # it may be about to answer what nobody asks any more
                process.end()

    @property
    def pid(self) -> int | None:
        """Id of the process that works, if one does."""
        return None if self._process is None else self._process.pid

    def parse(self, statements: Sequence[tuple[str, str]]) -> Iterator[Answer]:
        """Yield an answer per statement, in their order.

        Args:
            statements: Redacted text and database of each.

        Raises:
            concurrent.futures.CancelledError: If `stop` was set.
            Incomplete: If processes cannot be started.
        """
        waiting = deque(orjson.dumps(one) for one in statements)
        before: deque[bytes] = deque()
        while waiting or before:
            process = self._process or self._begin()
            try:
                while waiting and (not before or _fits(before, waiting[0])):
                    before.append(waiting.popleft())
                    process.pipe.send_bytes(before[-1])
                answer = Answer(*orjson.loads(self._receive(process)))
                before.popleft()
            except (EOFError, OSError):
                self._process = None
                answer = Answer(reason=_why(process.end()))
                before.popleft()
                waiting.extendleft(reversed(before))  # the others were lost with the process
                before.clear()
            yield answer

    def _begin(self) -> "ParserProcess":
        settings = orjson.dumps(asdict(self._settings))
        process = _idle.take()
        if process is not None and not process.accepts(settings):  # it died while it was idle
            process.end()
            process = None
        if process is None:
            process = ParserProcess()
            if not process.accepts(settings):
                raise Incomplete(
                    f"the parser process does not start (exit code {process.end()})",
                    hint="install flowkeep[logs], or give it more by logs.memory_megabytes",
                )
        self._process = process
        return process

    def _receive(self, process: "ParserProcess") -> bytes:
        waited = 0.0
        while not process.pipe.poll(_LOOKS_EVERY_SECONDS):
            if self._stop is not None and self._stop.is_set():
                raise CancelledError("stopped while parsing")
            waited += _LOOKS_EVERY_SECONDS
            if waited > self._settings.cpu_seconds * _SILENCE_FACTOR:
                process.kill()
        return process.pipe.recv_bytes()


class ParserProcess:
    """A process that parses statements; it ends when its parent does.

    Attributes:
        pipe: The way to it.
    """

    def __init__(self) -> None:
        self.pipe, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", _MODULE, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONHASHSEED": "0"},
            )

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    def accepts(self, settings: bytes) -> bool:
        """Give it its settings; returns whether it has taken them."""
        try:
            self.pipe.send_bytes(settings)
            return self.pipe.poll(_START_SECONDS) and self.pipe.recv_bytes() == READY
        except (EOFError, OSError):
            return False

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def end(self) -> int:
        """End it and return its exit code."""
        self.pipe.close()
        try:
            return self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


class _Idle:
    """Processes that wait a while for more work: starting one takes longer than most buckets."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[ParserProcess, threading.Timer]] = []

    def take(self) -> ParserProcess | None:
        with self._lock:
            if not self._waiting:
                return None
            process, timer = self._waiting.pop()
        timer.cancel()
        return process

    def put(self, process: ParserProcess) -> None:
        timer = threading.Timer(_IDLE_SECONDS, self._expire, (process,))
        timer.daemon = True
        with self._lock:
            self._waiting.append((process, timer))
        timer.start()

    def end(self) -> None:
        while (process := self.take()) is not None:
            process.end()

    def _expire(self, process: ParserProcess) -> None:
        with self._lock:
            before = len(self._waiting)
            self._waiting = [one for one in self._waiting if one[0] is not process]
            mine = len(self._waiting) < before
        if mine:
            process.end()


_idle = _Idle()
atexit.register(_idle.end)


def _fits(before: Sequence[bytes], one: bytes) -> bool:
    return len(before) < _AHEAD and sum(map(len, before)) + len(one) <= _AHEAD_BYTES


def _why(code: int) -> str:
    return "cpu_limit" if code == -signal.SIGXCPU else "crashed"
