"""A plain Temporal program that knows nothing of flowkeep; at module level for the sandbox."""

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError


@activity.defn
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@activity.defn
def shout(name: str) -> str:
    return name.upper()


@activity.defn
async def fails(secret: str) -> None:
    raise RuntimeError(f"cannot open postgresql://user:{secret}@host/db")


@activity.defn
async def completes_elsewhere() -> str:
    activity.raise_complete_async()


@activity.defn
async def fails_to_clean_up() -> None:
    try:
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        raise RuntimeError("the temporary file is locked") from None


@workflow.defn
class Plain:
    @workflow.run
    async def run(self, name: str) -> str:
        one = await workflow.execute_activity(
            greet, name, start_to_close_timeout=timedelta(seconds=10)
        )
        return await workflow.execute_activity(
            shout, one, start_to_close_timeout=timedelta(seconds=10)
        )


@workflow.defn
class ReusesIds:
    """Uses one explicit activity id twice, one after the other."""

    @workflow.run
    async def run(self, name: str) -> str:
        for _ in range(2):
            last = await workflow.execute_activity(
                greet, name, activity_id="mine", start_to_close_timeout=timedelta(seconds=10)
            )
        return last


@workflow.defn
class Leaks:
    @workflow.run
    async def run(self, secret: str) -> None:
        await workflow.execute_activity(
            fails,
            secret,
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )


@workflow.defn
class Elsewhere:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(
            completes_elsewhere, activity_id="one", start_to_close_timeout=timedelta(seconds=60)
        )


@workflow.defn
class CleansUp:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            fails_to_clean_up,
            start_to_close_timeout=timedelta(seconds=60),
            heartbeat_timeout=timedelta(seconds=1),
            retry_policy=RetryPolicy(maximum_attempts=1),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


@workflow.defn
class Retried:
    """Fails once as a whole, then succeeds, by a retry policy on the workflow."""

    @workflow.run
    async def run(self, name: str = "x") -> int:
        await workflow.execute_activity(greet, name, start_to_close_timeout=timedelta(seconds=10))
        if workflow.info().attempt == 1:
            raise ApplicationError("not yet")
        return workflow.info().attempt


@workflow.defn
class LocalAndChild:
    """Executes local activities, then a child."""

    @workflow.run
    async def run(self, name: str) -> str:
        for _ in range(2):
            name = await workflow.execute_local_activity(
                greet, name, start_to_close_timeout=timedelta(seconds=10)
            )
        return await workflow.execute_child_workflow(Plain.run, name)


@workflow.defn
class Wide:
    """Many activities at once."""

    @workflow.run
    async def run(self, count: int) -> int:
        done = await asyncio.gather(
            *(
                workflow.execute_activity(
                    greet, str(n), start_to_close_timeout=timedelta(minutes=1)
                )
                for n in range(count)
            )
        )
        return len(done)


@workflow.defn
class Waits:
    """Executes one activity, then waits until somebody ends it."""

    def __init__(self) -> None:
        self._done = False

    @workflow.run
    async def run(self, config: dict[str, str] | None = None) -> str:
        said = await workflow.execute_activity(
            greet, "you", start_to_close_timeout=timedelta(seconds=10)
        )
        await workflow.wait_condition(lambda: self._done)
        return said

    @workflow.signal
    def finish(self) -> None:
        self._done = True


@workflow.defn
class Broken:
    """Has a bug; Temporal tries its task again and again."""

    @workflow.run
    async def run(self) -> str:
        raise RuntimeError("no such column: canary; password=canary-pw")
