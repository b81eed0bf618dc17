# Made from the file of this name in `_async` by tools/sync_client; do not edit.
"""Runs and lists of them."""

from collections.abc import Iterator
from uuid import UUID

from pydantic import TypeAdapter

from flowkeep.clients.remote._sync.paging import rows
from flowkeep.clients.remote._sync.runs_part import RUN, RunsPart
from flowkeep.contracts import Run, RunSummary
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.run_query import RunCounts, RunQuery
from flowkeep.errors import NotFound

_RUNS = TypeAdapter(Listing[RunSummary])
_COUNTS = TypeAdapter(RunCounts)
_ALL = RunQuery()


class RunReads(RunsPart):
    """Part of `client.runs`: reads."""

    def get(self, run_id: UUID) -> Run:
        """Return a run with its inputs and outputs."""
        return self._transport.call("GET", f"/runs/{run_id}", RUN)

    def find(self, name: str) -> Run:
        """Return the run with this run id, or the newest one with this workflow id."""
        try:
            return self.get(UUID(name))
        except (ValueError, NotFound):
            page = self.list(RunQuery(workflow_id=name, limit=1))
        if not page.data:
            raise NotFound(
                f"no run has the run id or workflow id {name!r}",
                hint="`flowkeep run list` shows what there is",
            )
        return self.get(page.data[0].id)

    def list(self, query: RunQuery = _ALL) -> Listing[RunSummary]:
        """Return a page of runs, newest first unless the query says else."""
        given = query.model_dump(mode="json", exclude_defaults=True)
        return self._transport.call("GET", "/runs", _RUNS, query=given)

    def iterate(self, query: RunQuery = _ALL) -> Iterator[RunSummary]:
        """Yield the runs of all pages from the query's on."""
        return rows(self._behind, query, cursor=query.cursor)

    def count(self, window: str = "1d", *, app_id: str | None = None) -> RunCounts:
        """Return how many runs of the last `window` are in each status."""
        query = {"window": window, "app_id": app_id}
        return self._transport.call("GET", "/runs/counts", _COUNTS, query=query)

    def _behind(self, query: RunQuery, *, cursor: str | None) -> Listing[RunSummary]:
        return self.list(query.model_copy(update={"cursor": cursor}))
