"""What can be asked about runs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from flowkeep.contracts import (
    Event,
    Page,
    Pause,
    Run,
    RunKind,
    RunStatus,
    RunSummary,
    Segment,
)


class RunReads(Protocol):
    """Questions about runs."""

    async def get(self, tenant_id: str, run_id: UUID) -> Run:
        """Return a run with its inputs and outputs.

        Raises:
            NotFound: If the tenant has no such run.
        """
        ...

    async def get_run_by_id(self, tenant_id: str, app_id: str | None, run_id: UUID) -> Run | None:
        """Return a run of an app (None: of any app), or None where the tenant has no such run."""
        ...

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
    ) -> Page[RunSummary]:
        """Return a page of runs, newest first by (created_at, id).

        Args:
            tenant_id: Whose runs.
            app_id: Only this app's; None means every app.
            triggered_from: One trigger, several, or None for all.
            limit: Rows per page, 1 to 100.
            last_id: Id of the last run of the page before.
            status: Only runs in this status.
            definition_id: Only runs of this definition.
            owner: Only this owner's.
            workflow_type: Only this class.
            labels: Only runs that carry all of these.
            since: Only runs created at this time or later.
            until: Only runs created before this time.
            kinds: Kinds to show; chunks of a `map` are hidden unless asked for.

        Raises:
            InvalidInput: If the limit is out of range, a filter is malformed, or `last_id` names
                no run within the tenant, app and unchanging filters.
        """
        ...

    async def find_by_workflow_id(
        self,
        tenant_id: str,
        workflow_id: str,
        *,
        namespace: str | None = None,
        limit: int = 20,
        last_id: UUID | None = None,
    ) -> Page[RunSummary]:
        """Return the runs that used a workflow_id, newest first; at most one of them is open."""
        ...

    async def list_events(
        self, tenant_id: str, run_id: UUID, limit: int = 50, before: int | None = None
    ) -> Sequence[Event]:
        """Return the newest events of a run, newest first.

        Args:
            tenant_id: Whose run.
            run_id: The run; an unknown one has no events.
            limit: Most events to return, up to 1000; zero or less returns none.
            before: Only events with a smaller `seq`.
        """
        ...

    async def list_segments(self, tenant_id: str, run_id: UUID) -> Sequence[Segment]:
        """Return the newest 1000 Temporal executions of a run, oldest first."""
        ...

    async def list_pauses(self, tenant_id: str, run_id: UUID) -> Sequence[Pause]:
        """Return the newest 1000 pauses of a run, newest first; an open one has no resumed_at."""
        ...
