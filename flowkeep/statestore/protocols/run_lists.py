"""Lists of runs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from flowkeep.contracts import Page, RunKind, RunStatus, RunSummary


class RunLists(Protocol):
    """Lists of runs, page by page: those in the ledger and those in the archive, as one.

    Archived runs have `archived` set. All lists take a limit of 1 to 100 and, as `last_id`, the id
    of the last run of the page before.

    Raises, alike in all:
        InvalidInput: If the limit is out of range, a filter is malformed, or `last_id` names no
            run of the list.
    """

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
        kinds: Sequence[RunKind] = (RunKind.RUN,),
        apps: Sequence[str] | None = None,
    ) -> Page[RunSummary]:
        """Return a page of runs, newest first by (created_at, id).

        A run that is archived between two pages is neither skipped nor repeated. A cursor stays
        good when its run changes owner, status or labels, which are not compared.

        Args:
            tenant_id: Whose runs.
            app_id: Only this app's; None means every app.
            triggered_from: One trigger, several (at most 32), or None for all.
            limit: Rows per page, 1 to 100.
            last_id: Id of the last run of the page before; it may be archived by now.
            status: Only runs in this status.
            definition_id: Only runs of this definition.
            owner: Only this owner's.
            workflow_type: Only this class.
            labels: Only runs that carry all of these, at most five.
            since: Only runs created at this time or later.
            until: Only runs created before this time.
            kinds: Kinds to show; chunks of a `map` are hidden unless asked for.
            apps: Only runs of these apps, at most 32; None for all.

        Raises:
            InvalidInput: If the limit is out of range, a filter is malformed, or `last_id` names
                no run within the tenant, app and unchanging filters.
        """
        ...

    async def list_by_owner(
        self,
        tenant_id: str,
        owner: str,
        limit: int = 20,
        last_id: UUID | None = None,
        *,
        status: RunStatus | str | None = None,
    ) -> Page[RunSummary]:
        """Return a page of an owner's runs, newest first by (created_at, id)."""
        ...

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
        """Return a page of the runs in a status, longest unchanged first by (updated_at, id).

        A run that changes moves in this list, so its id alone is no place: pass with it the
        `updated_at` it was read with.

        Args:
            tenant_id: Whose runs.
            status: The status.
            limit: Rows per page, 1 to 100.
            last_id: Id of the last run of the page before.
            last_updated_at: Its `updated_at`, as that page had it.
            owner: Only this owner's.
            apps: Only runs of these apps; None for all.

        Raises:
            InvalidInput: As all lists; also if only one of the last two is passed.
        """
        ...

    async def find_paused(
        self,
        tenant_id: str,
        limit: int = 20,
        last_id: UUID | None = None,
        *,
        owner: str | None = None,
        apps: Sequence[str] | None = None,
    ) -> Page[RunSummary]:
        """Return a page of the runs with an open pause, latest pause first.

        A cursor stays good when its run was resumed. Archived runs have no open pause.
        """
        ...

    async def find_stuck(
        self,
        tenant_id: str,
        limit: int = 20,
        last_id: UUID | None = None,
        *,
        owner: str | None = None,
        apps: Sequence[str] | None = None,
    ) -> Page[RunSummary]:
        """Return a page of the open runs that do not move, newest first; see `RunSummary.stuck`.

        A cursor stays good when its run moves again.
        """
        ...

    async def find_by_definition(
        self,
        tenant_id: str,
        definition_id: UUID,
        limit: int = 20,
        last_id: UUID | None = None,
        *,
        status: RunStatus | str | None = None,
    ) -> Page[RunSummary]:
        """Return a page of a definition's runs, newest first by (created_at, id)."""
        ...

    async def find_by_parent(
        self, tenant_id: str, parent_run_id: UUID, limit: int = 20, last_id: UUID | None = None
    ) -> Page[RunSummary]:
        """Return a page of the runs that a run started, newest first; chunks are among them."""
        ...

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
        """Return the runs that used a workflow_id, newest first; at most one of them is open."""
        ...
