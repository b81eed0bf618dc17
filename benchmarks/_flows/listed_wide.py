from collections.abc import Sequence
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from benchmarks._flows.base import WIDTH, Listed


@workflow.defn
class ListedWide(Listed):
    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [(activities.listed,) * WIDTH]
