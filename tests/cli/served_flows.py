"""Workflows that the tests of the command line serve and start."""

import threading
from collections.abc import Sequence
from typing import Any, ClassVar

from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from pathlib import Path

    from flowkeep.activities.base import ActivitiesInterface
    from flowkeep.workflows.sequence import SequenceWorkflow


class CliActivities(ActivitiesInterface):
    """Two steps; the second waits for a file when the arguments name one."""

    @activity.defn(name="cli_first")
    async def first(self, args: dict[str, Any]) -> dict[str, int]:
        """Report rows and bytes."""
        if args.get("fail"):
            raise ApplicationError("told to fail", type="ToldToFail", non_retryable=True)
        return {"rows": 7, "bytes": 70}

    @activity.defn(name="cli_second")
    def second(self, args: dict[str, Any]) -> str:
        """Wait for the file `gate` to appear."""
        gate = args.get("gate")
        while gate and not Path(gate).exists() and not activity.is_cancelled():
            threading.Event().wait(0.02)
        return str(args.get("word", "done"))


@workflow.defn
class CliFlow(SequenceWorkflow):
    """Both steps in order."""

    activities_cls: ClassVar[type[ActivitiesInterface]] = CliActivities

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        """Return both."""
        return [activities.first, activities.second]


@workflow.defn
class CliBug(CliFlow):
    """Has a bug, and waits for its repair instead of failing."""

    suspend_on_bug = True

    async def run(self, workflow_config: Any) -> Any:
        """Raise."""
        raise KeyError("a bug")


class Undecorated(CliFlow):
    """A base that is no workflow itself."""


both = [CliFlow]


def as_dict(client: Any) -> dict[str, Any]:
    """Return keywords of a Worker."""
    return {
        "workflow_classes": [CliFlow],
        "workflow_activities": CliFlow.get_activities(CliActivities()),
    }


async def as_worker(client: Any) -> Any:
    """Return a Worker."""
    from flowkeep.worker import Worker

    return Worker(client, task_queue="made-by-function", **as_dict(client))


def as_number() -> int:
    """Return what is no Worker."""
    return 7


number = 7
