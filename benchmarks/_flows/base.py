"""Flowkeep's side of the orchestration benchmark: the same steps by its classes.

The classes that run stand in modules of their own, one or two in each as in a user's program:
the sandbox loads a workflow's module anew for every run, with all classes in it.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from temporalio import activity

from flowkeep import ActivitiesInterface, SequenceWorkflow, WorkflowInterface

WIDTH = 200


class StepActivities(ActivitiesInterface):
    @activity.defn
    async def step(self, number: int) -> int:
        return number

    @activity.defn
    async def listed(self, workflow_args: dict[str, Any]) -> int:
        return 0


class Counted(WorkflowInterface):
    """Executes `count` activities; `fan` all at once, else in turn."""

    activities_cls = StepActivities
    count: ClassVar[int] = 1
    fan: ClassVar[bool] = False
    local: ClassVar[bool] = False

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.step]

    async def run(self, workflow_config: dict[str, Any]) -> int:
        step = self.activities_cls.step
        if self.fan:
            await self.gather(
                *(self.execute(step, number, local=self.local) for number in range(self.count))
            )
        else:
            for number in range(self.count):
                await self.execute(step, number, local=self.local)
        return 0


class Listed(SequenceWorkflow):
    """Loads its arguments, passes its preflight, then runs the list."""

    activities_cls = StepActivities
