"""Workflows that end in every way Temporal knows; at module level for the sandbox."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from flowkeep.workflows import WorkflowInterface

with workflow.unsafe.imports_passed_through():
    from tests.recording import plain
    from tests.workflows import flows

SOON = timedelta(seconds=10)
ONCE = RetryPolicy(maximum_attempts=1)
QUICKLY = RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=3)
UNTIL_IT_STOPS = workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED


@activity.defn
async def beats() -> None:
    for number in range(3):
        activity.heartbeat(number)
        await asyncio.sleep(0.01)


@activity.defn
async def stops() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(0.05)


@activity.defn
async def swallows() -> str:
    with contextlib.suppress(asyncio.CancelledError):
        await stops()
    return "went on"


@activity.defn
async def hangs() -> None:
    await asyncio.sleep(3600)


@activity.defn
def naps() -> None:
    """Plain function: runs in a thread."""
    time.sleep(0.01)


@activity.defn
async def fails_twice() -> int:
    if activity.info().attempt < 3:
        raise ApplicationError(f"attempt {activity.info().attempt}")
    return activity.info().attempt


@activity.defn
async def not_json() -> object:
    return object()


@workflow.defn
class One:
    """One activity, by name."""

    @workflow.run
    async def run(self, name: str) -> None:
        await workflow.execute_activity(
            name,
            start_to_close_timeout=timedelta(minutes=1),
            heartbeat_timeout=timedelta(seconds=30),
            retry_policy=QUICKLY,
            cancellation_type=UNTIL_IT_STOPS,
        )


@workflow.defn
class Once:
    """One activity, tried once, for half a second at most."""

    @workflow.run
    async def run(self, name: str) -> None:
        await workflow.execute_activity(
            name, start_to_close_timeout=timedelta(seconds=0.5), retry_policy=ONCE
        )


@workflow.defn
class Two:
    """Two activities, one after the other; returns what the second does."""

    @workflow.run
    async def run(self, first: str, second: str) -> int:
        await workflow.execute_activity(first, start_to_close_timeout=SOON)
        done: int = await workflow.execute_activity(
            second, start_to_close_timeout=timedelta(minutes=1), retry_policy=QUICKLY
        )
        return done


@workflow.defn
class Locally:
    @workflow.run
    async def run(self, name: str) -> None:
        await workflow.execute_local_activity(
            name, start_to_close_timeout=SOON, retry_policy=QUICKLY
        )


@workflow.defn
class Parent:
    @workflow.run
    async def run(self, name: str) -> None:
        await workflow.execute_child_workflow(One.run, name, id=f"{workflow.info().workflow_id}-c")


@workflow.defn
class Continues:
    @workflow.run
    async def run(self, name: str, left: int = 2) -> None:
        await workflow.execute_activity(name, start_to_close_timeout=SOON)
        if left:
            workflow.continue_as_new(args=[name, left - 1])


@workflow.defn
class FailsFirst:
    @workflow.run
    async def run(self, name: str) -> None:
        await workflow.execute_activity(name, start_to_close_timeout=SOON)
        if workflow.info().attempt == 1:
            raise ApplicationError("not yet")


@workflow.defn
class Signalled:
    """Returns while a signal arrives: the server refuses the first completion."""

    def __init__(self) -> None:
        self.signals = 0

    @workflow.run
    async def run(self, workflow_id: str) -> int:
        await workflow.execute_local_activity(
            "signal_once", workflow_id, start_to_close_timeout=SOON
        )
        return self.signals

    @workflow.signal
    def poke(self) -> None:
        self.signals += 1


@workflow.defn
class ReturnsNoJson:
    @workflow.run
    async def run(self) -> object:
        return object()


@workflow.defn
class TriesNoJson:
    """Schedules an activity with an argument that cannot be encoded, then one that can."""

    @workflow.run
    async def run(self) -> None:
        try:
            await workflow.execute_activity(plain.greet, object(), start_to_close_timeout=SOON)
        except ValueError:
            await workflow.execute_activity(plain.greet, "Ada", start_to_close_timeout=SOON)


class Odd(BaseException):
    """No error, as far as Python is concerned."""


class Unspeakable(Exception):
    """Cannot be told."""

    def __str__(self) -> str:
        raise ValueError("no words")


@workflow.defn
class Raises(WorkflowInterface):
    """One of flowkeep's classes, whose code raises what it is told to."""

    activities_cls = flows.Letters

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return []

    @workflow.run
    async def run(self, workflow_config: dict[str, Any]) -> Any:
        args = await super().run(workflow_config)
        errors = {
            "SystemExit": SystemExit(3),
            "KeyboardInterrupt": KeyboardInterrupt(),
            "Odd": Odd("neither"),
            "ExceptionGroup": ExceptionGroup("two", [KeyError("a"), OSError("b")]),
            "Unspeakable": Unspeakable(),
        }
        raise errors[args["what"]]


@workflow.defn
class Asked:
    """Ends at once; can be asked afterwards."""

    @workflow.run
    async def run(self) -> str:
        return "done"

    @workflow.query
    def question(self) -> int:
        return 42


WORKFLOWS = [
    One,
    Once,
    Two,
    Locally,
    Parent,
    Continues,
    FailsFirst,
    Signalled,
    ReturnsNoJson,
    TriesNoJson,
    Asked,
    plain.Elsewhere,
    plain.Waits,
]
ACTIVITIES = [
    beats,
    stops,
    swallows,
    hangs,
    naps,
    fails_twice,
    not_json,
    plain.greet,
    plain.shout,
    plain.completes_elsewhere,
]


def serve(client: Client, task_queue: str, more: Sequence[Any] = (), **options: Any) -> Worker:
    """Make a worker as a program without flowkeep would."""
    return Worker(
        client,
        task_queue=task_queue,
        workflows=WORKFLOWS,
        activities=[*ACTIVITIES, *more],
        activity_executor=ThreadPoolExecutor(20),
        max_heartbeat_throttle_interval=timedelta(milliseconds=100),
        **options,
    )
