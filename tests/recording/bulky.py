"""A plain Temporal program that hands big values around; at module level for the sandbox."""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, ChildWorkflowError

SOON = timedelta(seconds=60)
ONCE = RetryPolicy(maximum_attempts=1)


def text(size: int, what: str = "canary") -> str:
    """Text of some bytes that tells where it turns up."""
    return (f"{what} " * (size // (len(what) + 1) + 1))[:size]


@activity.defn
async def makes(size: int) -> str:
    return text(size)


@activity.defn
async def measures(value: str) -> int:
    return len(value)


@activity.defn
async def makes_beating(size: int) -> str:
    """Heartbeats a big value at its first attempt, and returns it at its second."""
    details = activity.info().heartbeat_details
    if details:
        return str(details[0])
    activity.heartbeat(text(size, "beaten"))
    raise RuntimeError("once more")


@workflow.defn
class Child:
    """Returns the big value that it gets."""

    @workflow.run
    async def run(self, value: str) -> str:
        return value


@workflow.defn
class Relays:
    """Continues as new, then returns the big value, or fails with it."""

    @workflow.run
    async def run(self, size: int, fails: bool, again: bool = True) -> str:
        if again:
            workflow.continue_as_new(args=[size, fails, False])
        if fails:
            raise ApplicationError("too big", text(size), non_retryable=True)
        return text(size)


@workflow.defn
class Parent:
    """Waits for a child that relays."""

    @workflow.run
    async def run(self, size: int, fails: bool) -> int:
        try:
            return len(
                await workflow.execute_child_workflow(
                    Relays.run, args=[size, fails], id=f"{workflow.info().workflow_id}/child"
                )
            )
        except ChildWorkflowError as error:
            details = error.cause.details if isinstance(error.cause, ApplicationError) else [""]
            return len(details[0])


@workflow.defn
class Bulky:
    """Gets, hands on, and returns big values in every way there is; says how big they were."""

    def __init__(self) -> None:
        self.signalled: str | None = None

    @workflow.signal
    def take(self, value: str) -> None:
        self.signalled = value

    @workflow.update
    async def swap(self, value: str) -> str:
        return value.upper()

    @workflow.query
    def taken(self) -> str:
        return self.signalled or ""

    @workflow.run
    async def run(self, value: str, again: bool = True) -> str:
        size = len(value)
        sizes = [
            await workflow.execute_activity(measures, value, start_to_close_timeout=SOON),
            len(await workflow.execute_activity(makes, size, start_to_close_timeout=SOON)),
            len(await workflow.execute_local_activity(makes, size, start_to_close_timeout=SOON)),
            len(await workflow.execute_child_workflow(Child.run, value)),
        ]
        assert sizes == [size] * 4, sizes
        if again:
            await workflow.wait_condition(lambda: self.signalled is not None)
            workflow.continue_as_new(args=[value, False])
        return value


@workflow.defn
class Beats:
    @workflow.run
    async def run(self, size: int) -> int:
        return len(
            await workflow.execute_activity(
                makes_beating,
                size,
                start_to_close_timeout=SOON,
                heartbeat_timeout=SOON,
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(milliseconds=10), maximum_attempts=2
                ),
            )
        )


@workflow.defn
class Makes:
    """Executes an activity with a big result, and returns only its size."""

    @workflow.run
    async def run(self, size: int, attempts: int = 1) -> int:
        return len(
            await workflow.execute_activity(
                makes,
                size,
                start_to_close_timeout=SOON,
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(milliseconds=50), maximum_attempts=attempts
                ),
            )
        )


@workflow.defn
class Returns:
    """Returns a big value."""

    @workflow.run
    async def run(self, size: int) -> str:
        return text(size)


@workflow.defn
class HandsOn:
    """Hands a big value to an activity."""

    @workflow.run
    async def run(self, size: int) -> int:
        return await workflow.execute_activity(
            measures, text(size), start_to_close_timeout=SOON, retry_policy=ONCE
        )


@workflow.defn
class Holds:
    """Keeps a big result over a worker's end."""

    def __init__(self) -> None:
        self.made = False
        self.released = False

    @workflow.signal
    def release(self) -> None:
        self.released = True

    @workflow.query
    def has_made(self) -> bool:
        return self.made

    @workflow.run
    async def run(self, size: int) -> str:
        value = await workflow.execute_activity(makes, size, start_to_close_timeout=SOON)
        self.made = True
        await workflow.wait_condition(lambda: self.released)
        return value


WORKFLOWS = [Bulky, Child, Relays, Parent, Beats, Makes, Returns, HandsOn, Holds]
ACTIVITIES = [makes, measures, makes_beating]
