"""Collects what the code of attempts logs, and writes it behind in groups."""

import asyncio
import contextlib
import contextvars
import logging
import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flowkeep.contracts.task_logs import LogLevel, NewLogLine
from flowkeep.errors import FlowkeepError
from flowkeep.recording.current import CurrentAttempt, current_attempt
from flowkeep.recording.task_logs.lines import line_of, new_line
from flowkeep.settings import RecorderSettings

if TYPE_CHECKING:
    from flowkeep.statestore.protocols.task_logs import TaskLogRepository

logger = logging.getLogger(__name__)

MOST_WAITING = 20_000
"""Lines of a process that wait to be written; more are counted with those beyond the limits."""
_GROUP = 500
_EVERY_SECONDS = 0.5
_AGAIN_SECONDS = 2.0
_PATIENCE_SECONDS = 30.0
"""How long a line waits for its run, which the recorder may have to make first."""
_DRAIN_SECONDS = 5.0
_ACTIVITY_LOGGER = "temporalio.activity"


class Budget:
    """What one attempt has logged so far.

    Attributes:
        lines: Lines that were kept.
        size: Their bytes.
        dropped: Lines that were not.
    """

    __slots__ = ("dropped", "lines", "lock", "size")

    def __init__(self) -> None:
        self.lines = self.size = self.dropped = 0
        self.lock = threading.Lock()  # its code may log from several threads

    def takes(self, size: int, settings: RecorderSettings) -> bool:
        """Count a line; False for one that does not fit any more."""
        with self.lock:
            most = self.lines < settings.task_log_lines and not self.dropped
            if not most or self.size + size > settings.task_log_bytes:
                self.dropped += 1
                return False
            self.lines += 1
            self.size += size
            return True


class _Ear:
    """Hears Temporal's activity logger for all keepers of this process."""

    def __init__(self) -> None:
        self._logger = logging.getLogger(_ACTIVITY_LOGGER)
        self._keepers: list[LineKeeper] = []
        self._lowers = False

    def add(self, keeper: "LineKeeper") -> None:
        """Let a keeper hear it from its own level on."""
        if not self._keepers:
            self._logger.addFilter(self._hear)
            self._lowers = self._logger.level == logging.NOTSET
        self._keepers.append(keeper)
        self._set_level()

    def remove(self, keeper: "LineKeeper") -> None:
        """Let a keeper hear no more; behind the last one everything is as it was."""
        if keeper in self._keepers:
            self._keepers.remove(keeper)
            self._set_level()
            if not self._keepers:
                self._logger.removeFilter(self._hear)

    def _set_level(self) -> None:
        if self._lowers:
            wanted = [self._shown, *(keeper.level for keeper in self._keepers)]
            self._logger.setLevel(min(wanted) if self._keepers else logging.NOTSET)

    @property
    def _shown(self) -> int:
        """The level from which on the process shows what this logger is told."""
        parent = self._logger.parent
        return logging.NOTSET if parent is None else parent.getEffectiveLevel()

    def _hear(self, record: logging.LogRecord) -> bool:
        """Let the keepers have a record; True if the process's own levels let it on."""
        for keeper in tuple(self._keepers):
            if record.levelno >= keeper.level:
                keeper.keep(record)
        return not self._lowers or record.levelno >= self._shown


_EAR = _Ear()


