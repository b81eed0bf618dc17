"""A workflow class that definitions call."""

from collections.abc import Sequence
from typing import Any

from temporalio import activity, workflow

from flowkeep.activities.base import ActivitiesInterface
from flowkeep.workflows.base import WorkflowInterface


class Numbers(ActivitiesInterface):
    """One activity."""

    @activity.defn(name="numbers.sum")
    async def sum(self, numbers: list[int]) -> int:
        """Add numbers."""
        return sum(numbers)


@workflow.defn(name="Adds")
class Adds(WorkflowInterface):
    """Adds the numbers of its arguments."""

    activities_cls = Numbers

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.sum]

    @workflow.run
    async def run(self, workflow_config: Any) -> Any:
        arguments = await super().run(workflow_config)
        return await self.execute(Numbers.sum, arguments["numbers"])
