"""What the ledger is told behind a start: that Temporal accepted the run."""

import asyncio
import logging
from collections.abc import Callable

from flowkeep.contracts import RunStarted
from flowkeep.errors import FlowkeepError, LedgerUnavailable
from flowkeep.recording.recorder import Recorder
from flowkeep.settings import RecorderSettings
from flowkeep.statestore.store import Store

logger = logging.getLogger(__name__)

_DRAIN_SECONDS = 5.0


class StartNotes:
    """Has accepted starts written in groups; nobody waits for one.

    They join the groups of the worker that runs in the same process, else a recorder of their own.
    A note that is lost changes nothing for good: the run's first record says the same, and the
    sweeper asks Temporal about every request that stays pending.

    Args:
        store: The ledger.
        settings: How groups are written.
        of_worker: Gives the recorder of this process while a worker runs.
    """

    def __init__(
        self,
        store: Store,
        settings: RecorderSettings,
        of_worker: Callable[[], Recorder | None] = lambda: None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._of_worker = of_worker
        self._own: Recorder | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, started: RunStarted) -> None:
        """Take a note; it is written soon."""
        of_worker = self._of_worker()
        if of_worker is not None:
            of_worker.hand_over(started)  # the worker may run in another loop
        else:
            self._recorder().report(started)

    async def write(self, started: RunStarted) -> None:
        """Write one note now.

        Raises:
            LedgerUnavailable: If the ledger is away.
        """
        try:
            await self._store.system.record((), starts=[started], durable=False)
        except LedgerUnavailable:
            raise
        except FlowkeepError as error:
            run_id = started.run.run_id
            logger.warning("run %s has started; the ledger refuses to say so: %s", run_id, error)

    async def close(self) -> None:
        """Write what is noted, and wait a few seconds for a ledger that is away."""
        own, self._own = self._own, None
        if own is not None and self._loop is asyncio.get_running_loop():
            await own.stop(_DRAIN_SECONDS)

    def _recorder(self) -> Recorder:
        """Return the recorder of the running loop; a client may outlive the loop it began in."""
        loop = asyncio.get_running_loop()
        if self._own is None or self._loop is not loop:
            self._own, self._loop = Recorder(self._store.system, self._settings), loop
            self._own.start()
        return self._own
