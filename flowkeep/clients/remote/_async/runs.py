"""Runs: started, found, followed, steered, repeated and deleted."""

from uuid import UUID

from flowkeep.clients.remote._async.handle import AsyncRemoteHandle
from flowkeep.clients.remote._async.runs_changing import AsyncRunChanges
from flowkeep.clients.remote._async.runs_details import AsyncRunDetails
from flowkeep.clients.remote._async.runs_reading import AsyncRunReads
from flowkeep.clients.remote._async.runs_starting import AsyncRunStarts
from flowkeep.clients.remote._async.runs_watching import AsyncRunWatching


class AsyncRuns(AsyncRunReads, AsyncRunDetails, AsyncRunStarts, AsyncRunChanges, AsyncRunWatching):
    """Runs; it is `client.runs`."""

    async def handle(self, run: UUID | str) -> AsyncRemoteHandle:
        """Return a handle on a run.

        Args:
            run: Its run id, or a workflow id, which names its newest run.
        """
        found = await self.find(str(run))
        return AsyncRemoteHandle(self, found.id, found.workflow_id)
