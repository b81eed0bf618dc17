# Made from the file of this name in `_async` by tools/sync_client; do not edit.
"""Runs are watched."""

from collections.abc import Generator
from uuid import UUID

from flowkeep.clients.remote._sync.runs_part import RunsPart
from flowkeep.clients.remote._sync.watching import follow
from flowkeep.contracts.api.watching import RunUpdate


class RunWatching(RunsPart):
    """Part of `client.runs`: runs are watched."""

    def watch(
        self, run_id: UUID, *, after: int | None = None, interval_seconds: float = 0.5
    ) -> Generator[RunUpdate]:
        """Yield snapshots and audit events until the run has ended; the last shows the end.

        A connection that is lost is made anew, and goes on behind the last audit event.

        Raises:
            ServiceUnavailable: If the service cannot be reached any more.
        """
        return follow(self._transport, run_id, after, interval_seconds)
