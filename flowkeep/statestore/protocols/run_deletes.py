"""Deleting runs, and holding them against it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from flowkeep.contracts import Run, RunSummary


class RunDeletes(Protocol):
    """Deletes of runs.

    With a run go its chunks, events, segments, pauses, attempts, labels, arguments, and the big
    values and run-scoped secrets that no other run needs. It stays counted in the statistics. A
    tombstone makes sure that late records do not bring it back; its id is not used again.

    Work is done in short transactions, unless the caller opened one. Every delete has a `dry_run`
    that returns the same count and changes nothing.
    """

    async def get_expired_runs_batch(
        self, tenant_id: str, before_date: datetime, batch_size: int = 1000
    ) -> Sequence[RunSummary]:
        """Return the oldest ended runs that were created before a time and that nothing holds.

        Runs with an open child are left out.

        Raises:
            InvalidInput: If the date has no time zone, or the size is not 1 to 10,000.
        """
        ...

    async def delete_runs_by_ids(
        self,
        tenant_id: str,
        run_ids: Sequence[UUID],
        force: bool = False,
        dry_run: bool = False,
    ) -> int:
        """Delete runs, archived ones included; returns how many of the ids existed.

        The objects of archived runs stay in their bundles, until those are discarded.

        Args:
            tenant_id: Whose; runs of others are neither counted nor touched.
            run_ids: In any order; none is no error.
            force: End the record of open runs first. Temporal is not told: use
                `WorkflowClient.delete_runs` where a worker may still be at them.
            dry_run: Only check and count.

        Raises:
            Conflict: If runs are open (without `force`) or under a legal hold; names the first
                ones. Nothing was deleted, unless they got so while others were being deleted.
            LedgerUnavailable: If somebody writes to one of them all the time; try again.
        """
        ...

    async def delete_runs_by_app(
        self,
        tenant_id: str,
        app_id: str,
        batch_size: int = 1000,
        force: bool = False,
        dry_run: bool = False,
    ) -> int:
        """Delete all runs of an app, archived ones included; returns how many.

        See `delete_runs_by_ids`; chunks are not counted.
        """
        ...

    async def prune_terminal_runs(
        self, tenant_id: str, retain_days: float, dry_run: bool = False
    ) -> int:
        """Delete ended runs that nobody changed for some days; returns how many.

        Negative days count as 0. Held runs, and those with an open child, stay.
        """
        ...

    async def set_hold(
        self, tenant_id: str, run_id: UUID, until: datetime | None, *, actor: str | None = None
    ) -> Run:
        """Hold a run against every removal until a time; None releases it.

        Raises:
            NotFound: If there is no such run.
            Forbidden: If it belongs to another tenant.
            InvalidInput: If the time has no zone.
        """
        ...
