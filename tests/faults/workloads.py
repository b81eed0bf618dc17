"""The workflows and activities that run while servers and processes are killed.

What an execution does follows from its workflow id, `<seed>-<number>-<kind>-<n>`, so a start
needs no arguments: whoever starts it, by whatever way, the same happens.
"""

import asyncio
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError

from flowkeep.workflows import SequenceWorkflow

with workflow.unsafe.imports_passed_through():
    from flowkeep.activities import ActivitiesInterface
    from tests.faults.witness import tell, witnessed

PERSISTENT = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    maximum_interval=timedelta(seconds=1),
    maximum_attempts=60,
)
THREE = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=3)
HEARTBEAT = timedelta(seconds=2)


def number_of(workflow_id: str) -> int:
    """Return the last number of a workflow id; a schedule and a parent append their own part."""
    return int(workflow_id.split("/")[0].split("-")[3])


def _n() -> int:
    workflow_id = activity.info().workflow_id
    assert workflow_id is not None
    return number_of(workflow_id)


@activity.defn
async def step(name: str) -> dict[str, Any]:
    """Do next to nothing."""
    with witnessed():
        await asyncio.sleep(0.02)
        return {"name": name, "n": _n()}


@activity.defn
def threaded(name: str) -> str:
    """Do next to nothing in a thread."""
    with witnessed():
        threading.Event().wait(0.02)
        return name


@activity.defn
async def falter(times: int) -> int:
    """Fail a number of times."""
    with witnessed():
        if activity.info().attempt <= times:
            raise ApplicationError(f"attempt {activity.info().attempt} falters", type="Faltered")
        return activity.info().attempt


@activity.defn
async def linger(seconds: float) -> str:
    """Work for long and show it."""
    with witnessed():
        for _ in range(int(seconds / 0.1)):
            activity.heartbeat()
            await asyncio.sleep(0.1)
        return "lingered"


@activity.defn
async def ignore_cancellation(seconds: float) -> str:
    """Work for long, swallow the request to stop, and return as if nothing had been asked."""
    with witnessed():
        try:
            for _ in range(int(seconds / 0.1)):
                activity.heartbeat()
                await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            return "ignored"
        return "lingered"


@activity.defn
async def stall(attempts: int) -> str:
    """Take too long at the first attempts."""
    with witnessed():
        if activity.info().attempt <= attempts:
            await asyncio.sleep(3)
        return "in time"


@activity.defn
async def hand_over() -> dict[str, int]:
    """Leave the end to the driver, which completes it by its token."""
    tell("handed over", token=activity.info().task_token.hex())
    activity.raise_complete_async()


@activity.defn
async def late_step() -> str:
    """Known to new workers only."""
    with witnessed():
        return "late"


async def _do(fn: Any, *args: Any, seconds: float = 10, **options: Any) -> Any:
    options.setdefault("retry_policy", PERSISTENT)
    timeout = timedelta(seconds=seconds)
    return await workflow.execute_activity(fn, args=args, start_to_close_timeout=timeout, **options)


async def _do_here(fn: Any, *args: Any) -> Any:
    return await workflow.execute_local_activity(
        fn, args=args, start_to_close_timeout=timedelta(seconds=10), retry_policy=PERSISTENT
    )


class Deeds(ActivitiesInterface):
    """Activities of flowkeep's own kind."""

    @activity.defn
    async def first(self, args: dict[str, Any]) -> dict[str, Any]:
        with witnessed():
            return {"first": _n()}

    @activity.defn
    def second(self, args: dict[str, Any]) -> str:
        with witnessed():
            return "second"

    @activity.defn
    async def third(self, args: dict[str, Any]) -> str:
        with witnessed():
            if activity.info().attempt <= _n():
                raise RuntimeError("third falters")
            return "third"


@workflow.defn
class Listed(SequenceWorkflow):
    """A flowkeep workflow: arguments from the ledger, a group, retries."""

    activities_cls = Deeds
    default_start_to_close_timeout = timedelta(seconds=20)
    default_heartbeat_timeout = timedelta(seconds=3)
    default_retry_policy = PERSISTENT

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return [activities.first, (activities.second, activities.third)]


@workflow.defn
class Retries:
    """Succeeds after failures."""

    @workflow.run
    async def run(self, _: Any = None) -> dict[str, Any]:
        tried = await _do(falter, number_of(workflow.info().workflow_id))
        return {"tried": tried, "thread": await _do(threaded, "end")}


@workflow.defn
class Fails:
    """Runs out of attempts."""

    @workflow.run
    async def run(self, _: Any = None) -> None:
        await _do(step, "before")
        await _do(falter, 99, retry_policy=THREE)


