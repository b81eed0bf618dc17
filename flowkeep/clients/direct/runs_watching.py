"""Runs are watched."""

from collections.abc import AsyncGenerator
from uuid import UUID

from flowkeep.clients.direct.access_runs import RunNoun
from flowkeep.clients.direct.watching import updates_of
from flowkeep.contracts.api.watching import RunUpdate


class RunWatching(RunNoun):
    """Part of `client.runs`: runs are watched."""

    async def watch(
        self, run_id: UUID, *, after: int | None = None, interval_seconds: float = 0.5
    ) -> AsyncGenerator[RunUpdate]:
        """Yield snapshots and audit events until the run has ended; the last shows the end.

        Args:
            run_id: The run.
            after: Number of the last audit event that is known; None for those from now on.
            interval_seconds: Time between two looks, at least 0.05.

        Raises:
            NotFound: If there is no run that the caller sees.
        """
        updates = await updates_of(
            self._client, run_id, after=after, interval_seconds=interval_seconds
        )
        try:
            async for update in updates:
                if update is not None:
                    yield update
        finally:
            await updates.aclose()