class LineKeeper(logging.Handler):
    """Keeps log records of attempts with their runs; it never fails or delays who logs.

    It hangs on the root logger, so that it hears what the process's own levels let through, and on
    Temporal's activity logger, which speaks to it from the wanted level on, whatever the process
    shows of that.

    Args:
        target: Where lines are written.
        settings: Level and limits.
    """

    def __init__(self, target: "TaskLogRepository", settings: RecorderSettings) -> None:
        super().__init__(LogLevel(settings.task_logs).number)
        self._target = target
        self._settings = settings
        self._queue: deque[tuple[float, NewLogLine]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._closing = asyncio.Event()

    def start(self) -> None:
        """Begin to listen; needs a running event loop."""
        self._loop = asyncio.get_running_loop()
        # In a context of its own: what is logged while writing is no attempt's.
        self._task = self._loop.create_task(
            self._write_groups(), name="flowkeep-task-logs", context=contextvars.Context()
        )
        logging.getLogger().addHandler(self)
        _EAR.add(self)

    async def stop(self) -> None:
        """Listen no more, and write what waits while the ledger takes it."""
        logging.getLogger().removeHandler(self)
        _EAR.remove(self)
        if self._task is None:
            return
        self._closing.set()
        self._wanted.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._task), _DRAIN_SECONDS)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        if self._queue:
            logger.warning("%d log lines of tasks were not written to the ledger", len(self._queue))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, unless Temporal's activity logger has brought it already."""
        if record.name != _ACTIVITY_LOGGER:
            self.keep(record)
        # Where nobody configured logging, Python tells warnings as long as nobody listens.
        last = logging.lastResort
        if last is not None and record.levelno >= last.level and self._is_alone():
            last.handle(record)

    def _is_alone(self) -> bool:
        others = logging.getLogger().handlers
        return others[:1] == [self] and all(isinstance(one, LineKeeper) for one in others)

    def keep(self, record: logging.LogRecord) -> None:
        """Keep a record of an attempt that runs in this context."""
        attempt = current_attempt.get()
        if attempt is None or attempt.host.lines is not self:
            return
        try:
            line = line_of(record, attempt, self._settings.task_log_line_bytes)
            budget = _budget(attempt)
            size = len(line.message.encode(errors="replace")) + len(str(line.fields or ""))
            if len(self._queue) >= MOST_WAITING:
                budget.dropped += 1
            elif budget.takes(size, self._settings):
                self._add(line)
        except Exception:  # noqa: BLE001 - a line of a log fails no activity
            self.handleError(record)

    def ended(self, attempt: CurrentAttempt) -> None:
        """Tell how many lines of an attempt were not kept, where it logged too many."""
        if attempt.logged is None or not attempt.logged.dropped:
            return
        count = attempt.logged.dropped
        text = f"{count} more lines were logged, and not kept"
        fields = {"not_kept": count}
        now = datetime.now(UTC)
        self._add(new_line(attempt, now, logging.WARNING, __name__, text, fields))

    def _add(self, line: NewLogLine) -> None:
        first = not self._queue
        self._queue.append((time.monotonic(), line))
        if first and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._wanted.set)

    async def _write_groups(self) -> None:
        while self._queue or not self._closing.is_set():
            await self._wanted.wait()
            await self._rest(_EVERY_SECONDS)
            self._wanted.clear()
            if await self._write():
                if self._closing.is_set():
                    return
                await self._rest(_AGAIN_SECONDS)
            if self._queue:
                self._wanted.set()

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    async def _write(self) -> bool:
        """Write what waits; returns whether some of it has to wait longer."""
        for _ in range(len(self._queue) // _GROUP + 1):
            count = min(len(self._queue), _GROUP)
            group = [self._queue.popleft() for _ in range(count)]
            try:
                unknown = await self._target.keep([line for _, line in group])
            except FlowkeepError as error:
                if not error.retryable:
                    logger.error("%d log lines of tasks are lost: %s", count, error)
                    continue
                self._queue.extendleft(reversed(group))
                logger.warning("log lines of tasks wait for the ledger: %s", error)
                return True
            except BaseException:
                self._queue.extendleft(reversed(group))
                raise
            since = time.monotonic() - _PATIENCE_SECONDS
            early = [(at, line) for at, line in group if line.run_id in unknown and at > since]
            if early:  # behind the others of their runs, in their order
                self._queue.extendleft(reversed(early))
                return True
        return False


def _budget(attempt: CurrentAttempt) -> Budget:
    if attempt.logged is None:
        attempt.logged = Budget()
    budget: Budget = attempt.logged
    return budget
