"""Applying retention policies, a slice at a time."""

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from temporalio import activity

from flowkeep.activities.base import ActivitiesInterface
from flowkeep.contracts.retention import RetentionReport
from flowkeep.contracts.retention_run import (
    APPLY_RETENTION,
    RetentionArguments,
    RetentionProgress,
)
from flowkeep.errors import ConfigurationError, FlowkeepError

if TYPE_CHECKING:
    from flowkeep.statestore.store import Store


class RetentionActivities(ActivitiesInterface):
    """What the workflow `RetentionWorkflow` needs."""

    @activity.defn(name=APPLY_RETENTION)
    async def apply_retention(
        self, arguments: RetentionArguments, before: RetentionProgress
    ) -> RetentionProgress:
        """Apply policies until everything is done or the slice is over.

        What was removed stays removed: an attempt that is repeated finds less to do, and counts
        only that. Of several tenants, one that cannot be done does not keep the others waiting.

        Args:
            arguments: What the run was started with.
            before: How far the slices before came.
        """
        ends_at = time.monotonic() + arguments.slice_seconds
        progress = before
        async for tenant_id in self._tenants(arguments, before.after):
            left = ends_at - time.monotonic()
            if left <= 0:
                return progress
            try:
                done = await self._apply(tenant_id, arguments, left, progress)
            except FlowkeepError as error:
                if error.retryable or not arguments.all_tenants:
                    raise
                activity.logger.warning("tenant %s: %s", tenant_id, error)
                done = progress.without(tenant_id, str(error))
            if done.more:
                return done
            progress = done.model_copy(
                update={"after": tenant_id, "tenants": done.tenants + 1, "more": True}
            )
        return progress.model_copy(update={"more": False})

    async def _apply(
        self,
        tenant_id: str,
        arguments: RetentionArguments,
        seconds: float,
        before: RetentionProgress,
    ) -> RetentionProgress:
        def tell(report: RetentionReport) -> None:
            self.progress(tenant=tenant_id, rows=before.runs + report.removed.runs)

        report = await self._store.retention.apply(
            tenant_id,
            batch_size=arguments.batch_size,
            max_runs_per_second=arguments.max_runs_per_second,
            max_seconds=seconds,
            resume=before.resume,
            on_progress=tell,
        )
        archived = sum(step.archived for step in report.steps)
        progress: RetentionProgress = before.evolve(
            runs=before.runs + report.removed.runs,
            archived=before.archived + archived,
            resume=report.resume,
            # What is not done, though nothing was cut short, others write to: the next firing's.
            more=report.resume is not None,
        )
        return progress

    async def _tenants(
        self, arguments: RetentionArguments, after: str | None
    ) -> AsyncIterator[str]:
        if not arguments.all_tenants:
            own = self.services.run.tenant_id
            if after != own:
                yield own
            return
        more = True
        while more:
            page = await self._store.system.list_tenants(after=after)
            for tenant_id in page:
                yield tenant_id
                after = tenant_id
            more = page.has_more

    @property
    def _store(self) -> "Store":
        """The whole ledger: these are policies of several tenants."""
        if self._worker_services is None:
            raise ConfigurationError(
                "RetentionActivities has no ledger", hint="run it in a flowkeep Worker"
            )
        return self._worker_services.store
