"""The order of the steps, and nothing else."""

from collections.abc import Sequence
from typing import Any

from temporalio import workflow

from flowkeep import SequenceWorkflow

with workflow.unsafe.imports_passed_through():
    from examples.sequence.activities import ReportActivities, ReportArguments


@workflow.defn
class MonthlyReport(SequenceWorkflow):
    """Runs the list: entries in order, the tuple at the same time."""

    activities_cls = ReportActivities
    args_model = ReportArguments

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [
            activities.read_orders,
            (activities.sum_revenue, activities.find_late),
            activities.write_report,
        ]
