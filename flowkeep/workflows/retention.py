"""The workflow that applies retention policies; started by a schedule, or by anybody."""

from collections.abc import Sequence
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from flowkeep.activities.retention import RetentionActivities
    from flowkeep.contracts.retention_run import (
        APPLY_RETENTION,
        RETENTION_TYPE,
        RetentionArguments,
        RetentionProgress,
    )
    from flowkeep.errors import Incomplete
    from flowkeep.workflows.base import WorkflowInterface

_PROGRESS = "retention_progress"


@workflow.defn(name=RETENTION_TYPE)
class RetentionWorkflow(WorkflowInterface):
    """Removes what policies no longer keep, slice by slice; continues as new when it is long."""

    activities_cls: type[Any] = RetentionActivities
    args_model = RetentionArguments

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        """Declare the one activity."""
        return [activities.apply_retention]

    @workflow.run
    async def run(self, workflow_config: Any) -> RetentionProgress:
        """Apply the policies until nothing is left to remove.

        Args:
            workflow_config: `{"workflow_id": …}`.

        Returns:
            How much was removed.

        Raises:
            Incomplete: If some of several tenants could not be done; all others are.
        """
        arguments = await super().run(workflow_config)
        progress = RetentionProgress.model_validate(workflow_config.get(_PROGRESS, {}))
        while progress.more:
            progress = await self.execute(
                APPLY_RETENTION, arguments, progress, result_type=RetentionProgress
            )
            if progress.more and workflow.info().is_continue_as_new_suggested():
                await self.pause_gate()  # the next execution does not know of a pause
                carried = progress.model_dump(mode="json")
                workflow.continue_as_new({**workflow_config, _PROGRESS: carried})
        if progress.failures:
            why = "; ".join(f"{tenant}: {reason}" for tenant, reason in progress.failed.items())
            raise Incomplete(
                f"policies of {progress.failures} tenants could not be applied: {why}",
                hint="mend what is named; the next firing does the rest",
            )
        return progress
