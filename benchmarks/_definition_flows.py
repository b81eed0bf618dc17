"""The coded workflow beside definitions: the same calls, written in Python."""

from collections.abc import Sequence
from typing import Any

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from benchmarks._definition_shapes import ACTION
    from flowkeep import ActivitiesInterface, WorkflowInterface


class EchoActivities(ActivitiesInterface):
    @activity.defn
    async def echo(self, number: int) -> int:
        return number


@workflow.defn
class Coded(WorkflowInterface):
    """Calls its own activity, or with `action` the one behind an action of definitions."""

    activities_cls = EchoActivities

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.echo]

    @workflow.run
    async def run(self, workflow_config: dict[str, Any]) -> int:
        given = await super().run(workflow_config)
        callee = ACTION if given["action"] else self.activities_cls.echo
        if given["shape"] == "items":
            calls = [_argument(given, number) for number in given["items"]]
            await self.map(callee, calls, window=given["concurrency"])
        else:
            for _ in range(given["count"]):
                await self.execute(callee, _argument(given, given["number"]))
        return 0


def _argument(given: dict[str, Any], number: int) -> Any:
    return {"task": f"t{number}", "input": {"number": number}} if given["action"] else number
