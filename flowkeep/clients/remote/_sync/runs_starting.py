# Made from the file of this name in `_async` by tools/sync_client; do not edit.
"""Runs begin: started, recorded for elsewhere, or repeated."""

from uuid import UUID

from pydantic import TypeAdapter

from flowkeep.clients.remote._sync.runs_part import RunsPart
from flowkeep.contracts.api.runs import RerunPreview, RerunRequest, RunStart, StartedRun

_STARTED = TypeAdapter(StartedRun)
_PREVIEW = TypeAdapter(RerunPreview)
_WHOLE = RerunRequest()


class RunStarts(RunsPart):
    """Part of `client.runs`: how runs begin."""

    def start(self, request: RunStart) -> StartedRun:
        """Start a run; with `external`, record one that lives outside Temporal."""
        return self._transport.call("POST", "/runs", _STARTED, body=request)

    def preview_rerun(self, run_id: UUID, request: RerunRequest = _WHOLE) -> RerunPreview:
        """Tell what a rerun of a definition's run would take over, and do again."""
        query = {"task": request.tasks, "newest": request.newest}
        found: RerunPreview = self._of(run_id, "rerun-preview", _PREVIEW, query)
        return found

    def rerun(self, run_id: UUID, request: RerunRequest = _WHOLE) -> StartedRun:
        """Repeat a run that has ended as a new one, which names it in `retry_of`."""
        return self._transport.call("POST", f"/runs/{run_id}/rerun", _STARTED, body=request)
