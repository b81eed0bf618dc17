"""Runs and lists of them, from the ledger alone."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from flowkeep.clients.direct.access_runs import RunNoun, Visible
from flowkeep.contracts import Page, Run, RunKind, RunSummary
from flowkeep.contracts.api.listing import Listing, listed
from flowkeep.contracts.api.run_query import RunCounts, RunQuery
from flowkeep.errors import Forbidden, InvalidInput, NotFound

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ALL = RunQuery()


class RunReads(RunNoun):
    """Part of `client.runs`: reads."""

    async def get(self, run_id: UUID) -> Run:
        """Return a run with its inputs and outputs.

        Raises:
            NotFound: If there is none that the caller sees.
        """
        return await self._seen(run_id)

    async def find(self, name: str) -> Run:
        """Return the run with this run id, or the newest one with this workflow id.

        Raises:
            NotFound: If the caller sees neither.
        """
        try:
            return await self._seen(UUID(name))
        except (ValueError, NotFound):
            page = await self.list(RunQuery(workflow_id=name, limit=1))
        if not page.data:
            raise NotFound(
                f"no run has the run id or workflow id {name!r}",
                hint="`flowkeep run list` shows what there is",
            )
        return await self._seen(page.data[0].id)

    async def list(self, query: RunQuery = _ALL) -> Listing[RunSummary]:
        """Return a page of the runs that the caller sees, newest first unless the query says else.

        Raises:
            InvalidInput: If the cursor is none of this list.
            NotFound: If the caller does not see the parent that is asked for.
        """
        return listed(*await self.found(query))

    async def found(
        self, query: RunQuery
    ) -> tuple[Page[RunSummary], Callable[[RunSummary], object]]:
        """Return what `list` returns as the ledger gives it, for who passes it on.

        Returns:
            The page, and what gives the place behind a run.
        """
        if query.parent_run_id is not None:
            await self._seen(query.parent_run_id)
            found = await self._store.runs.find_by_parent(
                self._tenant, query.parent_run_id, query.limit, _place(query)
            )
            return found, _by_id
        visible = self._visible(query.app_id, query.owner)
        if visible.nothing:
            return Page(data=(), limit=query.limit, has_more=False), _by_id
        if query.order == "updated":
            return await self._rested(query, visible), _by_rest
        return await self._page(query, visible), _by_id

    async def iterate(self, query: RunQuery = _ALL) -> AsyncIterator[RunSummary]:
        """Yield the runs of all pages from the query's on."""
        while True:
            page = await self.list(query)
            for run in page.data:
                yield run
            if page.next is None:
                return
            query = query.model_copy(update={"cursor": page.next})

    async def count(self, window: str = "1d", *, app_id: str | None = None) -> RunCounts:
        """Return how many runs of the last `window` are in each status.

        Args:
            window: How far back: a number and d, h, m or s.
            app_id: Only this app's.

        Raises:
            Forbidden: If the caller is no staff, who alone sees everybody's runs.
        """
        if not self._access.principal.is_staff(app_id):
            error = Forbidden("only staff counts everybody's runs", hint="list your own")
            raise self._access.denied(error, "tenant")
        counts = await self._store.runs.count_by_status(self._tenant, window, app_id=app_id)
        return RunCounts(window=window, counts=dict(counts))

    async def _page(self, query: RunQuery, visible: Visible) -> Page[RunSummary]:
        runs, tenant, last = self._store.runs, self._tenant, _place(query)
        owner, apps = visible.owner, visible.apps
        if query.workflow_id is not None:
            return await runs.find_by_workflow_id(
                tenant, query.workflow_id, limit=query.limit, last_id=last, owner=owner, apps=apps
            )
        if query.paused:
            return await runs.find_paused(tenant, query.limit, last, owner=owner, apps=apps)
        if query.stuck:
            return await runs.find_stuck(tenant, query.limit, last, owner=owner, apps=apps)
        return await runs.get_paginated_runs(
            tenant,
            query.app_id,
            query.triggered_from or None,
            query.limit,
            last,
            status=query.status,
            definition_id=query.definition_id,
            owner=owner,
            workflow_type=query.workflow_type,
            labels=query.labels(),
            since=query.since,
            until=query.until,
            kinds=tuple(RunKind) if query.chunks else (RunKind.RUN,),
            apps=apps,
        )

    async def _rested(self, query: RunQuery, visible: Visible) -> Page[RunSummary]:
        """Return a page of the runs in a status, longest unchanged first."""
        moment, _, name = (query.cursor or "").partition("/")
        assert query.status is not None, "the query has been checked"
        return await self._store.runs.list_by_status(
            self._tenant,
            query.status,
            query.limit,
            _uuid(name) if query.cursor else None,
            last_updated_at=_moment(moment) if query.cursor else None,
            owner=visible.owner,
            apps=visible.apps,
        )


def _by_id(run: RunSummary) -> UUID:
    return run.id


def _by_rest(run: RunSummary) -> str:
    return f"{(run.updated_at - _EPOCH) // timedelta(microseconds=1)}/{run.id}"


def _place(query: RunQuery) -> UUID | None:
    return None if query.cursor is None else _uuid(query.cursor)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInput(
            f"cursor {text[:80]!r} is none of this list", hint="pass `next` of the page before"
        ) from None


def _moment(text: str) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=int(text))
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"cursor {text[:80]!r} is none of this list", hint="pass `next` of the page before"
        ) from None
