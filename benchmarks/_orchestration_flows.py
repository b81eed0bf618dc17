"""Flowkeep's side of the orchestration benchmark: the same steps by its classes."""

from collections.abc import Sequence
from typing import Any, ClassVar

from temporalio import activity, workflow

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


@workflow.defn
class One(Counted):
    pass


@workflow.defn
class Ten(Counted):
    count = 10


@workflow.defn
class Wide(Counted):
    count = WIDTH
    fan = True


@workflow.defn
class OneLocal(Counted):
    local = True


@workflow.defn
class TenLocal(Counted):
    count = 10
    local = True


@workflow.defn
class WideLocal(Counted):
    count = WIDTH
    fan = True
    local = True


class Listed(SequenceWorkflow):
    """Loads its arguments, passes its preflight, then runs the list."""

    activities_cls = StepActivities


@workflow.defn
class ListedOne(Listed):
    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.listed]


@workflow.defn
class ListedTen(Listed):
    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.listed] * 10


@workflow.defn
class ListedWide(Listed):
    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [tuple([activities.listed] * WIDTH)]


EXECUTED: dict[tuple[str, int], type[WorkflowInterface]] = {
    ("remote", 1): One,
    ("remote", 10): Ten,
    ("fan", WIDTH): Wide,
    ("local", 1): OneLocal,
    ("local", 10): TenLocal,
    ("fan_local", WIDTH): WideLocal,
}
LISTED: dict[tuple[str, int], type[WorkflowInterface]] = {
    ("remote", 1): ListedOne,
    ("remote", 10): ListedTen,
    ("fan", WIDTH): ListedWide,
}
