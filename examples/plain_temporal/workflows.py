"""A workflow of the plain SDK."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from examples.plain_temporal.activities import charge, send_receipt


@workflow.defn
class PlaceOrder:
    """Charges, then sends the receipt."""

    @workflow.run
    async def run(self, order: str) -> str:
        receipt = await workflow.execute_activity(
            charge,
            order,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(milliseconds=100), maximum_attempts=3
            ),
        )
        return await workflow.execute_activity(
            send_receipt, receipt, start_to_close_timeout=timedelta(seconds=30)
        )