@workflow.defn
class Raises:
    """Fails by itself."""

    @workflow.run
    async def run(self, _: Any = None) -> None:
        await _do(step, "before")
        raise ApplicationError("raised on purpose", type="OnPurpose")


@workflow.defn
class Lingers:
    """Works for long; is cancelled, terminated, timed out, or left alone."""

    @workflow.run
    async def run(self, _: Any = None) -> list[Any]:
        seconds = float(number_of(workflow.info().workflow_id))
        return [
            await _do(step, "before"),
            await _do(linger, seconds, seconds=seconds + 15, heartbeat_timeout=HEARTBEAT),
        ]


@workflow.defn
class Stubborn:
    """Its activity swallows the cancellation, and it waits for that."""

    @workflow.run
    async def run(self, _: Any = None) -> Any:
        return await _do(
            ignore_cancellation,
            float(number_of(workflow.info().workflow_id)),
            seconds=20,
            heartbeat_timeout=HEARTBEAT,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


@workflow.defn
class Stalls:
    """Attempts that time out: one by its deadline, one for want of a heartbeat."""

    @workflow.run
    async def run(self, _: Any = None) -> list[Any]:
        n = number_of(workflow.info().workflow_id)
        return [
            await _do(stall, n, seconds=1),
            await _do(stall, 1, seconds=10, heartbeat_timeout=timedelta(seconds=1)),
        ]


@workflow.defn
class Gives:
    """An attempt that outlasts everything: the task times out, and the run fails with it."""

    @workflow.run
    async def run(self, _: Any = None) -> Any:
        return await _do(stall, 99, seconds=1, retry_policy=RetryPolicy(maximum_attempts=2))


@workflow.defn
class Parent:
    """Has children, the last of which fails."""

    @workflow.run
    async def run(self, _: Any = None) -> list[Any]:
        own = workflow.info().workflow_id
        await _do(step, "before")
        children = [
            workflow.execute_child_workflow(
                Raises.run if index == 2 else Retries.run, id=f"{own}/{index}"
            )
            for index in range(3)
        ]
        try:
            return await asyncio.gather(*children)
        except ChildWorkflowError:
            return [await _do(step, "after")]


@workflow.defn
class Continues:
    """Three executions, one run."""

    @workflow.run
    async def run(self, state: Any = None) -> int:
        turn = state["turn"] if isinstance(state, dict) and "turn" in state else 1
        await _do(step, f"turn {turn}")
        await _do_here(step, f"local {turn}")
        if turn < 3:
            workflow.continue_as_new({"turn": turn + 1})
        return turn


@workflow.defn
class Local:
    """Local activities, one of which is retried."""

    @workflow.run
    async def run(self, _: Any = None) -> int:
        await asyncio.gather(*[_do_here(step, str(index)) for index in range(3)])
        await _do_here(falter, number_of(workflow.info().workflow_id))
        return int(await _do_here(falter, 0))


@workflow.defn
class Repeats:
    """A whole run that Temporal retries by policy."""

    @workflow.run
    async def run(self, _: Any = None) -> int:
        await _do(step, "try")
        if workflow.info().attempt <= number_of(workflow.info().workflow_id):
            raise ApplicationError("once more", type="OnceMore")
        return workflow.info().attempt


@workflow.defn
class HandsOver:
    """Its activity is completed from elsewhere."""

    @workflow.run
    async def run(self, _: Any = None) -> Any:
        return await _do(hand_over, seconds=6)


@workflow.defn
class Wide:
    """Many activities at once."""

    @workflow.run
    async def run(self, _: Any = None) -> int:
        done = await asyncio.gather(*[_do(step, str(index)) for index in range(20)])
        return len(done)


@workflow.defn
class Evolves:
    """Has got a step since; workers on old code do not know it."""

    @workflow.run
    async def run(self, _: Any = None) -> list[Any]:
        done = [await _do(step, "one")]
        if workflow.patched("late-step"):
            done.append(await _do(late_step))
        done.append(await _do(step, "two"))
        return done


@workflow.defn(name="Evolves")
class EvolvesLater:
    """The old code of `Evolves`."""

    @workflow.run
    async def run(self, _: Any = None) -> list[Any]:
        return [await _do(step, "one"), await _do(step, "two")]


@workflow.defn
class Mends:
    """Catches the failure of a task and goes on."""

    @workflow.run
    async def run(self, _: Any = None) -> Any:
        try:
            return await _do(falter, 99, retry_policy=THREE)
        except ActivityError:
            return await _do(step, "mended")


COMMON = [
    Retries,
    Fails,
    Raises,
    Lingers,
    Stubborn,
    Stalls,
    Gives,
    Parent,
    Continues,
    Local,
    Repeats,
    HandsOver,
    Wide,
    Mends,
]
ACTIVITIES = [step, threaded, falter, linger, ignore_cancellation, stall, hand_over]
