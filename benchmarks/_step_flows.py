"""Workflows of the step benchmark; at module level, as the sandbox wants it."""

from datetime import timedelta

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    import flowkeep


async def step_of(number: int) -> int:
    return number


@activity.defn
async def in_steps(count: int) -> int:
    async with flowkeep.steps() as step:
        for number in range(count):
            await step(step_of, number)
    return 0


@workflow.defn
class InSteps:
    @workflow.run
    async def run(self, count: int) -> int:
        return await workflow.execute_activity(
            in_steps, count, start_to_close_timeout=timedelta(minutes=10)
        )


@workflow.defn
class InLocalSteps:
    @workflow.run
    async def run(self, count: int) -> int:
        return await workflow.execute_local_activity(
            in_steps, count, start_to_close_timeout=timedelta(minutes=10)
        )
