"""The worker of one variant, in a process of its own."""

import gc
import sys
import time
from pathlib import Path

import uvloop

from benchmarks._definition_flows import Coded, EchoActivities
from benchmarks._definition_shapes import ACTION, ROWS
from benchmarks._support import answer_phases
from flowkeep import Settings, Worker, WorkflowClient
from flowkeep.definitions.actions import action


@action(ACTION)
async def echo(number: int) -> int:
    """Give a number back."""
    return number


@action(ROWS)
async def rows(number: int) -> list[dict[str, int | str]]:
    """Give some 10 KB of rows."""
    return [{"id": number + place, "name": f"a name of {place:>12}"} for place in range(240)]


def resident_mib(pid: int | str = "self") -> float:
    """Return the memory of a process in MiB: VmRSS of proc_pid_status(5)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/{pid}/status has no VmRSS")


async def serve(queue: str) -> None:
    """Work until standard input ends; each line is answered with what was spent so far."""
    async with await WorkflowClient.connect(Settings.load()) as client:

        async def spent(_: str) -> dict[str, float]:
            if client.plugin.recorder is not None:
                await client.plugin.recorder.flush()
            gc.collect()
            return {"cpu": time.process_time(), "mib": resident_mib()}

        coded = Coded.get_activities(EchoActivities())
        async with Worker(
            client, queue, workflow_classes=[Coded], workflow_activities=coded, actions=[echo, rows]
        ):
            await answer_phases(spent)


def main() -> None:
    """Run with the argument: the task queue."""
    (queue,) = sys.argv[1:]
    uvloop.run(serve(queue))
