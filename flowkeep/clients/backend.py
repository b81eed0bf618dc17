"""What a process that offers the service's nouns holds open: ledger, and Temporal on demand."""

import asyncio
import time
from typing import Self

from flowkeep.clients.direct.journal_writer import close_writer
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.errors import TemporalUnavailable
from flowkeep.settings import Settings
from flowkeep.statestore.store import Store

_RETRY_SECONDS = 1.0


class Backend:
    """The ledger and Temporal of one process.

    Temporal is reached when it is first needed, so that reads of the ledger work without it.

    Args:
        settings: Where both are.

    Attributes:
        settings: Where both are.
        store: The ledger.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store.lazy(settings)
        self._client: WorkflowClient | None = None
        self._connecting = asyncio.Lock()
        self._failed: tuple[float, TemporalUnavailable] | None = None

    async def temporal(self) -> WorkflowClient:
        """Return a connected client; one failure answers for all callers of the next second.

        Raises:
            TemporalUnavailable: If the server cannot be reached.
        """
        if self._client is not None:
            return self._client
        async with self._connecting:
            if self._client is None:
                if self._failed is not None and time.monotonic() < self._failed[0]:
                    raise self._failed[1].with_traceback(None)
                try:
                    self._client = await WorkflowClient.connect(self.settings, store=self.store)
                except TemporalUnavailable as error:
                    self._failed = (time.monotonic() + _RETRY_SECONDS, error)
                    raise
            return self._client

    async def close(self) -> None:
        """Close both."""
        if self._client is not None:
            await self._client.close()
        await close_writer(self.store)
        await self.store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
