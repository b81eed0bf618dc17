"""A workflow file that imports a web framework for its every run."""

from typing import Any

import fastapi
from temporalio import workflow

from flowkeep.workflows import WorkflowInterface

with workflow.unsafe.imports_passed_through():
    from flowkeep.activities import ActivitiesInterface


@workflow.defn
class Heavy(WorkflowInterface):
    activities_cls = ActivitiesInterface
    framework = fastapi.FastAPI

    @staticmethod
    def get_activities(activities: Any) -> list[Any]:
        return []
