"""A worker that is frozen in the middle of its steps, given up, and goes on."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import TaskStatus, TaskType
from flowkeep.local_engine import LocalEngine
from tests.faults.step_effects import effects_in, environment_of
from tests.faults.step_program import QUEUE, STEPS, InSteps
from tests.support import eventually

pytestmark = pytest.mark.slow

RUNS = 12


async def a_worker(engine: LocalEngine, effects: Path, log: Path) -> Process:
    """Start a worker in a process of its own."""
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.step_program"),
            engine.temporal_address,
            stdin=DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **environment_of(engine, effects)},
        )


async def test_of_two_living_attempts_the_older_is_refused(
    own_engine: LocalEngine, tmp_path: Path
) -> None:
    """Frozen beyond its heartbeat timeout and continued, an attempt records no more steps."""
    effects, log = tmp_path / "effects", tmp_path / "log"
    effects.touch()
    first = await a_worker(own_engine, effects, log)
    async with await WorkflowClient.connect(own_engine.settings()) as client:
        handles = [
            await client.temporal.start_workflow(
                InSteps.run, f"paused-{n}", id=f"paused-{n}", task_queue=QUEUE
            )
            for n in range(RUNS)
        ]

        async def in_the_middle() -> None:
            assert len(effects_in(effects)) >= RUNS * STEPS // 4

        await eventually(in_the_middle, interval=0.01)
        first.send_signal(signal.SIGSTOP)
        second = await a_worker(own_engine, effects, tmp_path / "other log")
        try:
            expected = sum(number * number for number in range(STEPS))
            assert await asyncio.gather(*(one.result() for one in handles)) == [expected] * RUNS
            ended = len(effects_in(effects))
            first.send_signal(signal.SIGCONT)

            async def refused() -> None:
                assert "a newer attempt holds the activity" in log.read_text()

            await eventually(refused, timeout=30)
            await check(client, effects, ended)
        finally:
            for process in (first, second):
                process.kill()
                await process.wait()


async def check(client: WorkflowClient, effects: Path, ended: int) -> None:
    """Each step is recorded once; only what was under way ran twice."""
    attempts: dict[tuple[str, int], list[int]] = defaultdict(list)
    for line in effects_in(effects):
        attempts[line["run"], line["attempt"]].append(line["step"])
    for (run, number), steps in attempts.items():
        assert steps == list(range(steps[0], steps[0] + len(steps))), (run, number)
    again = Counter((line["run"], line["step"]) for line in effects_in(effects))
    twice = Counter(run for (run, _), count in again.items() if count > 1)
    assert max(again.values()) <= 2
    assert max(twice.values(), default=0) <= 1
    assert len(effects_in(effects)) - ended <= RUNS
    assert any(number > 1 for _, number in attempts)
    for n in range(RUNS):
        page = await client.store.runs.find_by_workflow_id("default", f"paused-{n}")
        [run] = page.data
        rows = await client.store.tasks.list_attempts("default", run.id, limit=100)
        steps = [one for one in rows if one.type is TaskType.STEP]
        done = [one.task_index for one in steps if one.status is TaskStatus.SUCCEEDED]
        assert sorted(done) == list(range(1, STEPS + 1))
