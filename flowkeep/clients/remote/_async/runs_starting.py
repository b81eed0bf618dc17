"""Runs begin: started, recorded for elsewhere, or repeated."""

from uuid import UUID

from pydantic import TypeAdapter

from flowkeep.clients.remote._async.runs_part import AsyncRunsPart
from flowkeep.contracts.api.runs import RerunPreview, RerunRequest, RunStart, StartedRun

_STARTED = TypeAdapter(StartedRun)
_PREVIEW = TypeAdapter(RerunPreview)
_WHOLE = RerunRequest()


class AsyncRunStarts(AsyncRunsPart):
    """Part of `client.runs`: how runs begin."""

    async def start(self, request: RunStart) -> StartedRun:
        """Start a run; with `external`, record one that lives outside Temporal."""
        return await self._transport.call("POST", "/runs", _STARTED, body=request)

    async def preview_rerun(self, run_id: UUID, request: RerunRequest = _WHOLE) -> RerunPreview:
        """Tell what a rerun of a definition's run would take over, and do again."""
        query = {"task": request.tasks, "newest": request.newest}
        found: RerunPreview = await self._of(run_id, "rerun-preview", _PREVIEW, query)
        return found

    async def rerun(self, run_id: UUID, request: RerunRequest = _WHOLE) -> StartedRun:
        """Repeat a run that has ended as a new one, which names it in `retry_of`."""
        return await self._transport.call("POST", f"/runs/{run_id}/rerun", _STARTED, body=request)
