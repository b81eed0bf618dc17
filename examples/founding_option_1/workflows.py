"""Option 1 of the founding document: another list of activities, the inherited `run`."""

# ruff: noqa: TC006, UP006, UP035 - everything but the import lines stands as its author wrote it

from typing import Any, Callable, Sequence, Type, cast

from temporalio import workflow

from flowkeep.activities import ActivitiesInterface
from flowkeep.workflows.metadata_extraction.sql import BaseSQLMetadataExtractionWorkflow

from .activities import MyExtendedActivities


@workflow.defn
class MyWorkflowWithCustomSequence(BaseSQLMetadataExtractionWorkflow):
    # Point to your extended Activities class
    activities_cls: Type[ActivitiesInterface] = MyExtendedActivities

    @staticmethod
    def get_activities(
        activities: ActivitiesInterface,
    ) -> Sequence[Callable[..., Any]]:
        my_activities = cast(MyExtendedActivities, activities)
        # Return a modified sequence
        return [
            my_activities.preflight_check,
            my_activities.fetch_databases,
            # ... other fetch activities ...
            my_activities.perform_custom_validation,  # Added custom step
            my_activities.transform_data,
        ]

    # Inherits the 'run' method logic from BaseSQLMetadataExtractionWorkflow
