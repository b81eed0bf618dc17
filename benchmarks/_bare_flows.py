"""The workflow and the activity that every side without flowkeep's classes runs."""

import asyncio
from datetime import timedelta

from temporalio import activity, workflow

LIMIT = timedelta(seconds=30)
TIMER = timedelta(milliseconds=50)


@activity.defn
async def step(number: int) -> int:
    return number


@workflow.defn
class Steps:
    @workflow.run
    async def run(self, kind: str, count: int) -> float:
        """Run `count` activities: `remote` or `local` ones in turn, `fan…` all at once."""
        if kind == "timer":
            before = workflow.now()
            await asyncio.sleep(TIMER.total_seconds())
            return (workflow.now() - before).total_seconds()
        call = self.local if kind.endswith("local") else self.remote
        if kind.startswith("fan"):
            await asyncio.gather(*(call(number) for number in range(count)))
        else:
            for number in range(count):
                await call(number)
        return 0

    async def remote(self, number: int) -> int:
        return await workflow.execute_activity(step, number, start_to_close_timeout=LIMIT)

    async def local(self, number: int) -> int:
        return await workflow.execute_local_activity(step, number, start_to_close_timeout=LIMIT)
