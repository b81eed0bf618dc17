"""Lists of runs: those in the ledger and those in the archive, page by page."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from flowkeep.contracts import Page, RunKind, RunStatus, RunSummary, run_status
from flowkeep.errors import InvalidInput
from flowkeep.statestore.repositories import inputs, labels, merged
from flowkeep.statestore.repositories.archive_reads import ArchivedReads
from flowkeep.statestore.repositories.merged import NEWEST, RESTED, Filters, Order, Position
from flowkeep.statestore.repositories.still_lists import StillLists, as_page
from flowkeep.statestore.session import Scope
from flowkeep.storage import Storage

_MOST_BRANCHES = 32
_MOST_PAIRS = 64
_MOST_LABELS = 5
_RUNS = (RunKind.RUN,)


class RunLists(StillLists):
    """Lists of runs; see the Protocol of the same name.

    Args:
        scope: Where sessions come from.
        storage: Gives the storage of archived runs when it is needed.
    """

    def __init__(self, scope: Scope, storage: Callable[[], Storage]) -> None:
        self._scope = scope
        self._archived = ArchivedReads(scope, storage)

    async def get_paginated_runs(
        self,
        tenant_id: str,
        app_id: str | None = None,
        triggered_from: str | Sequence[str] | None = None,
        limit: int = 20,
        last_id: UUID | None = None,
        *,
        status: RunStatus | str | None = None,
        definition_id: UUID | None = None,
        owner: str | None = None,
        workflow_type: str | None = None,
        labels: Mapping[str, str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        kinds: Sequence[RunKind] = _RUNS,
        apps: Sequence[str] | None = None,
    ) -> Page[RunSummary]:
        """Return a page of runs, newest first; see the Protocol."""
        filters = Filters(
            fixed=_fixed(
                tenant_id,
                app_id=_text(app_id, "app_id"),
                definition_id=_id(definition_id, "definition_id"),
                workflow_type=_text(workflow_type, "workflow_type"),
            ),
            changing=_given(owner=_text(owner, "owner"), status=_status(status)),
            labels=_labels(labels),
            kinds=_kinds(kinds),
            triggers=_several(triggered_from, "triggered_from"),
            apps=_several(apps, "apps"),
            since=inputs.instant(since, "since"),
            until=inputs.instant(until, "until"),
        )
        return await self._page(filters, limit, last_id)

    async def list_by_owner(
        self,
        tenant_id: str,
        owner: str,
        limit: int = 20,
        last_id: UUID | None = None,
        *,
        status: RunStatus | str | None = None,
    ) -> Page[RunSummary]:
        """Return a page of an owner's runs, newest first."""
        return await self.get_paginated_runs(
            tenant_id,
            limit=limit,
            last_id=last_id,
            owner=inputs.text(owner, "owner"),
            status=status,
        )

    async def list_by_status(
        self,
        tenant_id: str,
        status: RunStatus | str,
        limit: int = 20,
        last_id: UUID | None = None,
        *,
        last_updated_at: datetime | None = None,
        owner: str | None = None,
        apps: Sequence[str] | None = None,
    ) -> Page[RunSummary]:
        """Return a page of the runs in a status, longest unchanged first; see the Protocol."""
        filters = Filters(
            fixed=_fixed(tenant_id),
            changing=_given(owner=_text(owner, "owner"), status=run_status(status).value),
            kinds=_RUNS,
            apps=_several(apps, "apps"),
        )
        behind: Position | None = None
        if (last_id is None) != (last_updated_at is None):
            raise InvalidInput(
                "last_id and last_updated_at belong together",
                hint="pass id and updated_at of the last run of the page before",
            )
        if last_id is not None and last_updated_at is not None:
            instant = inputs.instant(last_updated_at, "last_updated_at")
            behind = (instant or last_updated_at, inputs.run_id(last_id, "last_id"))
        return await self._page(filters, limit, last_id, order=RESTED, behind=behind)

    async def find_by_definition(
        self,
        tenant_id: str,
        definition_id: UUID,
        limit: int = 20,
        last_id: UUID | None = None,
        *,
        status: RunStatus | str | None = None,
    ) -> Page[RunSummary]:
        """Return a page of a definition's runs, newest first."""
        return await self.get_paginated_runs(
            tenant_id,
            limit=limit,
            last_id=last_id,
            definition_id=inputs.run_id(definition_id, "definition_id"),
            status=status,
        )

    async def find_by_parent(
        self, tenant_id: str, parent_run_id: UUID, limit: int = 20, last_id: UUID | None = None
    ) -> Page[RunSummary]:
        """Return a page of the runs that a run started, chunks included, newest first."""
        parent = inputs.run_id(parent_run_id, "parent_run_id")
        return await self._page(
            Filters(fixed=_fixed(tenant_id, parent_run_id=parent)), limit, last_id
        )

    async def find_by_workflow_id(
        self,
        tenant_id: str,
        workflow_id: str,
        *,
        namespace: str | None = None,
        limit: int = 20,
        last_id: UUID | None = None,
        owner: str | None = None,
        apps: Sequence[str] | None = None,
    ) -> Page[RunSummary]:
        """Return the runs that used a workflow_id, newest first."""
        fixed = _fixed(
            tenant_id,
            workflow_id=inputs.text(workflow_id, "workflow_id"),
            namespace=_text(namespace, "namespace"),
        )
        filters = Filters(
            fixed=fixed,
            changing=_given(owner=_text(owner, "owner")),
            apps=_several(apps, "apps"),
        )
        return await self._page(filters, limit, last_id)

    async def _page(
        self,
        filters: Filters,
        limit: int,
        last_id: UUID | None,
        *,
        order: Order = NEWEST,
        behind: Position | None = None,
    ) -> Page[RunSummary]:
        """Read a page of both tables.

        Args:
            filters: Which runs.
            limit: Runs per page, not yet checked.
            last_id: Last run of the page before; it must lie within the filters.
            order: In which order.
            behind: Where that page ended; asked of the run when None.
        """
        limit = inputs.page_limit(limit)
        if len(filters.apps or "-") * len(filters.triggers or "-") > _MOST_PAIRS:
            raise InvalidInput(
                "apps and triggered_from name too many pairs of an app and a trigger",
                hint=f"name one app, or at most {_MOST_PAIRS} pairs",
            )
        async with self._scope.paging() as session:
            if last_id is not None:
                known = inputs.run_id(last_id, "last_id")
                there = await merged.position(session, filters, order, known)
                behind = behind or there
            return as_page(await merged.page(session, filters, order, limit + 1, behind), limit)


