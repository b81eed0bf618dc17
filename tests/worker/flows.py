"""Two connectors that share activity names, and workflows that ask for what nobody serves."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from temporalio import activity, workflow
from temporalio.common import RetryPolicy

from flowkeep.workflows import SequenceWorkflow, WorkflowInterface

with workflow.unsafe.imports_passed_through():
    from flowkeep.activities import ActivitiesInterface


class Point(BaseModel):
    x: int


class North(ActivitiesInterface):
    @activity.defn
    async def fetch(self, args: dict[str, Any]) -> str:
        return f"north for {self.services.run.workflow_type}"

    @activity.defn
    async def move(self, point: Point) -> int:
        return point.x + 1


class South(ActivitiesInterface):
    @activity.defn
    async def fetch(self, args: dict[str, Any]) -> str:
        return f"south for {self.services.run.workflow_type}"

    @activity.defn
    async def move(self, point: Point) -> int:
        return point.x - 1


@workflow.defn
class NorthFlow(WorkflowInterface):
    activities_cls = North

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.fetch, activities.move]

    @workflow.run
    async def run(self, workflow_config: Any) -> Any:
        args = await super().run(workflow_config)
        fetched = await self.execute(self.activities_cls.fetch, args)
        moved = await self.map(self.activities_cls.move, [Point(x=1), Point(x=2)], chunk=1)
        return [fetched, await self.execute("flowkeep.test.sum", moved.reference)]


@workflow.defn
class SouthFlow(NorthFlow):
    activities_cls = South

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.fetch, activities.move]


class Sums(ActivitiesInterface):
    @activity.defn(name="flowkeep.test.sum")
    async def sum(self, reference: str) -> list[int]:
        return await self.map_results(reference)


@workflow.defn
class Asks(WorkflowInterface):
    """Calls an activity that no worker knows."""

    activities_cls = North

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return []

    @workflow.run
    async def run(self, workflow_config: Any) -> Any:
        args = await super().run(workflow_config)
        await self.execute(
            "nobody_knows", args, retry_policy=RetryPolicy(maximum_attempts=args["attempts"])
        )


@workflow.defn
class Stranger:
    """Calls an activity that two connectors on another queue share, and belongs to neither."""

    @workflow.run
    async def run(self, task_queue: str) -> Any:
        return await workflow.execute_activity(
            "fetch",
            {},
            task_queue=task_queue,
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(timedelta(milliseconds=10), maximum_attempts=3),
        )


class Slow(ActivitiesInterface):
    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.release = asyncio.Event()

    @activity.defn
    async def slow(self, args: dict[str, Any]) -> str:
        self.began.set()
        await self.release.wait()
        return "finished"


@workflow.defn
class SlowFlow(SequenceWorkflow):
    activities_cls = Slow
    default_retry_policy = RetryPolicy(
        initial_interval=timedelta(milliseconds=10), maximum_attempts=3
    )

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.slow]
