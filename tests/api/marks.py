"""A workflow whose runs leave a mark; at a module's level, as the sandbox wants it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from temporalio import activity, workflow

from flowkeep.workflows import SequenceWorkflow

with workflow.unsafe.imports_passed_through():
    from flowkeep.activities import ActivitiesInterface


class Marks(ActivitiesInterface):
    """Counts how often each mark was left."""

    def __init__(self) -> None:
        self.left: Counter[str] = Counter()

    @activity.defn
    async def leave(self, args: dict[str, Any]) -> str:
        self.left[args["mark"]] += 1
        return str(args["mark"])


@workflow.defn
class Marked(SequenceWorkflow):
    activities_cls = Marks

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.leave]
