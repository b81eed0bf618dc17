"""Several worker processes under one parent: one Python worker is one core.

Children are spawned, never forked: the SDK's runtime does not survive a fork.
"""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any, Self

import uvloop

from flowkeep.errors import ConfigurationError, FlowkeepError
from flowkeep.settings import Settings

logger = logging.getLogger(__name__)

Work = Callable[..., Coroutine[Any, Any, None]]

_QUICK_SECONDS = 60.0
"""A child that ends sooner than this counts as one that did not get to work."""

_QUICK_ENDS = 3
_TRY_AGAIN = 75
"""Exit code of a child that found a server away; EX_TEMPFAIL of sysexits.h."""

_AWAY_SECONDS = 2.0
_POLL_SECONDS = 0.5
_LONGEST_PAUSE = 30.0


def share_pools(settings: Settings, processes: int) -> Settings:
    """Give each of several processes its share of every pool.

    Args:
        settings: Settings of the whole.
        processes: Number of processes.
    """
    database, worker = settings.database, settings.worker
    connections = worker.max_connections_per_source
    return settings.model_copy(
        update={
            "database": database.model_copy(
                update={"pool_size": max(1, database.pool_size // processes)}
            ),
            "worker": worker.model_copy(
                update={
                    "threads": max(1, worker.threads // processes),
                    "max_connections_per_source": max(1, connections // processes),
                }
            ),
        }
    )


def supervise(
    work: Work,
    *,
    args: tuple[Any, ...] = (),
    processes: int = 1,
    grace_seconds: float = 40.0,
    beside: "Companion | None" = None,
    name: str = "worker",
) -> None:
    """Run a coroutine function in one or several processes until SIGTERM or SIGINT.

    One process is this one. Several are spawned; one that dies is started again, all are told to
    stop when this one is, and they stop by themselves when it is killed.

    Args:
        work: An importable coroutine function that ends by itself at SIGTERM.
        args: Its arguments; they are pickled for spawned processes.
        processes: How many.
        grace_seconds: How long children may drain before they are killed.
        beside: One more process, of another kind, for as long.
        name: What the processes are called.

    Raises:
        ConfigurationError: If a process ends again and again before it gets to work.
    """
    with beside or nullcontext():
        if processes == 1:
            uvloop.run(work(*args))
        else:
            children = [_Child(name, index, work, args) for index in range(processes)]
            _supervise_children(children, grace_seconds)


def _supervise_children(children: "list[_Child]", grace_seconds: float) -> None:
    stop = _StopSignal()
    try:
        with stop:
            for child in children:
                child.start()
            while not stop.received:
                wait([child.process.sentinel for child in children], timeout=_POLL_SECONDS)
                for child in children:
                    if not stop.received:
                        child.revive()
    finally:
        _stop_all(children, grace_seconds)


class Companion:
    """A spawned process beside the workers, started again whenever it ends.

    Whatever becomes of it, the workers go on: a thread looks after it, and tries again after a
    pause that grows.

    Args:
        work: An importable coroutine function that ends by itself at SIGTERM.
        args: Its arguments; they are pickled.
        name: Name of the process.
        delay_seconds: How long the workers have the machine for themselves.
        grace_seconds: How long it may take to end before it is killed.
    """

    def __init__(
        self,
        work: Work,
        args: tuple[Any, ...] = (),
        *,
        name: str,
        delay_seconds: float = 2.0,
        grace_seconds: float = 10.0,
    ) -> None:
        self._work = work
        self._args = args
        self._name = name
        self._delay = delay_seconds
        self._grace = grace_seconds
        self._process: SpawnProcess | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_after, name=name, daemon=True)

    def __enter__(self) -> Self:
        """Begin to look after the process."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._stop.set()
        if self._process is not None and self._process.is_alive():
            self._process.terminate()
        self._thread.join()

    def _look_after(self) -> None:
        pause = _AWAY_SECONDS
        ended = self._stop.wait(self._delay)
        while not ended:
            started = time.monotonic()
            self._process = process = _spawn(self._work, self._args, self._name)
            logger.info("%s started, pid %d", self._name, process.pid)
            while process.is_alive() and not self._stop.is_set():
                process.join(_POLL_SECONDS)
            if self._stop.is_set():
                _end([process], self._grace)
                return
            lived = time.monotonic() - started
            pause = _AWAY_SECONDS if lived > _QUICK_SECONDS else min(2 * pause, _LONGEST_PAUSE)
            logger.error(
                "%s (pid %d) ended with exit code %s and is started again in %.0f s",
                self._name,
                process.pid,
                process.exitcode,
                pause,
            )
            ended = self._stop.wait(pause)


@dataclass
class _Child:
    name: str
    index: int
    work: Work
    args: tuple[Any, ...]
    quick_ends: int = 0
    started_at: float = 0.0
    process: SpawnProcess = field(init=False)

    def start(self) -> None:
        self.started_at = time.monotonic()
        self.process = _spawn(self.work, self.args, f"flowkeep-{self.name}-{self.index}")
        logger.info("%s process %d started, pid %d", self.name, self.index, self.process.pid)

    def revive(self) -> None:
        """Start the child again if it has ended."""
        if self.process.is_alive():
            return
        away = self.process.exitcode == _TRY_AGAIN
        if away:
            time.sleep(_AWAY_SECONDS)
        quick = not away and time.monotonic() - self.started_at < _QUICK_SECONDS
        self.quick_ends = self.quick_ends + 1 if quick else 0
        logger.error(
            "%s process %d (pid %d) ended with exit code %s",
            self.name,
            self.index,
            self.process.pid,
            self.process.exitcode,
        )
        if self.quick_ends >= _QUICK_ENDS:
            raise ConfigurationError(
                f"{self.name} process {self.index} ended {self.quick_ends} times within "
                f"{_QUICK_SECONDS:.0f} s of its start",
                hint="its own messages above say why",
            )
        self.start()


class _StopSignal:
    """Remembers that SIGTERM or SIGINT arrived."""

    def __init__(self) -> None:
        self.received = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = True


def _stop_all(children: list[_Child], grace_seconds: float) -> None:
    _end([child.process for child in children if hasattr(child, "process")], grace_seconds)


def _end(processes: list[SpawnProcess], grace_seconds: float) -> None:
    """Ask processes to end, and kill those that do not."""
    for process in processes:
        if process.is_alive():
            process.terminate()
    deadline = time.monotonic() + grace_seconds
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            logger.warning(
                "%s (pid %d) did not stop in time and is killed", process.name, process.pid
            )
            process.kill()
            process.join()


def _spawn(work: Work, args: tuple[Any, ...], name: str) -> SpawnProcess:
    process = multiprocessing.get_context("spawn").Process(
        target=_run_child, args=(work, args), name=name
    )
    process.start()
    return process


def _run_child(work: Work, args: tuple[Any, ...]) -> None:
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        uvloop.run(work(*args))
    except FlowkeepError as error:
        if not error.retryable:
            raise
        logger.error("a server is away: %s", error)
        sys.exit(_TRY_AGAIN)


def _follow_parent() -> None:
    """Stop this process when its parent is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
