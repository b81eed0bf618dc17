# Made from the file of this name in `_async` by tools/sync_client; do not edit.
"""Runs: started, found, followed, steered, repeated and deleted."""

from uuid import UUID

from flowkeep.clients.remote._sync.handle import RemoteHandle
from flowkeep.clients.remote._sync.runs_changing import RunChanges
from flowkeep.clients.remote._sync.runs_details import RunDetails
from flowkeep.clients.remote._sync.runs_reading import RunReads
from flowkeep.clients.remote._sync.runs_starting import RunStarts
from flowkeep.clients.remote._sync.runs_watching import RunWatching


class Runs(RunReads, RunDetails, RunStarts, RunChanges, RunWatching):
    """Runs; it is `client.runs`."""

    def handle(self, run: UUID | str) -> RemoteHandle:
        """Return a handle on a run.

        Args:
            run: Its run id, or a workflow id, which names its newest run.
        """
        found = self.find(str(run))
        return RemoteHandle(self, found.id, found.workflow_id)
