"""Runs are watched."""

from collections.abc import AsyncGenerator
from uuid import UUID

from flowkeep.clients.remote._async.runs_part import AsyncRunsPart
from flowkeep.clients.remote._async.watching import follow
from flowkeep.contracts.api.watching import RunUpdate


class AsyncRunWatching(AsyncRunsPart):
    """Part of `client.runs`: runs are watched."""

    def watch(
        self, run_id: UUID, *, after: int | None = None, interval_seconds: float = 0.5
    ) -> AsyncGenerator[RunUpdate]:
        """Yield snapshots and audit events until the run has ended; the last shows the end.

        A connection that is lost is made anew, and goes on behind the last audit event.

        Raises:
            ServiceUnavailable: If the service cannot be reached any more.
        """
        return follow(self._transport, run_id, after, interval_seconds)
