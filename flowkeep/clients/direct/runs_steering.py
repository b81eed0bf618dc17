"""Open runs are asked for something: to pause, to go on, to stop."""

from typing import Any
from uuid import UUID

from flowkeep.clients.direct.access_runs import RunNoun
from flowkeep.clients.direct.looking import is_external
from flowkeep.clients.handle import RunHandle
from flowkeep.contracts import Run
from flowkeep.errors import Conflict


class RunSteering(RunNoun):
    """Part of `client.runs`: what an open run is asked for.

    Everything here raises NotFound for a run that the caller does not see, Forbidden for who is no
    operator, AlreadyTerminal for a run that has ended, and Conflict where a run lives outside
    Temporal and has to be moved by whoever runs it. The run is returned as it is a moment after.
    """

    async def pause(self, run_id: UUID, reason: str | None = None) -> Run:
        """Let no further activity start; those under way go on."""
        run = await self._steered(run_id)
        async with self._journal.writing("run.pause", "run", run_id) as entry:
            entry.was(run)
            await (await self._handle(run)).pause(reason)
            return await self._store.runs.get(self._tenant, run_id)

    async def resume(self, run_id: UUID, patch: dict[str, Any] | None = None) -> Run:
        """Let activities start again.

        Args:
            run_id: The run.
            patch: Merged into its state.
        """
        run = await self._steered(run_id)
        async with self._journal.writing("run.resume", "run", run_id) as entry:
            entry.was(run)
            await (await self._handle(run)).resume(patch)
            return await self._store.runs.get(self._tenant, run_id)

    async def cancel(self, run_id: UUID, reason: str | None = None) -> Run:
        """Ask a run to cancel itself; its cleanup code runs.

        Of an external run it is only noted that somebody wants it cancelled.
        """
        run = await self._steered(run_id)
        async with self._journal.writing("run.cancel", "run", run_id) as entry:
            entry.was(run)
            if is_external(run):
                actor = self._access.principal.owner
                return await self._store.runs.request_cancel(
                    self._tenant, run_id, reason=reason, actor=actor
                )
            await (await self._handle(run)).cancel(reason)
            return await self._store.runs.get(self._tenant, run_id)

    async def terminate(self, run_id: UUID, reason: str | None = None) -> Run:
        """End a run at once; its code does not get to clean up."""
        run = await self._steered(run_id)
        async with self._journal.writing("run.terminate", "run", run_id) as entry:
            entry.was(run)
            await (await self._handle(run)).terminate(reason)
            return await self._store.runs.get(self._tenant, run_id)

    async def _handle(self, run: Run) -> RunHandle:
        if is_external(run):
            raise Conflict(
                f"run {run.id} lives outside Temporal",
                hint="move it by PATCH of its status; cancel notes that it is to stop",
            )
        return await (await self._client.temporal()).get_handle(self._tenant, run.id)
