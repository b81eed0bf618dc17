"""What the ledger is told behind a start: that Temporal accepted the run."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from flowkeep.contracts import RunStarted
from flowkeep.errors import FlowkeepError, LedgerUnavailable
from flowkeep.recording.recorder import Recorder
from flowkeep.statestore.store import Store

logger = logging.getLogger(__name__)

_BACKOFF_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
_DRAIN_SECONDS = 5.0
_MOST = 10_000


class StartNotes:
    """Collects accepted starts and writes them in groups; nobody waits for one.

    A note that is lost changes nothing for good: the run's first record says the same, and the
    sweeper asks Temporal about every request that stays pending.

    Where a worker runs in the same process the notes join its recorder's groups.

    Args:
        store: The ledger.
        recorder: Gives the recorder while a worker runs.
        interval_seconds: Longest a note stays in memory while the ledger answers.
    """

    def __init__(
        self,
        store: Store,
        recorder: Callable[[], Recorder | None] = lambda: None,
        interval_seconds: float = 0.05,
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._interval = interval_seconds
        self._notes: dict[str, RunStarted] = {}
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def add(self, started: RunStarted) -> None:
        """Take a note; it is written soon."""
        recorder = self._recorder()
        if recorder is not None:
            recorder.hand_over(started)
            return
        if len(self._notes) >= _MOST:
            logger.warning("run %s has started; the ledger does not say so", started.run.run_id)
            return
        self._notes[started.run.temporal_run_id] = started
        loop = asyncio.get_running_loop()
        task = self._task
        if task is None or task.done() or task.get_loop() is not loop:
            self._task = loop.create_task(self._write_behind(), name="flowkeep-starts")

    async def write(self, started: RunStarted) -> None:
        """Write one note now.

        Raises:
            LedgerUnavailable: If the ledger is away.
        """
        await self._write([started])

    async def flush(self) -> None:
        """Write what is noted.

        Raises:
            LedgerUnavailable: If the ledger is away; the notes are kept.
        """
        async with self._writing:
            batch = list(self._notes.values())
            if batch:
                await self._write(batch)
                for started in batch:
                    self._notes.pop(started.run.temporal_run_id, None)

    async def close(self) -> None:
        """Write what is noted, and wait a few seconds for a ledger that is away."""
        task, self._task = self._task, None
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(task, _DRAIN_SECONDS)
        with contextlib.suppress(LedgerUnavailable):
            await self.flush()
        for started in self._notes.values():
            logger.warning("run %s has started; the ledger does not say so", started.run.run_id)
        self._notes.clear()

    async def _write_behind(self) -> None:
        await asyncio.sleep(self._interval)
        failures = 0
        while self._notes:
            try:
                await self.flush()
                failures = 0
            except LedgerUnavailable as error:
                if failures == 0:
                    logger.warning("the ledger is away, starts are noted and retried: %s", error)
                delay = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)]
                failures += 1
                await asyncio.sleep(delay)

    async def _write(self, batch: Sequence[RunStarted]) -> None:
        """Write a batch; on a refusal one by one, so that one does not keep back the others."""
        try:
            await self._store.system.record((), starts=batch, durable=False)
        except LedgerUnavailable:
            raise
        except FlowkeepError as error:
            if len(batch) == 1:
                run_id = batch[0].run.run_id
                logger.warning(
                    "run %s has started; the ledger refuses to say so: %s", run_id, error
                )
                return
            for started in batch:
                await self._write([started])