def _fixed(tenant_id: str, **wanted: Any) -> dict[str, Any]:
    return {"tenant_id": inputs.tenant(tenant_id), **_given(**wanted)}


def _given(**wanted: Any) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if value is not None}


def _text(value: str | None, field: str) -> str | None:
    return None if value is None else inputs.text(value, field)


def _id(value: UUID | None, field: str) -> UUID | None:
    return None if value is None else inputs.run_id(value, field)


def _status(status: RunStatus | str | None) -> str | None:
    return None if status is None else run_status(status).value


def _labels(wanted: Mapping[str, str] | None) -> dict[str, str]:
    found = labels.checked(wanted or {})
    if len(found) > _MOST_LABELS:
        raise InvalidInput(f"labels names {len(found)} labels", hint=f"name at most {_MOST_LABELS}")
    return found


def _kinds(kinds: Sequence[RunKind]) -> list[RunKind]:
    try:
        found = list(dict.fromkeys(RunKind(kind) for kind in kinds))
    except ValueError as error:
        raise InvalidInput(f"kinds: {error}", hint="name run, chunk or both") from None
    if not found:
        raise InvalidInput("kinds is an empty list", hint="name run, chunk or both")
    return found


def _several(given: str | Sequence[str] | None, field: str) -> list[str] | None:
    """Return the values of a filter, each of which is a branch of the list; None for all."""
    if given is None:
        return None
    values = [given] if isinstance(given, str) else given
    found = list(dict.fromkeys(inputs.text(value, field) for value in values))
    if not found:
        raise InvalidInput(f"{field} is an empty list", hint="name one or more, or pass None")
    if len(found) > _MOST_BRANCHES:
        raise InvalidInput(
            f"{field} names {len(found)} values", hint=f"name at most {_MOST_BRANCHES}"
        )
    return found
