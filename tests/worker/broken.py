"""A workflow file that does what the sandbox forbids while it is loaded."""

from pathlib import Path
from typing import Any

from temporalio import workflow

from flowkeep.workflows import WorkflowInterface

with workflow.unsafe.imports_passed_through():
    from flowkeep.activities import ActivitiesInterface

if workflow.unsafe.in_sandbox():
    Path("/nonexistent").unlink()


@workflow.defn
class Broken(WorkflowInterface):
    activities_cls = ActivitiesInterface

    @staticmethod
    def get_activities(activities: Any) -> list[Any]:
        return []
