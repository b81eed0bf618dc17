"""Workflow classes whose first steps differ; at module level, as the sandbox wants it."""

from collections.abc import Sequence
from typing import Any

from temporalio import activity, workflow

from flowkeep.workflows import WorkflowInterface

with workflow.unsafe.imports_passed_through():
    from flowkeep.activities import ActivitiesInterface
    from flowkeep.contracts import CheckResult, PreflightResult


class Plain(ActivitiesInterface):
    """Brings nothing of its own."""


class Own(ActivitiesInterface):
    """Loads arguments and checks in its own way."""

    @activity.defn(name="get_workflow_args")
    async def get_workflow_args(self, workflow_config: Any) -> dict[str, Any]:
        return {**await super().get_workflow_args(workflow_config), "own": True}

    @activity.defn(name="preflight_check")
    async def preflight_check(self, workflow_args: dict[str, Any]) -> PreflightResult:
        return PreflightResult(checks=[CheckResult(name="mine", ok=True)])


class Opens(WorkflowInterface):
    """Only begins."""

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return []


@workflow.defn(name="LocalOpening")
class LocalOpening(Opens):
    activities_cls = Plain


@workflow.defn(name="RemoteOpening")
class RemoteOpening(Opens):
    activities_cls = Plain
    local_short_steps = False


@workflow.defn(name="OwnOpening")
class OwnOpening(Opens):
    activities_cls = Own


@workflow.defn(name="LocalOpening")
class LocalOpeningOverridden(Opens):
    """What a deployment makes of `LocalOpening`: an override of both."""

    activities_cls = Own


@workflow.defn(name="OwnOpening")
class OwnOpeningWithout(Opens):
    """What a deployment makes of `OwnOpening`: without the overrides."""

    activities_cls = Plain
