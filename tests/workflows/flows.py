"""Workflow and activity classes of the tests; at module level, as the sandbox wants it."""

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
    from flowkeep.contracts import CheckResult, PreflightResult


class Letters(ActivitiesInterface):
    """Activities that leave a trace of their order."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.failures = 0
        self.release = asyncio.Event()
        self.running = 0
        self.most = 0

    @activity.defn
    async def first(self, args: dict[str, Any]) -> str:
        self.calls.append("first")
        return f"a{args.get('suffix', '')}"

    @activity.defn
    async def second(self, args: dict[str, Any]) -> str:
        self.calls.append("second")
        return "b"

    @activity.defn
    def third(self, args: dict[str, Any]) -> str:
        """Plain function: runs in a thread."""
        self.calls.append("third")
        return "c"

    @activity.defn
    async def flaky(self, args: dict[str, Any]) -> str:
        self.failures += 1
        if self.failures < 3:
            raise RuntimeError(f"attempt {self.failures} with postgresql://u:canary-pw@h/db")
        return "recovered"

    @activity.defn
    async def double(self, item: int, by: int = 2) -> int:
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        if item < 0:
            raise ValueError(f"negative: {item}") from KeyError("sign")
        return item * by

    @activity.defn
    async def hold(self, args: dict[str, Any]) -> str:
        self.calls.append("hold")
        await self.release.wait()
        return "released"


class Arguments(BaseModel):
    name: str
    count: int = 1


@workflow.defn
class InheritsRun(WorkflowInterface):
    activities_cls = Letters

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.first]


@workflow.defn
class Modelled(WorkflowInterface):
    activities_cls = Letters
    args_model = Arguments

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return []


class PasswordArguments(BaseModel):
    password: str


@workflow.defn
class WantsPassword(WorkflowInterface):
    activities_cls = Letters
    args_model = PasswordArguments

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return []


@workflow.defn
class Sequenced(SequenceWorkflow):
    activities_cls = Letters

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.preflight_check, activities.first, (activities.second, activities.third)]


@workflow.defn
class Flaky(SequenceWorkflow):
    activities_cls = Letters
    default_retry_policy = RetryPolicy(
        initial_interval=timedelta(milliseconds=10), maximum_attempts=5
    )

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.flaky]


@workflow.defn
class Holding(SequenceWorkflow):
    activities_cls = Letters
    default_heartbeat_timeout = timedelta(seconds=1)

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.hold, activities.second]


@workflow.defn
class EndsOnPause(WorkflowInterface):
    """Returns while its pause is still being recorded."""

    activities_cls = Letters

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return []

    async def run(self, workflow_config: dict[str, Any]) -> str:
        await workflow.wait_condition(lambda: self.progress().paused)
        return "paused"


@workflow.defn
class Renamed(Holding):
    """Has an update with a bug."""

    @workflow.update
    async def rename(self, name: str) -> None:
        raise KeyError(name)


@workflow.defn
class Buggy(WorkflowInterface):
    activities_cls = Letters

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return []

    @workflow.run
    async def run(self, workflow_config: dict[str, Any]) -> Any:
        return {}["nothing here"]


@workflow.defn
class Patient(Buggy):
    """Hangs on a bug, as Temporal does by itself."""

    suspend_on_bug = True


@workflow.defn
class Local(WorkflowInterface):
    activities_cls = Letters

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.first, activities.second]

    @workflow.run
    async def run(self, workflow_config: Any) -> list[str]:
        args = await super().run(workflow_config)
        one = await self.execute(self.activities_cls.first, args, local=True)
        two = await self.execute(self.activities_cls.second, args)
        return [one, two]


class MapArguments(BaseModel):
    items: list[int]
    window: int = 100
    chunk: int = 1000
    on_error: str = "raise"
    local: bool = False


@workflow.defn
class Mapped(WorkflowInterface):
    activities_cls = Letters
    args_model = MapArguments
    default_retry_policy = RetryPolicy(maximum_attempts=1)

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.double]

    @workflow.run
    async def run(self, workflow_config: Any) -> Any:
        args = await super().run(workflow_config)
        return await self.map(
            self.activities_cls.double,
            args.items,
            args=[3],
            window=args.window,
            chunk=args.chunk,
            on_error=args.on_error,
            local=args.local,
        )


@workflow.defn
class MapsHolding(WorkflowInterface):
    """Holds for six items, in chunks of two, one item of a chunk at a time."""

    activities_cls = Letters

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.hold]

    @workflow.run
    async def run(self, workflow_config: Any) -> Any:
        await super().run(workflow_config)
        items = [{"item": number} for number in range(6)]
        return await self.map(self.activities_cls.hold, items, window=2, chunk=2)


class Checked(ActivitiesInterface):
    @activity.defn(name="preflight_check")
    async def preflight_check(self, workflow_args: dict[str, Any]) -> PreflightResult:
        return PreflightResult(
            checks=[
                CheckResult(name="one", ok=False, message="the first reason"),
                CheckResult(name="two", ok=False, message="the second reason"),
                CheckResult(name="three", ok=False, message="only a warning", level="warning"),
            ]
        )


@workflow.defn
class FailsPreflight(WorkflowInterface):
    activities_cls = Checked

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return []


@workflow.defn
class Parent(WorkflowInterface):
    activities_cls = Letters

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.first]

    @workflow.run
    async def run(self, workflow_config: Any) -> Any:
        args = await super().run(workflow_config)
        return await workflow.execute_child_workflow(
            "Sequenced", {"workflow_id": args["workflow_id"]}, id=f"{args['workflow_id']}-child"
        )


@workflow.defn
class Continues(WorkflowInterface):
    """Executes one activity per execution, three executions in all."""

    activities_cls = Letters

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.first]

    @workflow.run
    async def run(self, workflow_config: Any) -> int:
        args = await super().run({"workflow_id": workflow_config["workflow_id"]})
        await self.execute("first", args)
        number = workflow_config.get("number", 1)
        if number < 3:
            workflow.continue_as_new({**workflow_config, "number": number + 1})
        return number
