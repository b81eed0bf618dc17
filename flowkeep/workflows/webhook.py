"""The workflow that delivers one message to a webhook; a keeper starts it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from flowkeep.activities.webhook import WebhookActivities
    from flowkeep.contracts.api.webhooks import DELIVER, WEBHOOK_TYPE
    from flowkeep.contracts.webhook_run import GROWTH, DeliveryArguments
    from flowkeep.workflows.base import WorkflowInterface

_SLACK = timedelta(seconds=40)
"""What an attempt may take beside the request itself: reads and writes of the ledger."""


@workflow.defn(name=WEBHOOK_TYPE)
class WebhookWorkflow(WorkflowInterface):
    """Sends one message until it is taken, or given up after about a day."""

    activities_cls: type[Any] = WebhookActivities

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        """Declare the one activity."""
        return [activities.deliver]

    @workflow.run
    async def run(self, workflow_config: Any) -> None:
        """Deliver.

        Args:
            workflow_config: `DeliveryArguments`.
        """
        arguments = DeliveryArguments.model_validate(workflow_config)
        await self.execute(
            DELIVER,
            arguments,
            start_to_close_timeout=timedelta(seconds=arguments.timeout_seconds) + _SLACK,
            heartbeat_timeout=None,
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=arguments.first_wait_seconds),
                backoff_coefficient=GROWTH,
                maximum_interval=timedelta(seconds=arguments.longest_wait_seconds),
                maximum_attempts=arguments.attempts,
            ),
        )
