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
from dataclasses import dataclass, field
from typing import TypeVar

from flowkeep.contracts import Attempt, PauseRequest, RunRef, SegmentClose
from flowkeep.errors import LedgerUnavailable, NotFound
from flowkeep.recording.stats import RecorderStats
from flowkeep.recording.target import RecordTarget
from flowkeep.settings import RecorderSettings

logger = logging.getLogger(__name__)

T = TypeVar("T")

_BACKOFF_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
_DRAIN_SECONDS = 10.0


@dataclass(slots=True)
class _Entry:
    attempt: Attempt
    done: "asyncio.Future[None] | None" = field(default=None)


class Recorder:
    """Collects records of one event loop and commits them in groups.

    Args:
        target: The ledger's tenantless repository.
        settings: Interval, sizes and patience.
    """

    def __init__(self, target: RecordTarget, settings: RecorderSettings) -> None:
        self._target = target
        self._settings = settings
        self._queue: deque[_Entry] = deque()
        self._in_flight: list[_Entry] = []
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()
        self._room = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.stats = RecorderStats()

    def start(self) -> None:
        """Begin flushing; needs a running event loop."""
        if self._task is None:
            self._closing = False
            self._task = asyncio.create_task(self._flush_loop(), name="flowkeep-recorder")

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
            self.stats.dropped += len(self._queue)
            logger.error("stopped with %d records not written to the ledger", len(self._queue))
            self._finish(list(self._queue), LedgerUnavailable("the recorder has stopped"))
            self._queue.clear()

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
        wait = wait or self._settings.strict or self._settings.required
        entry: _Entry | None = None
        try:
            async with asyncio.timeout(patience):
                await self._wait_for_room()
                entry = self._enqueue(attempt, wait=wait)
                if entry.done is not None:
                    await asyncio.shield(entry.done)
                return True
        except (TimeoutError, LedgerUnavailable) as error:
            self.stats.gave_up += 1
            self.stats.dropped += entry is None  # it never got into the queue
            logger.warning(
                "attempt %d of %s in run %s is not in the ledger%s: %s",
                attempt.attempt,
                attempt.activity_id,
                attempt.run.run_id,
                "" if entry is None else " yet",
                str(error) or f"it did not answer within {patience:.0f} s",
            )
            if self._settings.required:
                raise LedgerUnavailable("the attempt could not be recorded") from error
            return False

    def record_soon(self, attempt: Attempt) -> None:
        """Queue a record that may be lost, from code that cannot wait; drops it when full."""
        if self._has_room():
            self._enqueue(attempt, wait=False)
        else:
            self.stats.dropped += 1

    async def close_segment(self, close: SegmentClose, patience_seconds: float) -> bool:
        """Record the end of an execution after everything that is queued before it."""
        written = await self._direct(lambda: self._target.close_segment(close), patience_seconds)
        if not written:
            _tell_lost("the end", close.run)
        return written

    async def set_paused(self, run: RunRef, request: PauseRequest, patience_seconds: float) -> bool:
        """Record that a run paused or resumed, after everything that is queued before it."""
        written = await self._direct(
            lambda: self._target.set_paused(run, request), patience_seconds
        )
        if not written:
            _tell_lost("the pause state", run)
        return written

    async def flush(self) -> None:
        """Wait until everything queued so far is committed or refused."""
        pending = self._queue or self._in_flight
        if not pending:
            return
        # Records are committed in order: whoever waits for the last one waits for all. What comes
        # later is not waited for, or a busy worker would never report the end of a run.
        last = pending[-1]
        if last.done is None:
            last.done = asyncio.get_running_loop().create_future()
        self._wake.set()
        self._urgent.set()
        with contextlib.suppress(LedgerUnavailable):
            await asyncio.shield(last.done)

    async def _direct(self, write: Callable[[], Awaitable[T]], patience_seconds: float) -> bool:
        try:
            async with asyncio.timeout(patience_seconds):
                await self.flush()
                for delay in (*_BACKOFF_SECONDS, None):
                    try:
                        await write()
                    except LedgerUnavailable:
                        self.stats.retries += 1
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
            async with self._room:
                await self._room.wait_for(self._has_room)

    def _has_room(self) -> bool:
        return len(self._queue) + len(self._in_flight) < self._settings.queue_rows

    def _enqueue(self, attempt: Attempt, *, wait: bool) -> _Entry:
        if self._closing or self._task is None:
            raise LedgerUnavailable("the recorder has stopped")
        done = asyncio.get_running_loop().create_future() if wait else None
        entry = _Entry(attempt, done)
        self._queue.append(entry)
        self._wake.set()
        if wait or len(self._queue) >= self._settings.flush_rows:
            self._urgent.set()
        return entry

    async def _flush_loop(self) -> None:
        failures = 0
        while True:
            await self._wake.wait()
            if not self._urgent.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(
                        self._urgent.wait(), self._settings.flush_interval_seconds
                    )
            self._wake.clear()
            self._urgent.clear()
            failures = await self._flush_queue(failures)
            if self._closing and not self._queue:
                return

    async def _flush_queue(self, failures: int) -> int:
        while self._queue:
            count = min(len(self._queue), self._settings.flush_rows * 4)
            batch = [self._queue.popleft() for _ in range(count)]
            self._in_flight = batch
            try:
                await self._write(batch)
                failures = 0
            except LedgerUnavailable as error:
                self._give_back(batch)
                self.stats.retries += 1
                if failures == 0:
                    logger.warning("the ledger is away, records are kept and retried: %s", error)
                delay = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)]
                failures += 1
                await asyncio.sleep(delay)
            except asyncio.CancelledError:
                self._give_back(batch)
                raise
            finally:
                self._in_flight = []
                async with self._room:
                    self._room.notify_all()
        return failures

    def _give_back(self, batch: list[_Entry]) -> None:
        """Put a batch that was not written in front of the queue again."""
        self._queue.extendleft(reversed(batch))
        self._in_flight = []

    async def _write(self, batch: list[_Entry]) -> None:
        """Write a batch; on a refusal bisect, so that one poison record does not lose the rest."""
        # A batch of successes only may be lost with the database server's memory: Temporal's
        # history has them. Whoever waits does so for something that is nowhere else.
        durable = any(entry.done is not None for entry in batch)
        try:
            await self._target.record([entry.attempt for entry in batch], durable=durable)
        except LedgerUnavailable:
            raise
        except Exception as error:
            if len(batch) == 1:
                attempt = batch[0].attempt
                self.stats.poisoned += 1
                logger.exception(
                    "the ledger refuses attempt %d of %s in run %s",
                    attempt.attempt,
                    attempt.activity_id,
                    attempt.run.run_id,
                )
                self._finish(batch, LedgerUnavailable(f"the record was refused: {error}"))
                return
            middle = len(batch) // 2
            await self._write(batch[:middle])
            await self._write(batch[middle:])
            return
        self.stats.flushes += 1
        self.stats.recorded += len(batch)
        self._finish(batch, None)

    @staticmethod
    def _finish(batch: list[_Entry], error: LedgerUnavailable | None) -> None:
        for entry in batch:
            if entry.done is None or entry.done.done():
                continue
            if error is None:
                entry.done.set_result(None)
            else:
                entry.done.set_exception(error)
                entry.done.exception()  # retrieved: nobody may be waiting any more


def _tell_lost(what: str, run: RunRef) -> None:
    logger.warning(
        "%s of run %s is not in the ledger: it did not answer in time; Temporal has it",
        what,
        run.run_id,
    )
