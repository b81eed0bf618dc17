# Made from the file of this name in `_async` by tools/sync_client; do not edit.
"""Runs are steered, changed and deleted."""

from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from flowkeep.clients.remote._sync.runs_part import RUN, RunsPart
from flowkeep.contracts import Run
from flowkeep.contracts.api.runs import DeletedRuns, RunDeletion, RunPatch

_DELETED = TypeAdapter(DeletedRuns)
_NOTHING = TypeAdapter(None)


class RunChanges(RunsPart):
    """Part of `client.runs`: what is asked of runs, and changed of their record."""

    def pause(self, run_id: UUID, reason: str | None = None) -> Run:
        """Let no further activity start; those under way go on."""
        return self._ask(run_id, "pause", {"reason": reason})

    def resume(self, run_id: UUID, patch: dict[str, Any] | None = None) -> Run:
        """Let activities start again, with a patch merged into the run's state."""
        return self._ask(run_id, "resume", {"patch": patch})

    def cancel(self, run_id: UUID, reason: str | None = None) -> Run:
        """Ask a run to cancel itself; its cleanup code runs."""
        return self._ask(run_id, "cancel", {"reason": reason})

    def terminate(self, run_id: UUID, reason: str | None = None) -> Run:
        """End a run at once; its code does not get to clean up."""
        return self._ask(run_id, "terminate", {"reason": reason})

    def update(self, run_id: UUID, patch: RunPatch, expected_revision: int | None = None) -> Run:
        """Change the fields that the patch gives, all of them or none."""
        tag = {} if expected_revision is None else {"If-Match": f'"{expected_revision}"'}
        path = f"/runs/{run_id}"
        return self._transport.call("PATCH", path, RUN, body=patch, headers=tag)

    def delete(self, run_id: UUID, *, force: bool = False) -> None:
        """Delete a run."""
        query = {"force": force}
        self._transport.call("DELETE", f"/runs/{run_id}", _NOTHING, query=query)

    def delete_many(self, deletion: RunDeletion) -> DeletedRuns:
        """Delete runs, all or none; one that does not exist is passed over."""
        return self._transport.call("POST", "/runs/delete", _DELETED, body=deletion)

    def _ask(self, run_id: UUID, verb: str, body: dict[str, Any]) -> Run:
        return self._transport.call("POST", f"/runs/{run_id}/{verb}", RUN, body=body)
