"""The recorder: commits what happened in groups, away from the path of whoever reports it.

A caller waits only for what Temporal cannot give back (a failed attempt is gone once its retry
starts). While one flush is in flight the next group forms, so waiting callers need no artificial
window; records that nobody waits for are flushed after a short interval or a number of rows.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from flowkeep.contracts import Attempt, PauseRequest, RunRef
from flowkeep.contracts.named_tasks import TaskNotes
from flowkeep.errors import LedgerUnavailable, NotFound
from flowkeep.recording.group_writer import Entry, GroupWriter, name_of
from flowkeep.recording.stats import RecorderCounts, RecorderStats
from flowkeep.recording.target import RecordTarget, Reported
from flowkeep.settings import RecorderSettings
from flowkeep.telemetry.metrics import Meter

logger = logging.getLogger(__name__)

_BACKOFF_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
_DRAIN_SECONDS = 10.0
_LOOKS = 4
"""How often within the flush interval it is seen whether records still come."""

_GROUPS = 4
"""A flush takes up to this many times the rows that trigger one."""


class Recorder:
    """Collects records of one event loop and commits them in groups.

    Args:
        target: The ledger's tenantless repository.
        settings: Interval, sizes and patience.
        meter: Where metrics go; left out, nowhere.
    """

    def __init__(
        self, target: RecordTarget, settings: RecorderSettings, meter: Meter | None = None
    ) -> None:
        self._target = target
        self._settings = settings
        self._counts = RecorderCounts(meter or Meter())
        self._writer = GroupWriter(target, self._counts)
        self._queue: deque[Entry] = deque()
        self._in_flight: list[Entry] = []
        self._awaited = 0  # entries of the queue that somebody waits for
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()
        self._room = asyncio.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.waits_for_all = settings.strict or settings.required

    @property
    def stats(self) -> RecorderStats:
        """What was counted since the recorder was made."""
        return self._counts.stats

    def start(self) -> None:
        """Begin flushing; needs a running event loop."""
        if self._task is None:
            self._closing = False
            self._loop = asyncio.get_running_loop()
            self._task = asyncio.create_task(self._flush_groups(), name="flowkeep-recorder")

    async def stop(self, timeout_seconds: float = _DRAIN_SECONDS) -> None:
        """Write what is queued, then stop.

        Args:
            timeout_seconds: How long a ledger that is away is waited for; what is then left is
                counted and logged.
        """
        if self._task is None:
            return
        self._closing = True
        self._wake.set()
        self._urgent.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._task), timeout_seconds)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        if self._queue:
            self._counts.dropped(len(self._queue))
            logger.error("stopped with %d records not written to the ledger", len(self._queue))
            for entry in self._queue:
                entry.finish(LedgerUnavailable("the recorder has stopped"))
            self._queue.clear()

    def offer(self, record: Reported) -> Entry | None:
        """Queue a record that nobody waits for, unless the queue is full or closed."""
        if self._closing or self._task is None or not self._has_room():
            return None
        entry = Entry(record)
        self._append(entry)
        return entry

    def report(self, record: Reported) -> None:
        """Queue a record from code that cannot wait; one that finds no room is looked for later."""
        if self.offer(record) is None:
            self._counts.dropped()
            self._writer.lost(record)
            logger.warning("%s found no room on its way to the ledger", name_of(record))

    def hand_over(self, record: Reported) -> None:
        """Report from another thread than the event loop's."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and the recorder with it
                self._loop.call_soon_threadsafe(self.report, record)

    async def record(
        self, attempt: Attempt, *, wait: bool, patience_seconds: float | None = None
    ) -> bool:
        """Queue one record.

        Args:
            attempt: What to record.
            wait: Whether to return only after the flush that holds it.
            patience_seconds: How long to wait for the ledger, or for room in the queue.

        Returns:
            Whether the record is committed (with `wait`) or queued.

        Raises:
            LedgerUnavailable: If the ledger stays away and `required` is set.
        """
        patience = self._settings.patience_seconds
        if patience_seconds is not None:
            patience = min(patience, max(0.0, patience_seconds))
        entry: Entry | None = None
        try:
            async with asyncio.timeout(patience):
                await self._wait_for_room()
                entry = self._enter(attempt, wait=wait or self.waits_for_all)
                if entry.done is not None:
                    await asyncio.shield(entry.done)
                return True
        except (TimeoutError, LedgerUnavailable) as error:
            self._counts.gave_up()
            if entry is None:  # it never got into the queue
                self._counts.dropped()
                self._writer.lost(attempt)
            logger.warning(
                "%s is not in the ledger%s: %s",
                name_of(attempt),
                "" if entry is None else " yet",
                str(error) or f"it did not answer within {patience:.0f} s",
            )
            if self._settings.required:
                raise LedgerUnavailable("the attempt could not be recorded") from error
            return False

    async def set_paused(self, run: RunRef, request: PauseRequest, patience_seconds: float) -> bool:
        """Record that a run paused or resumed, after everything that is queued before it."""
        written = await self._direct(
            lambda: self._target.set_paused(run, request), patience_seconds
        )
        if not written:
            logger.warning(
                "the pause state of run %s is not in the ledger: it did not answer in time;"
                " Temporal has it",
                run.run_id,
            )
        return written

    async def note_tasks(self, run: RunRef, told: TaskNotes, patience_seconds: float) -> bool:
        """Record what workflow code tells of tasks, after everything that is queued before it."""
        return await self._direct(lambda: self._target.note_tasks(run, told), patience_seconds)

    async def flush(self) -> None:
        """Wait until everything queued so far is committed or refused."""
        pending = self._queue or self._in_flight
        if not pending:
            return
        # Records are committed in order: whoever waits for the last one waits for all. What comes
        # later is not waited for, or a busy worker would never be done.
        last = pending[-1]
        if last.done is None:
            last.done = asyncio.get_running_loop().create_future()
            self._awaited += pending is self._queue
        self._urgent.set()
        with contextlib.suppress(LedgerUnavailable):
            await asyncio.shield(last.done)

    async def _direct(self, write: Callable[[], Awaitable[Any]], patience_seconds: float) -> bool:
        try:
            async with asyncio.timeout(patience_seconds):
                await self.flush()
                for delay in (*_BACKOFF_SECONDS, None):
                    try:
                        await write()
                    except LedgerUnavailable:
                        self._counts.retried()
                        if delay is None:
                            return False
                        await asyncio.sleep(delay)
                    except NotFound as error:
                        logger.debug("a late record is dropped: %s", error)
                        return True
                    else:
                        return True
        except TimeoutError:
            return False
        return False

    async def _wait_for_room(self) -> None:
        if not self._has_room():
            self._counts.waited()
            async with self._room:
                await self._room.wait_for(self._has_room)

    def _has_room(self) -> bool:
        return len(self._queue) + len(self._in_flight) < self._settings.queue_rows

    def _enter(self, attempt: Attempt, *, wait: bool) -> Entry:
        if self._closing or self._task is None:
            raise LedgerUnavailable("the recorder has stopped")
        done = asyncio.get_running_loop().create_future() if wait else None
        entry = Entry(attempt, done)
        self._append(entry)
        return entry

    def _append(self, entry: Entry) -> None:
        self._queue.append(entry)
        self._wake.set()
        if entry.done is not None:
            self._awaited += 1
            self._urgent.set()
        elif len(self._queue) >= self._settings.flush_rows:
            self._urgent.set()

    async def _flush_groups(self) -> None:
        failures = 0
        while self._queue or not self._closing:
            await self._wake.wait()
            await self._form_group()
            failures = await self._flush_group(failures)
            # Under load the next group has formed meanwhile; it waits for more, or for its time.
            if not self._queue:
                self._wake.clear()
            if not self._awaited and len(self._queue) < self._settings.flush_rows:
                self._urgent.clear()
            if self._closing:
                self._wake.set()
                self._urgent.set()

    async def _form_group(self) -> None:
        """Wait for more records, until nothing comes, the interval ends or somebody waits.

        A flush costs both processes far more than one record more in it.
        """
        known = 0
        for _ in range(_LOOKS):
            count = len(self._queue)
            if self._urgent.is_set() or count == known:
                return
            known = count
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.flush_interval_seconds / _LOOKS):
                    await self._urgent.wait()

    async def _flush_group(self, failures: int) -> int:
        """Write the next group; returns how often in a row the ledger was away."""
        count = min(len(self._queue), self._settings.flush_rows * _GROUPS)
        batch = self._in_flight = [self._queue.popleft() for _ in range(count)]
        self._awaited -= sum(entry.done is not None for entry in batch)
        self._counts.queued(count + len(self._queue))
        try:
            await self._writer.write(batch)
        except LedgerUnavailable as error:
            self._give_back(batch)
            self._counts.retried()
            if failures == 0:
                logger.warning("the ledger is away, records are kept and retried: %s", error)
            await asyncio.sleep(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)])
            return failures + 1
        except asyncio.CancelledError:
            self._give_back(batch)
            raise
        finally:
            self._in_flight = []
            async with self._room:
                self._room.notify_all()
        return 0

    def _give_back(self, batch: list[Entry]) -> None:
        """Put what was not written in front of the queue again."""
        rest = [entry for entry in batch if entry.open]
        self._queue.extendleft(reversed(rest))
        self._awaited += sum(entry.done is not None for entry in rest)
        self._in_flight = []
