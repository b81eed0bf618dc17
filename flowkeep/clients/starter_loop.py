"""Starting requests that were written in somebody's own transaction, as soon as it commits."""

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from flowkeep.clients.sweeper import Sweeper
from flowkeep.errors import LedgerUnavailable, TemporalUnavailable

if TYPE_CHECKING:
    from flowkeep.clients.workflow import WorkflowClient

logger = logging.getLogger(__name__)

_MISSED_SECONDS = 2.0
"""Age from which a request that was announced while nobody listened is taken up."""
_LONGEST_DELAY_SECONDS = 5.0


class StarterLoop:
    """Listens for requests of `start_in` and starts them; sweeps what nobody heard of.

    Several may run at once, in any number of processes: each request is taken up by one.

    Args:
        client: Connected to the ledger and to Temporal.
        sweeper: Takes up what is left over; one with the usual limits when left out.
    """

    def __init__(self, client: "WorkflowClient", sweeper: Sweeper | None = None) -> None:
        self._store = client.store
        self._namespace = client.temporal.namespace
        self._sweeper = sweeper or Sweeper(client)
        self._listening = asyncio.Event()

    async def listening(self) -> None:
        """Wait until announcements are heard."""
        await self._listening.wait()

    async def run(self, sweep_seconds: float = 15.0) -> None:
        """Start requests until cancelled; connects again when the connection is lost.

        Args:
            sweep_seconds: Time between two sweeps.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweeper.run(sweep_seconds), name="flowkeep-sweeper")
            delay = 0.1
            while True:
                try:
                    async with self._store.announced() as announced:
                        delay = 0.1
                        self._listening.set()
                        group.create_task(self._sweep_missed())
                        async for run_ids in announced:
                            group.create_task(self._start(run_ids))
                except LedgerUnavailable as error:
                    logger.warning("new requests are not heard of, only swept: %s", error)
                finally:
                    self._listening.clear()
                await asyncio.sleep(delay)
                delay = min(delay * 2, _LONGEST_DELAY_SECONDS)

    async def _start(self, run_ids: Sequence[UUID]) -> None:
        try:
            found = await self._store.system.claim_new_requests(self._namespace, run_ids)
            await self._sweeper.take_up(found)
        except (LedgerUnavailable, TemporalUnavailable) as error:
            logger.warning("requests wait to be started: %s", error)

    async def _sweep_missed(self) -> None:
        try:
            await self._sweeper.sweep(_MISSED_SECONDS)
        except (LedgerUnavailable, TemporalUnavailable) as error:
            logger.warning("requests wait to be started: %s", error)
