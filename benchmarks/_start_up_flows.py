"""A small workflow of flowkeep's, as a user writes it; beside it stands `_bare_flows`."""

from collections.abc import Sequence
from typing import Any

from temporalio import activity, workflow

from flowkeep import ActivitiesInterface, WorkflowInterface


class HelloActivities(ActivitiesInterface):
    @activity.defn
    async def greet(self, workflow_args: dict[str, Any]) -> str:
        return f"Hello, {workflow_args['name']}!"


@workflow.defn
class Hello(WorkflowInterface):
    activities_cls = HelloActivities

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.greet]

    async def run(self, workflow_config: dict[str, Any]) -> Any:
        arguments = await super().run(workflow_config)
        return await self.execute(self.activities_cls.greet, arguments)
