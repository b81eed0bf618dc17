"""A worker whose activity works in steps with an effect outside, in a process of its own."""

import asyncio
import json
import os
import sys
import time
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    import flowkeep
    from flowkeep.recording.plugin import Plugin

STEPS = 20
QUEUE = "stepping"


def effect(path: str, number: int) -> int:
    """Append a line to a file, on the disk before this returns."""
    info = activity.info()
    line = {"run": info.workflow_id, "step": number, "attempt": info.attempt, "at": time.time()}
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, json.dumps(line).encode() + b"\n")
        os.fsync(file)
    finally:
        os.close(file)
    return number * number


async def effect_of(number: int) -> int:
    await asyncio.sleep(0.01)
    return effect(os.environ["STEP_EFFECTS"], number)


@activity.defn
async def in_steps(name: str) -> int:
    """Sum up what all steps return."""
    async with flowkeep.steps() as step:
        return sum([await step(effect_of, number) for number in range(STEPS)])


@workflow.defn
class InSteps:
    @workflow.run
    async def run(self, name: str) -> int:
        return await workflow.execute_activity(
            in_steps,
            name,
            start_to_close_timeout=timedelta(seconds=60),
            heartbeat_timeout=timedelta(seconds=3),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(milliseconds=100),
                maximum_interval=timedelta(seconds=1),
            ),
        )


async def serve(address: str) -> None:
    client = await Client.connect(address, plugins=[Plugin()])
    worker = Worker(
        client,
        task_queue=QUEUE,
        workflows=[InSteps],
        activities=[in_steps],
        max_concurrent_activities=50,
    )
    await worker.run()


async def main(address: str) -> None:
    """Serve; while Temporal does not answer begin anew, as a supervisor would."""
    while True:
        try:
            await serve(address)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            await asyncio.sleep(0.5)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
