"""Workflow classes with groups of steps; at module level, as the sandbox wants it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

from flowkeep.workflows import SequenceWorkflow, steps

with workflow.unsafe.imports_passed_through():
    from flowkeep.activities import ActivitiesInterface
    from tests.workflows.flows import Letters

QUICK = RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=5)


@workflow.defn
class Stepped(SequenceWorkflow):
    activities_cls = Letters
    default_retry_policy = QUICK

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.first, steps(activities.second, (activities.third, activities.flaky))]


@workflow.defn
class Nested(SequenceWorkflow):
    activities_cls = Letters

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [steps(activities.first, steps(activities.second))]


@workflow.defn
class NestedInParallel(SequenceWorkflow):
    activities_cls = Letters

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [(activities.first, steps(activities.second))]


class Digits(ActivitiesInterface):
    @activity.defn
    async def second(self, args: dict[str, Any]) -> int:
        return 2


@workflow.defn
class SteppedDigits(SequenceWorkflow):
    activities_cls = Digits

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [steps(activities.second)]


@workflow.defn
class Foreign(SequenceWorkflow):
    """Lists an activity that is not its class's own."""

    activities_cls = Letters
    default_retry_policy = QUICK

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [steps("elsewhere")]


@activity.defn
async def elsewhere(args: dict[str, Any]) -> int:
    return 1
