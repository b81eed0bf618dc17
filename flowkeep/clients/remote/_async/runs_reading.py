"""Runs and lists of them."""

from collections.abc import AsyncIterator
from uuid import UUID

from pydantic import TypeAdapter

from flowkeep.clients.remote._async.paging import rows
from flowkeep.clients.remote._async.runs_part import RUN, AsyncRunsPart
from flowkeep.contracts import Run, RunSummary
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.run_query import RunCounts, RunQuery
from flowkeep.errors import NotFound

_RUNS = TypeAdapter(Listing[RunSummary])
_COUNTS = TypeAdapter(RunCounts)
_ALL = RunQuery()


class AsyncRunReads(AsyncRunsPart):
    """Part of `client.runs`: reads."""

    async def get(self, run_id: UUID) -> Run:
        """Return a run with its inputs and outputs."""
        return await self._transport.call("GET", f"/runs/{run_id}", RUN)

    async def find(self, name: str) -> Run:
        """Return the run with this run id, or the newest one with this workflow id."""
        try:
            return await self.get(UUID(name))
        except (ValueError, NotFound):
            page = await self.list(RunQuery(workflow_id=name, limit=1))
        if not page.data:
            raise NotFound(
                f"no run has the run id or workflow id {name!r}",
                hint="`flowkeep run list` shows what there is",
            )
        return await self.get(page.data[0].id)

    async def list(self, query: RunQuery = _ALL) -> Listing[RunSummary]:
        """Return a page of runs, newest first unless the query says else."""
        given = query.model_dump(mode="json", exclude_defaults=True)
        return await self._transport.call("GET", "/runs", _RUNS, query=given)

    def iterate(self, query: RunQuery = _ALL) -> AsyncIterator[RunSummary]:
        """Yield the runs of all pages from the query's on."""
        return rows(self._behind, query, cursor=query.cursor)

    async def count(self, window: str = "1d", *, app_id: str | None = None) -> RunCounts:
        """Return how many runs of the last `window` are in each status."""
        query = {"window": window, "app_id": app_id}
        return await self._transport.call("GET", "/runs/counts", _COUNTS, query=query)

    async def _behind(self, query: RunQuery, *, cursor: str | None) -> Listing[RunSummary]:
        return await self.list(query.model_copy(update={"cursor": cursor}))
