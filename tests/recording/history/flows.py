"""Workflows whose histories hold everything that the ledger has to agree with."""

import asyncio
import contextlib
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

SHORT = timedelta(seconds=20)
SOON = RetryPolicy(initial_interval=timedelta(milliseconds=20), maximum_attempts=5)
ONCE = RetryPolicy(maximum_attempts=1)


@activity.defn
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@activity.defn
async def flaky(failures: int) -> int:
    attempt = activity.info().attempt
    if attempt <= failures:
        raise ApplicationError(f"attempt {attempt} fails")
    return attempt


@activity.defn
async def stalls_once() -> str:
    """The first attempt sends no heartbeat and is given up by the server."""
    if activity.info().attempt == 1:
        await asyncio.sleep(30)
    return "awake"


@activity.defn
async def holds() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(0.05)


@activity.defn
async def elsewhere() -> str:
    activity.raise_complete_async()


@activity.defn
async def returns_nonsense() -> object:
    """A result that no converter can encode: the worker sees success, the server a failure."""
    return object()


@workflow.defn
class Leaf:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(greet, "leaf", start_to_close_timeout=SHORT)


@workflow.defn
class Everything:
    """Every way in which a task can end while its run goes on, all at once."""

    @workflow.run
    async def run(self) -> str:
        await asyncio.gather(
            workflow.execute_activity(greet, "remote", start_to_close_timeout=SHORT),
            workflow.execute_activity(flaky, 3, start_to_close_timeout=SHORT, retry_policy=SOON),
            self._local(),
            self._twice(),
            self._never_started(),
            self._cancelled_before_start(),
            self._cancelled(),
            self._stalled(),
            self._fails(),
            self._nonsense(),
            workflow.execute_activity(
                elsewhere, activity_id="elsewhere", start_to_close_timeout=SHORT
            ),
            workflow.execute_child_workflow(Leaf.run),
        )
        return "done"

    async def _local(self) -> None:
        await workflow.execute_local_activity(greet, "near", start_to_close_timeout=SHORT)
        await workflow.execute_local_activity(
            flaky, 2, start_to_close_timeout=SHORT, retry_policy=SOON
        )
        await workflow.execute_local_activity(
            flaky,
            2,
            start_to_close_timeout=SHORT,
            retry_policy=SOON,
            local_retry_threshold=timedelta(milliseconds=1),
        )

    async def _twice(self) -> None:
        for _ in range(2):
            await workflow.execute_activity(
                greet, "again", activity_id="mine", start_to_close_timeout=SHORT
            )

    async def _never_started(self) -> None:
        try:
            await workflow.execute_activity(
                greet,
                "nobody",
                task_queue="nobody-serves-this",
                start_to_close_timeout=SHORT,
                schedule_to_start_timeout=timedelta(milliseconds=200),
            )
        except ActivityError:
            return
        raise AssertionError("it cannot have started")

    async def _cancelled_before_start(self) -> None:
        task = workflow.start_activity(
            greet, "nobody", task_queue="nobody-serves-this", start_to_close_timeout=SHORT
        )
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _cancelled(self) -> None:
        task = workflow.start_activity(
            holds,
            start_to_close_timeout=SHORT,
            heartbeat_timeout=timedelta(seconds=1),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _stalled(self) -> None:
        await workflow.execute_activity(
            stalls_once,
            start_to_close_timeout=SHORT,
            heartbeat_timeout=timedelta(milliseconds=400),
            retry_policy=SOON,
        )

    async def _fails(self) -> None:
        try:
            await workflow.execute_activity(
                flaky, 9, start_to_close_timeout=SHORT, retry_policy=ONCE
            )
        except ActivityError:
            return
        raise AssertionError("it cannot have succeeded")

    async def _nonsense(self) -> None:
        try:
            await workflow.execute_activity(
                returns_nonsense,
                start_to_close_timeout=SHORT,
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(milliseconds=20), maximum_attempts=2
                ),
            )
        except ActivityError:
            return
        raise AssertionError("it cannot have been encoded")


@workflow.defn
class Leafy(Leaf):
    """The same, not as a child."""

    @workflow.run
    async def run(self) -> str:
        return await super().run()


@workflow.defn
class Damaged:
    """One task of each kind that is damaged afterwards."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(greet, "one", start_to_close_timeout=SHORT)
        await workflow.execute_activity(flaky, 2, start_to_close_timeout=SHORT, retry_policy=SOON)
        with contextlib.suppress(ActivityError):
            await workflow.execute_activity(
                flaky, 9, start_to_close_timeout=SHORT, retry_policy=ONCE
            )
        await workflow.execute_local_activity(
            flaky, 1, start_to_close_timeout=SHORT, retry_policy=SOON
        )


@workflow.defn
class Fails:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(flaky, 9, start_to_close_timeout=SHORT, retry_policy=ONCE)


@workflow.defn
class Holds:
    """Runs until somebody ends it; one activity works, one waits for a worker."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(greet, "first", start_to_close_timeout=SHORT)
        await asyncio.gather(
            workflow.execute_activity(
                holds, start_to_close_timeout=SHORT, heartbeat_timeout=timedelta(seconds=2)
            ),
            workflow.execute_activity(
                greet, "nobody", task_queue="nobody-serves-this", start_to_close_timeout=SHORT
            ),
        )


@workflow.defn
class Continues:
    @workflow.run
    async def run(self, left: int) -> int:
        await workflow.execute_activity(greet, "turn", start_to_close_timeout=SHORT)
        if left:
            workflow.continue_as_new(left - 1)
        return left


@workflow.defn
class Retried:
    """Fails once as a whole."""

    @workflow.run
    async def run(self) -> int:
        await workflow.execute_activity(greet, "try", start_to_close_timeout=SHORT)
        if workflow.info().attempt == 1:
            raise ApplicationError("not yet")
        return workflow.info().attempt


@workflow.defn
class Steps:
    """Three activities with a signal between them, to be reset in the middle."""

    def __init__(self) -> None:
        self._go = False

    @workflow.signal
    def go(self) -> None:
        self._go = True

    @workflow.run
    async def run(self) -> str:
        await workflow.execute_activity(greet, "one", start_to_close_timeout=SHORT)
        await workflow.execute_activity(greet, "two", start_to_close_timeout=SHORT)
        await workflow.wait_condition(lambda: self._go)
        return await workflow.execute_activity(greet, "three", start_to_close_timeout=SHORT)


WORKFLOWS = [Leaf, Leafy, Everything, Damaged, Fails, Holds, Continues, Retried, Steps]
ACTIVITIES = [greet, flaky, stalls_once, holds, elsewhere, returns_nonsense]
