"""Which activities run, and when."""

from collections.abc import Sequence
from typing import Any

from temporalio import workflow

from flowkeep import WorkflowInterface

with workflow.unsafe.imports_passed_through():
    from examples.hello.activities import GreetingActivities


@workflow.defn
class HelloWorkflow(WorkflowInterface):
    """Loads its arguments, then greets."""

    activities_cls = GreetingActivities

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.greet]

    @workflow.run
    async def run(self, workflow_config: dict[str, Any]) -> str:
        workflow_args = await super().run(workflow_config)
        greeting: str = await self.execute(self.activities_cls.greet, workflow_args)
        return greeting
