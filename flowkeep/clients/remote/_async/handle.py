"""A handle on one run of the service."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flowkeep.contracts import Run, RunStatus
from flowkeep.contracts.api.runs import RerunRequest
from flowkeep.contracts.progress import RunProgress
from flowkeep.errors import NotFound, RunFailed

if TYPE_CHECKING:
    from flowkeep.clients.remote._async.runs import AsyncRuns

_WHOLE = RerunRequest()


class AsyncRemoteHandle:
    """One run: its result, its status, and what can be done to it.

    Args:
        runs: The noun it belongs to.
        run_id: Our id.
        workflow_id: Temporal's workflow id.
    """

    def __init__(self, runs: "AsyncRuns", run_id: UUID, workflow_id: str) -> None:
        self._runs = runs
        self.run_id = run_id
        self.workflow_id = workflow_id

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.run_id)!r})"

    async def run(self) -> Run:
        """Return the run as it is now."""
        return await self._runs.get(self.run_id)

    async def status(self) -> RunStatus:
        """Return where the run stands."""
        return (await self.run()).status

    async def watch(self, interval_seconds: float = 0.5) -> AsyncGenerator[RunProgress]:
        """Yield snapshots until the run has ended; the last one shows the end."""
        async for update in self._runs.watch(self.run_id, interval_seconds=interval_seconds):
            if update.progress is not None:
                yield update.progress

    async def result(self) -> Any:
        """Wait for the end and return the outputs.

        Raises:
            RunFailed: If the run did not succeed; says why.
        """
        async for progress in self.watch():
            run = progress.run
            if run.status is RunStatus.SUCCEEDED:
                return run.outputs
            if run.status.terminal:
                reason = run.error.message if run.error else run.failure_reason or "nobody said why"
                raise RunFailed(self.run_id, run.status, reason)
        raise NotFound(f"run {self.run_id} is gone", hint="it was deleted")

    async def pause(self, reason: str | None = None) -> None:
        """Let no further activity start."""
        await self._runs.pause(self.run_id, reason)

    async def resume(self, patch: dict[str, Any] | None = None) -> None:
        """Let activities start again, with a patch merged into the run's state."""
        await self._runs.resume(self.run_id, patch)

    async def cancel(self, reason: str | None = None) -> None:
        """Ask the run to cancel itself; its cleanup code runs."""
        await self._runs.cancel(self.run_id, reason)

    async def terminate(self, reason: str | None = None) -> None:
        """End the run at once; its code does not get to clean up."""
        await self._runs.terminate(self.run_id, reason)

    async def rerun(self, request: RerunRequest = _WHOLE) -> "AsyncRemoteHandle":
        """Repeat the run, which has ended, as a new one, and return a handle on that."""
        started = await self._runs.rerun(self.run_id, request)
        return AsyncRemoteHandle(self._runs, started.run_id, started.workflow_id)
