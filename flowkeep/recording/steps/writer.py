"""Commits steps in groups: while one group is being written, the next one forms."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from flowkeep.contracts.steps import RecordSteps, StepRecord, step_key
from flowkeep.errors import ConfigurationError, FlowkeepError, LedgerUnavailable, StaleAttempt
from flowkeep.recording.target import StepTarget

logger = logging.getLogger(__name__)

_BACKOFF_SECONDS = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
_MOST_ROWS = 1000
# Taking a connection costs as much as writing a step. It goes back now and then all the same: the
# pool may have no other.
_HOLD_SECONDS = 1.0
_LINGER_SECONDS = 0.05


@dataclass(slots=True, eq=False)
class StepEntry:
    """A step on its way.

    Attributes:
        record: None once a later record of the same attempt overtook it.
        done: Resolved when it is committed or refused; None where nobody waits.
    """

    record: StepRecord | None
    done: "asyncio.Future[None] | None" = None

    @property
    def open(self) -> bool:
        """Whether it is still to be written: nobody who waited has given up."""
        return self.record is not None and (self.done is None or not self.done.done())


class StepWriter:
    """Writes the steps of all activities of one event loop.

    Args:
        target: The ledger's tenantless repository.
    """

    def __init__(self, target: StepTarget) -> None:
        self._target = target
        self._idle: asyncio.Future[None] | None = None
        self._queue: deque[StepEntry] = deque()
        self._task: asyncio.Task[None] | None = None

    def show(self, record: StepRecord) -> StepEntry:
        """Queue a record that nobody waits for."""
        entry = StepEntry(record)
        self._append(entry)
        return entry

    def write(self, record: StepRecord) -> "asyncio.Future[None]":
        """Queue a record.

        Returns:
            Done when the record is committed. Raises StaleAttempt if a newer attempt holds the
            activity's steps. While the ledger is away it is retried until the future is cancelled.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._append(StepEntry(record, done))
        return done

    async def stop(self) -> None:
        """Stop writing; whoever waits is told that the ledger could not be reached."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for entry in self._queue:
            _finish(entry, LedgerUnavailable("the worker has stopped"))
        self._queue.clear()

    def _append(self, entry: StepEntry) -> None:
        self._queue.append(entry)
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
        elif self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(
                self._drain(), name="flowkeep-steps"
            )

    async def _drain(self) -> None:
        failures = 0
        while self._queue:
            try:
                async with self._target.recording_steps() as record:
                    until = time.monotonic() + _HOLD_SECONDS
                    while self._queue and time.monotonic() < until:
                        await self._write_group(record)
                        failures = 0
                        if not self._queue:
                            await self._linger()
            except FlowkeepError as error:
                # Also a login, a right or a table that is missing: no step is to blame for that.
                if failures == 0 and self._queue:
                    logger.warning("the ledger is away, steps wait for it: %s", error)
                await asyncio.sleep(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)])
                failures += 1

    async def _linger(self) -> None:
        """Keep the connection for a step that comes at once."""
        loop = asyncio.get_running_loop()
        self._idle = idle = loop.create_future()
        timer = loop.call_later(_LINGER_SECONDS, _wake, idle)
        try:
            await idle
        finally:
            timer.cancel()
            self._idle = None

    async def _write_group(self, record: RecordSteps) -> None:
        count = min(len(self._queue), _MOST_ROWS)
        batch = [self._queue.popleft() for _ in range(count)]
        try:
            await _write(record, [entry for entry in batch if entry.open])
        except BaseException:  # also a cancel: what is not told is still to be written
            self._queue.extendleft(entry for entry in reversed(batch) if entry.open)
            raise


async def _write(record: RecordSteps, batch: Sequence[StepEntry]) -> None:
    """Write a group; on a refusal of all one by one, so that one does not fail the others."""
    records = [entry.record for entry in batch if entry.record is not None]
    if not records:
        return
    try:
        refused = await record(records)
    except (LedgerUnavailable, ConfigurationError):
        raise
    except Exception as error:  # noqa: BLE001 - told to whoever waits for it
        if len(batch) == 1:
            _finish(batch[0], error)
            return
        for entry in batch:
            if entry.open:
                await _write(record, [entry])
        return
    for place, entry in enumerate(batch):
        _finish(entry, _stale(records[place]) if place in refused else None)


def _wake(idle: "asyncio.Future[None]") -> None:
    if not idle.done():
        idle.set_result(None)


def _stale(record: StepRecord) -> StaleAttempt:
    key = step_key(record.scope.activity_id, record.name, record.ordinal)
    return StaleAttempt(
        f"step {key!r} is not recorded: a newer attempt holds the activity, or its run is deleted"
    )


def _finish(entry: StepEntry, error: Exception | None) -> None:
    entry.record = None
    if entry.done is None or entry.done.done():
        return
    if error is None:
        entry.done.set_result(None)
    else:
        entry.done.set_exception(error)
        entry.done.exception()  # retrieved: nobody may be waiting any more
