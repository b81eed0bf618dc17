"""Option 2 of the founding document: a `run` of one's own."""

# ruff: noqa: F401, TC006, UP006, UP035 - stands as its author wrote it but for imports

import asyncio
from datetime import timedelta
from typing import Any, Callable, Dict, Sequence, Type, cast

from temporalio import workflow
from temporalio.common import RetryPolicy

from flowkeep.activities import ActivitiesInterface
from flowkeep.statestore import StateStore, StateType
from flowkeep.workflows.metadata_extraction.sql import BaseSQLMetadataExtractionWorkflow

from .activities import MyExtendedActivities

# Assume MyExtendedActivities defines: preflight_check, custom_step_one, custom_step_two


@workflow.defn
class MyWorkflowWithCustomRunLogic(BaseSQLMetadataExtractionWorkflow):
    # Still need to point to the Activities class containing the methods
    activities_cls: Type[ActivitiesInterface] = MyExtendedActivities

    # get_activities might still be defined if needed by worker registration,
    # but the 'run' method now dictates execution.
    @staticmethod
    def get_activities(
        activities: ActivitiesInterface,
    ) -> Sequence[Callable[..., Any]]:
        my_activities = cast(MyExtendedActivities, activities)
        return [
            my_activities.preflight_check,  # Still needed if super().run is called
            my_activities.custom_step_one,
            my_activities.custom_step_two,
        ]

    @workflow.run
    async def run(self, workflow_config: Dict[str, Any]) -> str:  # Return type example
        # 1. Load full arguments (Essential step)
        workflow_args: Dict[str, Any] = await workflow.execute_activity_method(
            self.activities_cls.get_workflow_args,
            workflow_config,  # Pass the whole config containing workflow_id
            retry_policy=RetryPolicy(maximum_attempts=3, backoff_coefficient=2),
            start_to_close_timeout=self.default_start_to_close_timeout,
            heartbeat_timeout=self.default_heartbeat_timeout,
        )

        # Define a standard retry policy for activities
        retry_policy = RetryPolicy(maximum_attempts=3)

        # 2. Execute initial activities (Optional: Reuse base preflight)
        # await super().run(workflow_config) # Option 1: Run base preflight first

        # Option 2: Or call preflight manually if not calling super().run
        await workflow.execute_activity_method(
            self.activities_cls.preflight_check,
            args=[workflow_args],
            retry_policy=retry_policy,
            start_to_close_timeout=self.default_start_to_close_timeout,
            heartbeat_timeout=self.default_heartbeat_timeout,
        )
        # Add checks on preflight result if needed...

        # 3. Custom Orchestration Logic (Simplified Example)
        workflow.logger.info("Executing custom step one...")
        result_one = await workflow.execute_activity_method(
            self.activities_cls.custom_step_one,
            args=[workflow_args],
            retry_policy=retry_policy,
            start_to_close_timeout=timedelta(minutes=10),
        )

        # Potentially use result_one to modify workflow_args for the next step
        workflow_args["step_one_output"] = result_one

        workflow.logger.info("Executing custom step two...")
        result_two = await workflow.execute_activity_method(
            self.activities_cls.custom_step_two,
            args=[workflow_args],
            retry_policy=retry_policy,
            start_to_close_timeout=timedelta(hours=1),
        )

        # 4. Return a result
        return f"Workflow {workflow_args['workflow_id']} finished custom run. Result: {result_two}"
